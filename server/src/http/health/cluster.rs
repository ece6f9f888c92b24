//! The `cluster` section of `/health`: the channel between nodes.

use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::Status,
    store::{ClusterConnection, ClusterStatus},
};

/// The health of the channel between nodes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct ClusterHealth {
    status: Status,
    /// `embedded` when the process has the store to itself, or `redis`.
    kind: &'static str,
    /// `connected`, or `reconnecting` while messages of other nodes do not arrive.
    state: &'static str,
    /// Since when the channel has been disconnected.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// The most recent error; absent while the channel is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// How often the channel was connected again since the start.
    reconnects: u64,
}

impl ClusterHealth {
    /// Returns the section for a state of the channel; `None` if the process has the store to itself.
    pub(super) fn of(cluster: Option<ClusterStatus>) -> Self {
        let kind = if cluster.is_some() { "redis" } else { "embedded" };
        let reconnects = cluster.as_ref().map_or(0, |cluster| cluster.reconnects);
        let connected =
            Self { status: Status::Ok, kind, state: "connected", since: None, last_error: None, reconnects };
        match cluster.map(|cluster| cluster.connection) {
            None | Some(ClusterConnection::Connected) => connected,
            Some(ClusterConnection::Disconnected { since, last_error }) => Self {
                status: Status::Degraded,
                state: "reconnecting",
                since: Some(since),
                last_error: Some(last_error.to_string()),
                ..connected
            },
        }
    }

    /// Returns the warning for operators while the channel is disconnected.
    pub(super) fn warning(&self) -> Option<String> {
        let error = self.last_error.as_ref()?;
        Some(format!(
            "the channel between nodes is disconnected ({error}); messages of other nodes arrive once a second"
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn section(cluster: Option<ClusterStatus>) -> (Value, Option<String>) {
        let health = ClusterHealth::of(cluster);
        (serde_json::to_value(&health).unwrap(), health.warning())
    }

    #[test]
    fn is_ok_while_the_channel_is_connected_or_not_needed() {
        let (health, warning) = section(None);
        assert_eq!(health, json!({ "status": "ok", "kind": "embedded", "state": "connected", "reconnects": 0 }));
        assert_eq!(warning, None);
        let connected = ClusterStatus { connection: ClusterConnection::Connected, reconnects: 3 };
        let (health, warning) = section(Some(connected));
        assert_eq!(health, json!({ "status": "ok", "kind": "redis", "state": "connected", "reconnects": 3 }));
        assert_eq!(warning, None);
    }

    #[test]
    fn is_degraded_while_the_channel_is_disconnected() {
        let since = Timestamp::from_millis(0);
        let connection = ClusterConnection::Disconnected { since, last_error: "connection refused".into() };
        let (health, warning) = section(Some(ClusterStatus { connection, reconnects: 1 }));
        let expected = json!({
            "status": "degraded",
            "kind": "redis",
            "state": "reconnecting",
            "since": "1970-01-01T00:00:00.000Z",
            "lastError": "connection refused",
            "reconnects": 1,
        });
        assert_eq!(health, expected);
        assert!(warning.unwrap().contains("connection refused"));
    }
}
