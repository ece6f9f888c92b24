//! How many notifications wait for an acknowledgement: the number for a badge.

use std::collections::HashSet;

use realtime_gateway_sdk::protocol::{NotificationId, Outline, Verdict};

/// Ids are remembered up to this many; beyond it the number that the gateway told counts.
const MAX_IDS: usize = 20_000;

/// Follows the messages of a connection.
#[derive(Default)]
pub(crate) struct Pending {
    /// What the gateway told at the confirmation, less what was acknowledged since.
    told: u64,
    /// What has come since and is not acknowledged.
    seen: HashSet<NotificationId>,
}

impl Pending {
    /// Takes in a message; the new number, where it has changed.
    pub(crate) fn hear(&mut self, frame: &str) -> Option<u64> {
        let outline = Outline::of_server(frame).ok().filter(|outline| *outline.verdict() == Verdict::Known)?;
        let before = self.count();
        let mut fresh = false;
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
                self.seen.insert(NotificationId::new(outline.text("id")?).ok()?);
            }
            "notification_acked" | "ack_confirmed" => {
                for id in outline.texts("notificationIds") {
                    self.seen.remove(&*id);
                    self.told = self.told.saturating_sub(1);
                }
            }
            _ => {}
        }
        (fresh || self.count() != before).then(|| self.count())
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
        assert_eq!(pending.hear(confirmed), Some(2));
        assert_eq!(pending.hear(&notification("a")), None);
        assert_eq!(pending.hear(&notification("b")), None);
        assert_eq!(pending.hear(&notification("c")), Some(3));
        assert_eq!(pending.hear(r#"{"type":"ack_confirmed","notificationIds":["a"]}"#), Some(2));
        assert_eq!(pending.hear(r#"{"type":"notification_acked","notificationIds":["b","c"]}"#), Some(0));
        assert_eq!(pending.hear(confirmed), Some(2), "told anew after a reconnect");
    }
}
