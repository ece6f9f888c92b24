//! The parts that depend only on the configuration. `serve` uses them, and `gateway check` reports every one that
//! cannot be created, so that both accept the same configurations.

use std::sync::Arc;

use super::StartError;
use crate::{
    auth::{ApiKeys, Authenticator, Permissions},
    commands::declared::{Declaration, read_declarations},
    config::Config,
    edge::accept::Certificates,
    metrics::Metrics,
    webhooks::{WebhookTable, read_webhooks},
};

/// The parts that use nothing outside the process except the files that the configuration names.
pub(crate) struct Prepared {
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) permissions: Permissions,
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
    /// The declared services.
    pub(crate) declarations: Vec<Declaration>,
    /// The webhooks.
    pub(crate) webhooks: WebhookTable,
}

impl Prepared {
    /// Creates the parts.
    ///
    /// # Errors
    /// One error for each part that cannot be created.
    pub(crate) fn new(config: &Config) -> Result<Self, Vec<StartError>> {
        let mut problems = Problems(Vec::new());
        let auth = problems.keep(Authenticator::new(&config.auth));
        let permissions = problems.keep(Permissions::new(&config.permissions));
        let certificates = problems.keep(config.tls.as_ref().map(Certificates::read).transpose());
        let metrics = problems.keep(Metrics::new());
        let declarations = problems.keep_all(read_declarations(config));
        let webhooks = problems.keep_all(read_webhooks(&config.webhooks));
        match (auth, permissions, certificates, metrics, declarations, webhooks) {
            (Some(auth), Some(permissions), Some(certificates), Some(metrics), Some(declarations), Some(webhooks)) => {
                Ok(Self {
                    declarations,
                    webhooks,
                    auth: Arc::new(auth),
                    permissions,
                    api_keys: Arc::new(ApiKeys::new(&config.auth.api_keys)),
                    certificates,
                    metrics: Arc::new(metrics),
                })
            }
            _ => Err(problems.0),
        }
    }
}

struct Problems(Vec<StartError>);

impl Problems {
    fn keep<T>(&mut self, result: Result<T, impl Into<StartError>>) -> Option<T> {
        result.map_err(|error| self.0.push(error.into())).ok()
    }

    fn keep_all<T>(&mut self, result: Result<T, Vec<impl Into<StartError>>>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors.into_iter().map(Into::into))).ok()
    }
}
