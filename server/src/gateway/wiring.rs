//! Builds the parts of a gateway around a store, from the bottom layer to the top layer, and starts their tasks.

mod inbound;

use std::sync::Arc;

use self::inbound::consume;
use super::{Prepared, StartError, edge_context::GatewayEdgeContext};
use crate::{
    auth::Permissions,
    bus::{self, BackendBroker, Bus, BusEvents},
    cluster::{
        BusEventHandler, Condition, ConditionParts, ContractAgreement, ControlMessageHandler, Inspector,
        InspectorParts, Reconciler, ReconcilerParts, Sweeper, SweeperParts,
    },
    commands::{
        Calls, ClanChat, Escalations, Follower, NotificationParts, Notifications, Publications,
        ServerSubscriptionParts, ServerSubscriptions, ServiceContext, ServiceTable, Services, TypingParts, TypingUsers,
        declared::fingerprints,
        router::{Features, RouterParts},
        service::Service,
    },
    config::{Config, LiveConfig},
    delivery::{
        activity_feed::ActivityFeed,
        entry::entry_frame,
        hub::Hub,
        log::TopicLog,
        presence::{Presence, PresenceParts},
        reports::Reports,
        tailed_bus::TailedBus,
    },
    edge::accept::Listening,
    gateway::running::{Parts, Running},
    http::{self, NodeView, NodeViewParts, RouteParts},
    metrics::Metrics,
    node::{Lease, Node},
    runtime::{clock::NodeClock, descriptors, memory::MemoryBudget, supervision::Supervisor, tasks::Tasks},
    session::{
        Admission, BlockParts, Blocks, Connections, MemoryRelief, SessionParts, Sessions, SubscriptionParts,
        Subscriptions, TokenVerifier,
    },
    store::{NodeName, Store},
    webhooks::{WebhookParts, Webhooks},
};

/// The inputs from which the parts of a gateway are built.
pub(super) struct Materials {
    pub(super) config: Config,
    pub(super) name: NodeName,
    pub(super) services: Vec<Arc<dyn Service>>,
    pub(super) prepared: Prepared,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: NodeClock,
    pub(super) supervisor: Supervisor,
}

/// The parts that every layer uses.
#[derive(Clone)]
struct Base {
    config: LiveConfig,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    clock: NodeClock,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    broker: Option<Arc<BackendBroker>>,
    node: Arc<Node>,
    permissions: Arc<Permissions>,
}

/// The delivery and session layers.
struct Core {
    hub: Arc<Hub>,
    /// Sends ephemeral messages.
    bus: Arc<dyn Bus>,
    activity: Arc<ActivityFeed>,
    presence: Arc<Presence>,
    reports: Reports,
    subscriptions: Arc<Subscriptions>,
    sessions: Arc<Sessions>,
    blocks: Arc<Blocks>,
}

/// The parts above the core that keep the node consistent.
struct Upkeep {
    server_subscriptions: Arc<ServerSubscriptions>,
    inspector: Arc<Inspector>,
    agreement: Arc<ContractAgreement>,
    condition: Arc<Condition>,
    sweeper: Arc<Sweeper>,
}

/// Builds the parts and starts to serve.
pub(super) async fn build(materials: Materials) -> Result<Running, StartError> {
    let Materials { config, name, services, prepared, store, clock, supervisor } = materials;
    let Prepared { auth, permissions, api_keys, certificates, metrics, declarations, webhooks } = prepared;
    descriptors::raise(config.limits.connections, config.permissions.max_in_flight);
    let tasks = Tasks::supervised_by(&supervisor);
    let given_up = tasks.stop_on_drop();
    let lease = Arc::new(if config.store.is_shared() { Lease::acquired_now() } else { Lease::default() });
    let opened = bus::open::open(&config, &name, store.clone(), metrics.clone(), &supervisor).await?;
    let requests = opened.as_ref().map(|opened| opened.requests.clone());
    let (broker, inbound) = opened.map(|opened| (Arc::new(opened.broker), opened.inbound)).unzip();
    let decision_times = (&config.permissions).into();
    let context = ServiceContext { clock: clock.clone(), decision_times, broker: requests, metrics: metrics.clone() };
    let table = Arc::new(ServiceTable::new(services, declarations, context)?);
    let (bus, bus_events) = bus::open::join(&*store);
    let memory = MemoryBudget::new(config.limits.memory_budget());
    let config = LiveConfig::new(config);
    let node = Arc::new(Node::new(name, lease, &clock, config.clone(), metrics.clone()));
    node.set_contracts(fingerprints(&table.declarations()));
    permissions.report_to(metrics.clone());
    let permissions = Arc::new(permissions.with_policies(table.clone()));
    let base = Base { config, metrics, tasks, clock, store, bus, broker, node, permissions };

    let core = core(&base);
    let log = TopicLog {
        store: base.store.clone(),
        hub: core.hub.clone(),
        reports: core.reports.clone(),
        config: base.config.clone(),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
    };
    let features = features(&base, &core, log, table);
    let tokens =
        Arc::new(TokenVerifier::new(auth.clone(), core.blocks.clone(), base.config.clone(), base.metrics.clone()));
    let connections = Arc::new(Connections::new(base.tasks.clone()));
    let condition = Arc::new(Condition::new(ConditionParts {
        node: base.node.clone(),
        store: base.store.clone(),
        bus: base.bus.clone(),
        broker: base.broker.clone(),
        supervisor: supervisor.clone(),
        config: base.config.clone(),
        clock: base.clock.clone(),
    }));
    let sweeper = Arc::new(Sweeper::new(SweeperParts {
        store: base.store.clone(),
        clock: base.clock.clone(),
        sessions: core.sessions.clone(),
        config: base.config.clone(),
        metrics: base.metrics.clone(),
    }));
    let agreement = Arc::<ContractAgreement>::default();
    let inspector = Arc::new(Inspector::new(InspectorParts {
        node: base.node.clone(),
        store: base.store.clone(),
        sessions: core.sessions.clone(),
        hub: core.hub.clone(),
        tasks: base.tasks.clone(),
    }));
    let follower = Arc::new(Follower {
        hub: core.hub.clone(),
        node: base.node.clone(),
        store: base.store.clone(),
        clock: base.clock.clone(),
        tasks: base.tasks.clone(),
    });
    let server_subscriptions = features.server_subscriptions.clone();
    let upkeep = Upkeep { server_subscriptions, inspector: inspector.clone(), agreement, condition, sweeper };
    start_parts(&base, &core, &upkeep, bus_events).await?;
    let Upkeep { agreement, condition, sweeper, .. } = upkeep;
    base.tasks.spawn_part("keys of identity providers", auth.clone().keep_keys_fresh());
    let relief = MemoryRelief::new(memory.clone(), connections.clone(), base.metrics.clone());
    base.tasks.spawn_part("memory budget", relief.run());
    if let Some(inbound) = inbound {
        consume(&base, &core, &features, inbound);
    }

    let webhooks = Arc::new(Webhooks::start(
        WebhookParts {
            store: base.store.clone(),
            clock: base.clock.clone(),
            metrics: base.metrics.clone(),
            supervisor: supervisor.clone(),
        },
        &webhooks,
    ));
    let view = Arc::new(NodeView::new(NodeViewParts {
        node: base.node.clone(),
        condition: condition.clone(),
        agreement,
        store: base.store.clone(),
        bus: base.bus.clone(),
        broker: base.broker.clone(),
        services: features.services.clone(),
        sessions: core.sessions.clone(),
        config: base.config.clone(),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        memory: memory.clone(),
        supervisor,
    }));
    let routes = http::routes(&RouteParts {
        view: view.clone(),
        notifications: features.notifications.clone(),
        clan_chat: features.clan_chat.clone(),
        services: features.services.clone(),
        server_subscriptions: features.server_subscriptions.clone(),
        inspector,
        follower,
        sessions: core.sessions.clone(),
        blocks: core.blocks.clone(),
        webhooks: webhooks.clone(),
        api_keys: api_keys.clone(),
    });
    let parts = Parts {
        auth,
        permissions: base.permissions.clone(),
        api_keys: api_keys.clone(),
        config: base.config.clone(),
        store: base.store.clone(),
        bus: base.bus.clone(),
        broker: base.broker.clone(),
        webhooks,
        node: base.node.clone(),
        tasks: base.tasks.clone(),
        memory: memory.clone(),
        connections: connections.clone(),
        sessions: core.sessions.clone(),
        subscriptions: core.subscriptions.clone(),
        services: features.services.clone(),
        server_subscriptions: features.server_subscriptions.clone(),
        presence: core.presence.clone(),
        clock: base.clock.clone(),
        sweeper,
    };
    let router = Arc::new(RouterParts {
        features,
        admission: Admission::new(core.sessions.clone(), base.node.clone(), base.clock.clone(), base.metrics.clone()),
        tokens: tokens.clone(),
        sessions: core.sessions,
        blocks: core.blocks,
        connections,
        node: base.node.clone(),
        config: base.config.clone(),
        clock: base.clock,
        metrics: base.metrics.clone(),
    });
    let edge_context = Arc::new(GatewayEdgeContext {
        router,
        tokens,
        api_keys,
        condition,
        memory,
        metrics: base.metrics,
        config: base.config,
        tasks: base.tasks,
    });
    let listening = Listening::begin(&edge_context, routes, certificates.clone())?;
    given_up.disarm();
    base.node.set_address(listening.address);
    let forwarding = listening.forwarding();
    view.show_warnings_of(move || forwarding.warnings());
    if let Some(address) = listening.internal {
        tracing::info!(%address, "listening for operators");
    }
    tracing::info!(address = %listening.address, node = parts.config.get().node_id, "listening");
    Ok(Running { parts, listening, certificates })
}

/// Builds the delivery and session layers.
fn core(base: &Base) -> Core {
    let Base { config, metrics, tasks, clock, store, bus, node, permissions, .. } = base.clone();
    let lease = node.lease.clone();
    let bus = Arc::new(TailedBus::new(bus));
    let activity = ActivityFeed::new(bus.tails().clone(), bus.clone(), node.name.id.clone(), clock.clone());
    let activity = Arc::new(activity);
    let hub = Hub::new(store.clone(), bus.clone(), entry_frame, metrics.clone(), tasks.clone(), lease.clone());
    let reports = Reports::new(clock.clone(), config.clone());
    let presence = Arc::new(Presence::new(PresenceParts {
        store: store.clone(),
        bus: bus.clone(),
        lease,
        config: config.clone(),
        tasks: tasks.clone(),
    }));
    let subscriptions = Arc::new(Subscriptions::new(SubscriptionParts {
        hub: hub.clone(),
        store: store.clone(),
        permissions,
        presence: presence.clone(),
        config: config.clone(),
        metrics: metrics.clone(),
        tasks,
    }));
    let sessions = Arc::new(Sessions::new(SessionParts {
        node: node.clone(),
        store: store.clone(),
        subscriptions: subscriptions.clone(),
        config: config.clone(),
        metrics: metrics.clone(),
        activity: activity.clone(),
    }));
    let blocks = Arc::new(Blocks::new(BlockParts { store, node, sessions: sessions.clone(), config, clock, metrics }));
    Core { hub, bus, activity, presence, reports, subscriptions, sessions, blocks }
}

/// Builds the features that handle commands.
fn features(base: &Base, core: &Core, log: TopicLog, table: Arc<ServiceTable>) -> Features {
    let Base { config, metrics, tasks, clock, store, permissions, .. } = base.clone();
    let (hub, bus) = (core.hub.clone(), core.bus.clone());
    let notifications = Arc::new(Notifications::new(NotificationParts {
        store: store.clone(),
        hub: hub.clone(),
        sessions: core.sessions.clone(),
        reports: core.reports.clone(),
        config,
        clock,
        metrics,
    }));
    let clan_chat = Arc::new(ClanChat::new(log.clone(), permissions.clone()));
    let services = Arc::new(Services::new(table, log, permissions.clone(), core.presence.clone()));
    let calls = Arc::new(Calls {
        services: services.clone(),
        permissions: permissions.clone(),
        config: base.config.clone(),
        metrics: base.metrics.clone(),
        tasks: base.tasks.clone(),
        activity: core.activity.clone(),
    });
    let publications = Arc::new(Publications {
        services: services.clone(),
        config: base.config.clone(),
        metrics: base.metrics.clone(),
        tasks: base.tasks.clone(),
    });
    let server_subscriptions = Arc::new(ServerSubscriptions::new(ServerSubscriptionParts {
        store,
        sessions: core.sessions.clone(),
        subscriptions: core.subscriptions.clone(),
        services: services.clone(),
        clock: base.clock.clone(),
        tasks: base.tasks.clone(),
    }));
    let typing = TypingParts { hub, bus, permissions: permissions.clone(), tasks };
    Features {
        notifications,
        clan_chat,
        services,
        calls,
        publications,
        subscriptions: core.subscriptions.clone(),
        server_subscriptions,
        presence: core.presence.clone(),
        typing: Arc::new(TypingUsers::new(typing)),
        permissions,
    }
}

/// Starts the parts that keep the node consistent with the store and the other nodes.
async fn start_parts(base: &Base, core: &Core, upkeep: &Upkeep, bus_events: BusEvents) -> Result<(), StartError> {
    let Upkeep { server_subscriptions, inspector, agreement, condition, sweeper } = upkeep;
    let control = ControlMessageHandler {
        sessions: core.sessions.clone(),
        server_subscriptions: server_subscriptions.clone(),
        inspector: inspector.clone(),
        activity: core.activity.clone(),
    };
    let reconciler = Reconciler::begin(ReconcilerParts {
        node: base.node.clone(),
        store: base.store.clone(),
        hub: core.hub.clone(),
        sessions: core.sessions.clone(),
        control: control.clone(),
        blocks: core.blocks.clone(),
        presence: core.presence.clone(),
        clock: base.clock.clone(),
        agreement: agreement.clone(),
    });
    let reconciler = reconciler.await?;
    let events =
        BusEventHandler { node: base.node.clone(), hub: core.hub.clone(), presence: core.presence.clone(), control };
    let tasks = &base.tasks;
    tasks.spawn_part("reconciliation", reconciler.run());
    tasks.spawn_part("clock", sweeper.clone().watch_clock());
    tasks.spawn_part("sweep", sweeper.clone().sweep());
    let escalations = Escalations {
        store: base.store.clone(),
        reports: Reports::new(base.clock.clone(), base.config.clone()),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        activity: core.activity.clone(),
    };
    tasks.spawn_part("escalations", escalations.run());
    tasks.spawn_part("bus listener", events.run(bus_events));
    tasks.spawn_part("condition", condition.clone().watch());
    tasks.spawn_part("server-side subscriptions", server_subscriptions.clone().run());
    tasks.spawn_part("presence", core.presence.clone().run());
    Ok(())
}
