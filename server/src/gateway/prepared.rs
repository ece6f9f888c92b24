//! The parts that depend only on the configuration. `serve` uses them, and `gateway check` reports every one that
//! cannot be created, so that both accept the same configurations.

use std::sync::Arc;

use gateway_contracts::Contract;

use super::StartError;
use crate::{
    auth::{ApiKeys, Authenticator, Permissions},
    commands::declared::read_contracts,
    config::Config,
    edge::accept::Certificates,
    metrics::Metrics,
};

/// The parts that use nothing outside the process except the files that the configuration names.
pub(crate) struct Prepared {
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) permissions: Permissions,
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
    /// The contracts of the declared services.
    pub(crate) contracts: Vec<Arc<Contract>>,
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
        let contracts = problems.keep_all(read_contracts(config));
        match (auth, permissions, certificates, metrics, contracts) {
            (Some(auth), Some(permissions), Some(certificates), Some(metrics), Some(contracts)) => Ok(Self {
                contracts,
                auth: Arc::new(auth),
                permissions,
                api_keys: Arc::new(ApiKeys::new(&config.auth.api_keys)),
                certificates,
                metrics: Arc::new(metrics),
            }),
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
