//! What is wrong with the events of backend services while the broker is connected, for `/health` and the log.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;

use crate::bus::BrokerWarning;

/// What is wrong.
#[derive(Debug, Default)]
pub(super) struct BackendHealth(Mutex<Problems>);

#[derive(Debug, Default)]
struct Problems {
    /// Why dead letters cannot be published.
    dead_letters: Option<Arc<str>>,
    /// Kinds of events that reach no queue any more.
    lost_routes: BTreeMap<Box<str>, Timestamp>,
}

impl BackendHealth {
    /// Records why dead letters cannot be published, or that they can.
    pub(super) fn set_dead_letters(&self, reason: Option<Arc<str>>) {
        let before = std::mem::replace(&mut self.0.lock().dead_letters, reason.clone());
        match reason {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::warn!(error = &*reason, "refused events cannot be moved to the dead letters; they wait");
            }
            None if before.is_some() => tracing::info!("refused events can be moved to the dead letters again"),
            _ => {}
        }
    }

    /// Records that events of this kind reach no queue any more.
    pub(super) fn route_lost(&self, kind: &str) {
        self.0.lock().lost_routes.insert(kind.into(), SystemTime::now().into());
        tracing::warn!(kind, "events that reached a queue before are returned by the broker: a binding is missing");
    }

    /// Records that events of this kind reach a queue, or are not expected to any more.
    pub(super) fn route_found(&self, kind: &str) {
        if self.0.lock().lost_routes.remove(kind).is_some() {
            tracing::info!(kind, "events of this kind are not reported as missing a queue any more");
        }
    }

    /// Forgets what this node knew about events, because another node publishes them now.
    pub(super) fn forget_routes(&self) {
        self.0.lock().lost_routes.clear();
    }

    /// Returns what an operator should look at.
    pub(super) fn warnings(&self) -> Vec<BrokerWarning> {
        let problems = self.0.lock();
        let mut warnings = Vec::new();
        for (kind, since) in &problems.lost_routes {
            let text = format!(
                "events of the kind {kind} reach no queue since {since}, and did before: bind the backend's queue to the \
                 exchange for outbound events again"
            );
            warnings.push(BrokerWarning { text, degrades: true });
        }
        if let Some(reason) = &problems.dead_letters {
            let text =
                format!("refused events cannot be moved to the dead letters ({reason}); they wait at the broker");
            warnings.push(BrokerWarning { text, degrades: true });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_as_long_as_something_is_wrong() {
        let health = BackendHealth::default();
        assert!(health.warnings().is_empty());
        health.route_lost("chat.message");
        health.set_dead_letters(Some("NOT_FOUND".into()));
        let warnings = health.warnings();
        assert_eq!(warnings.iter().map(|warning| warning.degrades).collect::<Vec<_>>(), [true, true]);
        assert!(warnings[0].text.contains("chat.message") && warnings[1].text.contains("NOT_FOUND"));
        health.route_found("chat.message");
        health.set_dead_letters(None);
        assert!(health.warnings().is_empty());
    }
}
