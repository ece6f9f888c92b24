//! The settings that all nodes have to agree on, and values that are derived from several settings or from the machine.

use super::{Bus, Config, Limits, Store, filters};
use gateway_store::{
    NodeName, Options, SpaceLimits,
    open::{Location, StoreUrl},
};

use crate::runtime::{memory::quarter_of_memory, supervision::Supervisor};

impl Config {
    /// Returns the settings that all nodes have to agree on, as `key=value`, without secrets.
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

    /// Returns the options with which the store of a node is opened.
    pub fn store_options(&self, node: &NodeName) -> Options {
        let outbox = (!self.bus.is_embedded()).then_some(self.outbox_max_entries);
        Options {
            window: self.idempotency_window,
            node: node.clone(),
            outbox,
            webhooks: filters(&self.webhooks),
            space: self.store.space_limits(),
            supervisor: Supervisor::default(),
        }
    }
}

impl Limits {
    /// Returns `limits.outbound_total`, or a quarter of the memory that this process may use, in bytes.
    pub fn memory_budget(&self) -> usize {
        self.outbound_total.unwrap_or_else(quarter_of_memory).max(self.outbound_queue)
    }
}

impl Store {
    /// Returns whether several nodes can share the store.
    pub fn is_shared(&self) -> bool {
        self.location().url.is_shared()
    }

    /// Returns the location of the store.
    pub fn location(&self) -> Location {
        Location {
            url: StoreUrl::new(self.url.0.as_str()),
            durability: self.durability,
            prefix: self.prefix.clone(),
            ca: self.ca.clone(),
        }
    }

    /// Returns the limits above which the store refuses new entries. 0 bytes means no limit.
    pub fn space_limits(&self) -> SpaceLimits {
        SpaceLimits {
            max_bytes: self.max_bytes.filter(|bytes| *bytes > 0),
            min_free_percent: u64::from(self.min_free_percent),
        }
    }
}

impl Bus {
    /// Returns whether the bus is embedded, so that there is no broker.
    pub fn is_embedded(&self) -> bool {
        self.url.0 == "embedded"
    }
}
