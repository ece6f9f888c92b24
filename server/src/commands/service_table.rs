//! The services: the contracts of the built-in ones, those in code, and the declared ones, which a reload replaces.

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
use realtime_gateway_protocol::{ServiceName, TopicName, UserId};

use super::{
    built_in::{ClanChatContract, NotificationsContract},
    declared::{Declaration, DeclaredService, DeclaredServiceError},
    service::{HistoryKind, Service},
    services::{unknown_service, unknown_topic},
};
use crate::{
    auth::{Action, DecisionTimes, TopicAccess, TopicPolicies},
    backend::RequestBroker,
    command_error::CommandError,
    metrics::Metrics,
    runtime::clock::NodeClock,
    topic::Topic,
};

/// What declared services need besides their contracts and backends.
#[derive(Clone)]
pub struct ServiceContext {
    /// The clock of the node, for the signatures of requests to backends.
    pub clock: NodeClock,
    /// How long decisions of backends are used.
    pub decision_times: DecisionTimes,
    /// The broker, for backends that are reached over it.
    pub broker: Option<Arc<dyn RequestBroker>>,
    /// Counts the decisions of backends.
    pub metrics: Arc<Metrics>,
}

/// The declared services in force.
#[derive(Default)]
struct DeclaredServices {
    services: BTreeMap<ServiceName, Arc<dyn Service>>,
    declarations: Arc<[Declaration]>,
}

/// All services. Clients use those in code and the declared ones with generic commands.
pub struct ServiceTable {
    notifications: Arc<dyn Service>,
    clan_chat: Arc<dyn Service>,
    in_code: BTreeMap<ServiceName, Arc<dyn Service>>,
    declared: RwLock<DeclaredServices>,
    context: ServiceContext,
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
        declarations: Vec<Declaration>,
        context: ServiceContext,
    ) -> Result<Self, DeclaredServiceError> {
        let in_code = in_code.into_iter().map(|service| (service.name(), service)).collect();
        let table = Self {
            notifications: Arc::new(NotificationsContract),
            clan_chat: Arc::new(ClanChatContract),
            in_code,
            declared: RwLock::default(),
            context,
            revision: AtomicU64::new(0),
        };
        table.check_names(&declarations)?;
        table.replace_declared(declarations);
        Ok(table)
    }

    /// Checks that no declared service has the name of a service in code.
    ///
    /// # Errors
    /// [`DeclaredServiceError::NameTaken`] with the first such name.
    pub(crate) fn check_names(&self, declarations: &[Declaration]) -> Result<(), DeclaredServiceError> {
        match declarations.iter().find(|declared| self.in_code.contains_key(&declared.contract.name)) {
            Some(declared) => Err(DeclaredServiceError::NameTaken(declared.contract.name.clone())),
            None => Ok(()),
        }
    }

    /// Replaces the declared services. One whose declaration is the same continues, with its requests under way and the
    /// decisions of its backend.
    pub(crate) fn replace_declared(&self, declarations: Vec<Declaration>) {
        let mut in_force = self.declared.write();
        let kept = |declared: &Declaration| {
            let is_same = in_force
                .declarations
                .iter()
                .any(|before| before.contract.name == declared.contract.name && before.is_same_as(declared));
            in_force.services.get(&declared.contract.name).filter(|_| is_same).cloned()
        };
        let service = |declared: &Declaration| {
            let new = || Arc::new(DeclaredService::new(declared.clone(), &self.context)) as Arc<dyn Service>;
            (declared.contract.name.clone(), kept(declared).unwrap_or_else(new))
        };
        let services = declarations.iter().map(service).collect();
        *in_force = DeclaredServices { services, declarations: declarations.into() };
        drop(in_force);
        // After the replacement: a task that has seen the new revision sees the new services too.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Returns the declared services, in the order of their names.
    pub(crate) fn declarations(&self) -> Arc<[Declaration]> {
        self.declared.read().declarations.clone()
    }

    /// Returns the contracts of the declared services, in the order of their names.
    pub fn contracts(&self) -> Vec<Arc<Contract>> {
        self.declarations().iter().map(|declared| declared.contract.clone()).collect()
    }

    /// Returns a service.
    pub(crate) fn get(&self, name: &ServiceName) -> Option<Arc<dyn Service>> {
        let mut built_in = [&self.notifications, &self.clan_chat].into_iter();
        let found = self.with_generic_commands(name);
        found.or_else(|| built_in.find(|service| service.name() == *name).cloned())
    }

    /// Returns the service of a topic.
    pub(crate) fn of(&self, topic: &Topic) -> Option<Arc<dyn Service>> {
        match topic {
            Topic::User(_) => Some(self.notifications.clone()),
            Topic::Clan(_) => Some(self.clan_chat.clone()),
            Topic::Service(name, _) => self.with_generic_commands(name),
        }
    }

    fn with_generic_commands(&self, name: &ServiceName) -> Option<Arc<dyn Service>> {
        self.in_code.get(name).cloned().or_else(|| self.declared.read().services.get(name).cloned())
    }

    /// Returns the service of a topic, and the name of the topic within it.
    fn with_topic(&self, topic: &Topic) -> Result<(Arc<dyn Service>, TopicName), CommandError> {
        let (service, name) = (self.of(topic).ok_or_else(unknown_service)?, topic.name());
        if service.has_topic(&name) { Ok((service, name)) } else { Err(unknown_topic()) }
    }

    /// Returns the names of the services in code, in alphabetical order.
    pub(crate) fn names_in_code(&self) -> Vec<ServiceName> {
        self.in_code.keys().cloned().collect()
    }

    /// Returns whether there is no service with generic commands.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_code.is_empty() && self.declared.read().services.is_empty()
    }

    /// Returns the names of the services with generic commands, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<ServiceName> {
        let declared = self.declared.read();
        let mut names: Vec<_> = self.in_code.keys().chain(declared.services.keys()).cloned().collect();
        names.sort();
        names
    }
}

impl TopicPolicies for ServiceTable {
    fn access(&self, topic: &Topic, action: Action) -> Result<TopicAccess, CommandError> {
        let (service, name) = self.with_topic(topic)?;
        service.access(action, &name)
    }

    fn owner(&self, topic: &Topic) -> Result<Option<UserId>, CommandError> {
        let (service, name) = self.with_topic(topic)?;
        service.owner(&name)
    }

    fn keeps_history(&self, topic: &Topic) -> bool {
        !self.with_topic(topic).is_ok_and(|(service, name)| service.history(&name) == HistoryKind::Off)
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
