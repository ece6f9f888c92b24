//! Reads the contracts of the declared services of a configuration. Everything is checked, so that a contract with a
//! mistake, or one that this version cannot serve, stops the start or the reload.

use std::{path::PathBuf, sync::Arc};

use gateway_contracts::{Contract, ContractError, Deployment, TopicHistory};
use realtime_gateway_protocol::ServiceName;

use crate::config::{Config, DeclaredService};

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
    /// The secrets of the backend cannot be used.
    #[error("services.{service}.backend.secret_file: {problem}")]
    Secrets {
        /// The service.
        service: ServiceName,
        /// The problem, as a sentence that names the file.
        problem: String,
    },
    /// A service in code has the same name.
    #[error("services.{0} has the name of a service in code: choose another name in the contract")]
    NameTaken(ServiceName),
}

/// Reads the contracts of all declared services, in the order of their names. Reads files, so a caller in a task uses a
/// blocking thread.
///
/// # Errors
/// The first problem of each service.
pub fn read_contracts(config: &Config) -> Result<Vec<Arc<Contract>>, Vec<DeclaredServiceError>> {
    let (mut contracts, mut errors) = (Vec::new(), Vec::new());
    for (name, service) in &config.services {
        match read(name, service, config.history.limit_entries) {
            Ok(contract) => contracts.push(Arc::new(contract)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(contracts) } else { Err(errors) }
}

fn read(
    name: &ServiceName,
    service: &DeclaredService,
    max_history_entries: u64,
) -> Result<Contract, DeclaredServiceError> {
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
    if let Some(backend) = &service.backend {
        backend
            .address
            .read_secrets()
            .map_err(|problem| DeclaredServiceError::Secrets { service: name.clone(), problem })?;
    }
    check_supported(&contract)?;
    contract.check(&Deployment { has_backend: service.backend.is_some(), max_history_entries })?;
    Ok(contract)
}

/// Refuses what contracts may declare and this version cannot do.
fn check_supported(contract: &Contract) -> Result<(), ContractError> {
    if let Some(key) = contract.needs_backend() {
        let problem = "needs a backend, to which this version of the gateway cannot send requests yet: leave it out";
        return Err(contract.error(&key, problem));
    }
    for (name, topic) in &contract.topics {
        if topic.history == TopicHistory::Off {
            let problem = "is false, and this version of the gateway cannot deliver events without storing them yet: \
                           leave it out";
            return Err(contract.error(&format!("topics.{name}.history"), problem));
        }
    }
    Ok(())
}
