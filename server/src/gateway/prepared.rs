//! The parts that depend on the configuration alone. `serve` builds on them, and `gateway check` reports every one that
//! cannot be made, so that neither refuses what the other accepts.

use std::sync::Arc;

use super::StartError;
use crate::{
    accept::Certificates,
    auth::{ApiKeys, Authenticator, Permissions},
    config::Config,
    metrics::Metrics,
};

/// Parts that touch nothing outside the process but the files that the configuration names.
pub(crate) struct Prepared {
    pub(crate) auth: Authenticator,
    pub(crate) permissions: Permissions,
    pub(crate) api_keys: ApiKeys,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Prepared {
    /// Makes the parts.
    ///
    /// # Errors
    /// Why each of those that cannot be made cannot; at least one.
    pub(crate) fn new(config: &Config) -> Result<Self, Vec<StartError>> {
        let mut problems = Problems(Vec::new());
        let auth = problems.keep(Authenticator::new(&config.auth));
        let permissions = problems.keep(Permissions::new(&config.permissions));
        let certificates = problems.keep(config.tls.as_ref().map(Certificates::read).transpose());
        let metrics = problems.keep(Metrics::new());
        match (auth, permissions, certificates, metrics) {
            (Some(auth), Some(permissions), Some(certificates), Some(metrics)) => Ok(Self {
                auth,
                permissions,
                api_keys: ApiKeys::new(&config.auth.api_keys),
                certificates,
                metrics: Arc::new(metrics),
            }),
            _ => Err(problems.0),
        }
    }
}

struct Problems(Vec<StartError>);

impl Problems {
    fn keep<T>(&mut self, made: Result<T, impl Into<StartError>>) -> Option<T> {
        made.map_err(|error| self.0.push(error.into())).ok()
    }
}
