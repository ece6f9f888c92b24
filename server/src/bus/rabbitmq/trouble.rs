//! What is wrong while both connections are there, for `/health`.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;

use super::topology::InboundQueue;
use crate::bus::BusWarning;

/// What is wrong.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    inbound_queue: InboundQueue,
    /// The name of that queue, when it is an old one.
    old_queue: Option<String>,
    /// Why dead letters cannot be published.
    dead_letters: Option<Arc<str>>,
    /// Why their exchange and queue cannot be declared.
    dead_letter_queue: Option<Arc<str>>,
    /// Kinds of events that reach no queue any more.
    unroutable: BTreeMap<Box<str>, Timestamp>,
}

impl Trouble {
    /// How the queue of inbound events was declared last.
    pub(super) fn inbound_queue(&self) -> InboundQueue {
        self.0.lock().inbound_queue
    }

    /// Notes how the queue of inbound events was declared.
    pub(super) fn set_inbound_queue(&self, queue: InboundQueue, name: &str) {
        let mut found = self.0.lock();
        if std::mem::replace(&mut found.inbound_queue, queue) == queue {
            return;
        }
        let is_old = queue == InboundQueue::OldLimit;
        found.old_queue = is_old.then(|| name.to_owned());
        drop(found);
        if is_old {
            tracing::warn!(queue = name, "{}", old_queue(name));
        }
    }

    /// Notes why dead letters cannot be published, or that they can.
    pub(super) fn dead_letters(&self, reason: Option<Arc<str>>) {
        let before = std::mem::replace(&mut self.0.lock().dead_letters, reason.clone());
        match reason {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::warn!(error = &*reason, "refused events cannot be moved to the dead letters; they wait");
            }
            None if before.is_some() => tracing::info!("refused events can be moved to the dead letters again"),
            _ => {}
        }
    }

    /// Notes why the exchange and queue of the dead letters cannot be declared, or that they are.
    pub(super) fn dead_letter_queue(&self, reason: Option<Arc<str>>) {
        let before = std::mem::replace(&mut self.0.lock().dead_letter_queue, reason.clone());
        match reason {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::error!(error = &*reason, "the broker refuses how the dead letters are declared");
            }
            None if before.is_some() => tracing::info!("the dead letters are declared"),
            _ => {}
        }
    }

    /// Events of this kind reach no queue any more.
    pub(super) fn lost(&self, kind: &str) {
        self.0.lock().unroutable.insert(kind.into(), SystemTime::now().into());
        tracing::warn!(kind, "events that reached a queue before are returned by the broker: a binding is missing");
    }

    /// Events of this kind reach a queue, or need not.
    pub(super) fn found(&self, kind: &str) {
        if self.0.lock().unroutable.remove(kind).is_some() {
            tracing::info!(kind, "events are not missed by any queue any more");
        }
    }

    /// Another node publishes events now.
    pub(super) fn forget_unroutable(&self) {
        self.0.lock().unroutable.clear();
    }

    /// What an operator should look at.
    pub(super) fn warnings(&self) -> Vec<BusWarning> {
        let found = self.0.lock();
        let mut warnings = Vec::new();
        for (kind, since) in &found.unroutable {
            let text = format!(
                "events of the kind {kind} reach no queue since {since}, and did before: bind the backend's queue to the \
                 exchange for outbound events again"
            );
            warnings.push(BusWarning { text, degrades: true });
        }
        if let Some(reason) = &found.dead_letters {
            let text =
                format!("refused events cannot be moved to the dead letters ({reason}); they wait at the broker");
            warnings.push(BusWarning { text, degrades: true });
        }
        if let Some(reason) = &found.dead_letter_queue {
            let text = format!("the broker refuses how the dead letters are declared ({reason})");
            warnings.push(BusWarning { text, degrades: true });
        }
        warnings.extend(found.old_queue.as_deref().map(|name| BusWarning { text: old_queue(name), degrades: false }));
        warnings
    }
}

fn old_queue(name: &str) -> String {
    format!(
        "the queue {name} has the delivery limit of an earlier version, which moves good events to the dead letters when \
         connections fall often: delete it once it is empty, and the gateway declares it without (docs/rabbitmq.md)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_as_long_as_something_is_wrong() {
        let trouble = Trouble::default();
        assert!(trouble.warnings().is_empty());
        trouble.lost("chat.message");
        trouble.dead_letters(Some("NOT_FOUND".into()));
        trouble.set_inbound_queue(InboundQueue::OldLimit, "gateway.inbound");
        let warnings = trouble.warnings();
        assert_eq!(warnings.iter().map(|warning| warning.degrades).collect::<Vec<_>>(), [true, true, false]);
        assert!(warnings[0].text.contains("chat.message") && warnings[2].text.contains("gateway.inbound"));
        trouble.found("chat.message");
        trouble.dead_letters(None);
        trouble.set_inbound_queue(InboundQueue::Current, "gateway.inbound");
        assert!(trouble.warnings().is_empty());
    }
}
