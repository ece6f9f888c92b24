//! How many notifications wait for an acknowledgement: the number for a badge.

use realtime_gateway_sdk::{
    machine::IdSet,
    protocol::{NotificationId, Outline, StoredId, Verdict},
};

/// Ids are remembered up to this many; beyond it the number that the gateway told counts.
const MAX_IDS: usize = 20_000;

/// What a message has changed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// The new number, where it has changed.
    pub(crate) count: Option<u64>,
    /// The ids of the notifications that were acknowledged, as a JSON list; empty where none were.
    pub(crate) acknowledged: String,
}

/// Follows the messages of a connection.
#[derive(Default)]
pub(crate) struct Pending {
    /// What the gateway told at the confirmation, less what was acknowledged since.
    told: u64,
    /// What has come since and is not acknowledged.
    seen: IdSet,
}

impl Pending {
    /// Takes in a message.
    pub(crate) fn receive(&mut self, frame: &str) -> Changes {
        self.take(frame).unwrap_or_default()
    }

    fn take(&mut self, frame: &str) -> Option<Changes> {
        let outline = Outline::of_server(frame).ok().filter(|outline| *outline.verdict() == Verdict::Known)?;
        let before = self.count();
        let mut fresh = false;
        let mut acknowledged = String::new();
        match outline.type_name() {
            "subscription_confirmed"
                if outline.text("service")? == "notifications" && outline.text("status")? == "subscribed" =>
            {
                self.told = outline.whole("pending").unwrap_or(0);
                self.seen.clear();
                fresh = true;
            }
            // After the confirmation come all pending ones, then live ones: only what is beyond the number told adds.
            "notification" if self.seen.len() < MAX_IDS => {
                self.seen.insert(NotificationId::from_stored(&outline.text("id")?).ok()?);
            }
            "notification_acked" | "ack_confirmed" => {
                let ids = outline.texts("notificationIds");
                for id in &ids {
                    self.seen.remove(id);
                    self.told = self.told.saturating_sub(1);
                }
                if !ids.is_empty() {
                    outline.raw("notificationIds")?.clone_into(&mut acknowledged);
                }
            }
            _ => {}
        }
        let count = (fresh || self.count() != before).then(|| self.count());
        Some(Changes { count, acknowledged })
    }

    fn count(&self) -> u64 {
        self.told.max(u64::try_from(self.seen.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(id: &str) -> String {
        format!(
            r#"{{"type":"notification","id":"{id}","title":"t","message":"m","createdAt":"2026-01-31T12:00:00.000Z","offset":1}}"#
        )
    }

    #[test]
    fn a_replay_does_not_count_twice() {
        let mut pending = Pending::default();
        let confirmed = r#"{"type":"subscription_confirmed","service":"notifications","status":"subscribed","pending":2,"offset":2,"epoch":"e","recovered":true}"#;
        let mut count = |frame: &str| pending.receive(frame).count;
        assert_eq!(count(confirmed), Some(2));
        assert_eq!(count(&notification("a")), None);
        assert_eq!(count(&notification("b")), None);
        assert_eq!(count(&notification("c")), Some(3));
        assert_eq!(count(r#"{"type":"ack_confirmed","notificationIds":["a"]}"#), Some(2));
        assert_eq!(count(r#"{"type":"notification_acked","notificationIds":["b","c"]}"#), Some(0));
        assert_eq!(count(confirmed), Some(2), "reported again after a reconnect");
    }

    #[test]
    fn tells_which_were_acknowledged() {
        let mut pending = Pending::default();
        let mut ids = |frame: &str| pending.receive(frame).acknowledged;
        assert_eq!(ids(r#"{"type":"ack_confirmed","notificationIds":["a"]}"#), r#"["a"]"#);
        assert_eq!(ids(r#"{"type":"notification_acked","notificationIds":["b", "c"]}"#), r#"["b", "c"]"#);
        assert_eq!(ids(r#"{"type":"notification_acked","notificationIds":[]}"#), "");
        assert_eq!(ids(&notification("a")), "");
    }
}
