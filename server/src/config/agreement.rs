//! Settings that all nodes must agree on, and what follows from several settings or from the machine.

use super::{Bus, Config, Limits, Store};
use crate::{
    memory::quarter_of_memory,
    store::{NodeName, Options, SpaceLimits},
    supervision::Supervisor,
};

impl Config {
    /// The settings that all nodes must agree on, as `key=value`, without secrets.
    pub fn shared_settings(&self) -> Vec<String> {
        let Config { sessions, history, notifications, .. } = self;
        vec![
            format!("bus.url={}", if self.bus.is_embedded() { "embedded" } else { "a broker" }),
            format!("sessions.max_per_user={}", sessions.max_per_user),
            format!("sessions.on_excess={:?}", sessions.on_excess).to_lowercase(),
            format!("sessions.key={:?}", sessions.key).to_lowercase(),
            format!("sessions.max_devices={}", sessions.max_devices),
            format!("idempotency.window={:?}", self.idempotency_window),
            format!("history.max_entries={}", history.max_entries),
            format!("history.max_age={:?}", history.max_age),
            format!("notifications.max_pending={}", notifications.max_pending),
            format!("presence.grace={:?}", self.presence_grace),
            format!("outbox.max_entries={}", self.outbox_max_entries),
        ]
    }

    /// Says what does not work between nodes that share this store, when no broker connects them.
    pub fn missing_broker(&self) -> Option<&'static str> {
        (self.store.is_shared() && self.bus.is_embedded()).then_some(
            "bus.url is `embedded` and store.url is a Redis that other nodes can share: typing and presence changes do \
             not reach clients of other nodes, and messages reach them up to a second later; set bus.url to one \
             RabbitMQ for all nodes, or run one node on this Redis",
        )
    }

    /// What the store of a node is opened with.
    pub fn store_options(&self, node: &NodeName) -> Options {
        let outbox = (!self.bus.is_embedded()).then_some(self.outbox_max_entries);
        Options {
            window: self.idempotency_window,
            node: node.clone(),
            outbox,
            space: self.store.space_limits(),
            supervisor: Supervisor::default(),
        }
    }
}

impl Limits {
    /// `limits.outbound_total`, or a quarter of the memory that this process may use.
    pub fn memory_budget(&self) -> usize {
        self.outbound_total.unwrap_or_else(quarter_of_memory).max(self.outbound_queue)
    }
}

impl Store {
    /// Whether several nodes may stand on it.
    pub fn is_shared(&self) -> bool {
        self.url.0.starts_with("redis")
    }

    /// When the store refuses new entries. A limit of 0 bytes is none.
    pub fn space_limits(&self) -> SpaceLimits {
        SpaceLimits {
            max_bytes: self.max_bytes.filter(|bytes| *bytes > 0),
            min_free_percent: u64::from(self.min_free_percent),
        }
    }
}

impl Bus {
    /// Whether there is no broker.
    pub fn is_embedded(&self) -> bool {
        self.url.0 == "embedded"
    }
}
