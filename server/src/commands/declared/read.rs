//! Reads the contracts of the declared services of a configuration. Everything is checked, so that a contract with a
//! mistake, or one that this gateway cannot serve, stops the start or the reload.

use std::{path::PathBuf, sync::Arc};

use gateway_contracts::{Contract, ContractError, Deployment};
use realtime_gateway_protocol::ServiceName;

use super::Declaration;
use crate::{
    backend::{Backend, BackendBounds, HttpBackend},
    config::{BackendAddress, Config, DeclaredService, ServiceBackend},
};

/// The reason why a declared service cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredServiceError {
    /// The contract file cannot be read.
    #[error("services.{service}.contract is {}, which {problem}", file.display())]
    File {
        /// The service.
        service: ServiceName,
        /// The contract file.
        file: PathBuf,
        /// The problem, as the end of a sentence that starts with the file.
        problem: String,
    },
    /// A mistake in the contract or in its schema, with the file, the line and the key.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The backend cannot be used.
    #[error("services.{service}.backend.{problem}")]
    Backend {
        /// The service.
        service: ServiceName,
        /// The problem, as a sentence that begins with the key.
        problem: String,
    },
    /// A service in code has the same name.
    #[error("services.{0} has the name of a service in code: choose another name in the contract")]
    NameTaken(ServiceName),
}

/// Reads the contracts and the secrets of all declared services, in the order of their names. Reads files, so a caller in a task uses a
/// blocking thread.
///
/// # Errors
/// The first problem of each service.
pub fn read_declarations(config: &Config) -> Result<Vec<Declaration>, Vec<DeclaredServiceError>> {
    let (mut declarations, mut errors) = (Vec::new(), Vec::new());
    for (name, service) in &config.services {
        match read(name, service, config.history.limit_entries) {
            Ok(declaration) => declarations.push(declaration),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(declarations) } else { Err(errors) }
}

fn read(
    name: &ServiceName,
    service: &DeclaredService,
    max_history_entries: u64,
) -> Result<Declaration, DeclaredServiceError> {
    let contract = Contract::read(&service.contract).map_err(|error| match error {
        ContractError { file, line: None, key: None, problem } => {
            DeclaredServiceError::File { service: name.clone(), file, problem }
        }
        error => error.into(),
    })?;
    if contract.name != *name {
        let problem = format!(
            "is \"{}\", and the section of the configuration is [services.{name}]: give both the same name",
            contract.name
        );
        return Err(contract.error("name", problem).into());
    }
    let backend = service.backend.as_ref().map(|backend| backend_of(name, backend)).transpose();
    let backend = backend.map_err(|problem| DeclaredServiceError::Backend { service: name.clone(), problem })?;
    contract.check(&Deployment { has_backend: backend.is_some(), max_history_entries })?;
    Ok(Declaration { contract: Arc::new(contract), backend: backend.map(Arc::new) })
}

/// Prepares requests to a backend. The error begins with the key.
fn backend_of(service: &ServiceName, backend: &ServiceBackend) -> Result<Backend, String> {
    let bounds = BackendBounds { timeout: backend.timeout, max_in_flight: backend.max_in_flight };
    match &backend.address {
        BackendAddress::Amqp => Ok(Backend::over_broker(service.clone(), bounds).with_claims(&backend.claims)),
        BackendAddress::Http { url, .. } => {
            let secrets = backend.address.read_secrets().map_err(|problem| format!("secret_file: {problem}"))?;
            let http = HttpBackend::new(url.clone(), &secrets, bounds).map_err(|problem| format!("url: {problem}"))?;
            Ok(Backend::over_http(service.clone(), http, bounds).with_claims(&backend.claims))
        }
    }
}
