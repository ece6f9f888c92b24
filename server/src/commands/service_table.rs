//! The services with generic commands: those in code, and the declared ones, which a reload replaces.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gateway_contracts::Contract;
use parking_lot::RwLock;
use realtime_gateway_protocol::{ServiceName, TopicName};

use super::{
    declared::{DeclaredService, DeclaredServiceError},
    service::Service,
    services::{unknown_service, unknown_topic},
};
use crate::{
    auth::{Action, TopicAccess, TopicPolicies},
    command_error::CommandError,
};

/// The declared services in force.
#[derive(Default)]
struct DeclaredServices {
    services: BTreeMap<ServiceName, Arc<dyn Service>>,
    contracts: Arc<[Arc<Contract>]>,
}

/// The services that clients use with generic commands.
pub struct ServiceTable {
    in_code: BTreeMap<ServiceName, Arc<dyn Service>>,
    declared: RwLock<DeclaredServices>,
    /// Increases with every change of the declared services.
    revision: AtomicU64,
}

impl ServiceTable {
    /// Creates a table of services in code and of declared services.
    ///
    /// # Errors
    /// [`DeclaredServiceError::NameTaken`] when a declared service has the name of a service in code.
    pub(crate) fn new(
        in_code: Vec<Arc<dyn Service>>,
        contracts: Vec<Arc<Contract>>,
    ) -> Result<Self, DeclaredServiceError> {
        let in_code = in_code.into_iter().map(|service| (service.name(), service)).collect();
        let table = Self { in_code, declared: RwLock::default(), revision: AtomicU64::new(0) };
        table.check_names(&contracts)?;
        table.replace_declared(contracts);
        Ok(table)
    }

    /// Checks that no declared service has the name of a service in code.
    ///
    /// # Errors
    /// [`DeclaredServiceError::NameTaken`] with the first such name.
    pub(crate) fn check_names(&self, contracts: &[Arc<Contract>]) -> Result<(), DeclaredServiceError> {
        match contracts.iter().find(|contract| self.in_code.contains_key(&contract.name)) {
            Some(contract) => Err(DeclaredServiceError::NameTaken(contract.name.clone())),
            None => Ok(()),
        }
    }

    /// Replaces the declared services.
    pub(crate) fn replace_declared(&self, contracts: Vec<Arc<Contract>>) {
        let service = |contract: &Arc<Contract>| {
            let service: Arc<dyn Service> = Arc::new(DeclaredService::new(contract.clone()));
            (contract.name.clone(), service)
        };
        let services = contracts.iter().map(service).collect();
        *self.declared.write() = DeclaredServices { services, contracts: contracts.into() };
        // After the replacement: a task that has seen the new revision sees the new services too.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Returns the contracts of the declared services, in the order of their names.
    pub fn contracts(&self) -> Arc<[Arc<Contract>]> {
        self.declared.read().contracts.clone()
    }

    /// Returns a service.
    pub(crate) fn get(&self, name: &ServiceName) -> Option<Arc<dyn Service>> {
        self.in_code.get(name).cloned().or_else(|| self.declared.read().services.get(name).cloned())
    }

    /// Returns the names of the services in code, in alphabetical order.
    pub(crate) fn names_in_code(&self) -> Vec<ServiceName> {
        self.in_code.keys().cloned().collect()
    }

    /// Returns the names of all services, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<ServiceName> {
        let declared = self.declared.read();
        let mut names: Vec<_> = self.in_code.keys().chain(declared.services.keys()).cloned().collect();
        names.sort();
        names
    }
}

impl TopicPolicies for ServiceTable {
    fn access(&self, service: &ServiceName, topic: &TopicName, action: Action) -> Result<TopicAccess, CommandError> {
        let service = self.get(service).ok_or_else(unknown_service)?;
        if service.has_topic(topic) { service.access(action, topic) } else { Err(unknown_topic()) }
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

impl fmt::Debug for ServiceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
