//! What is wrong with the topology on the broker while both connections are up, for `/health` and the log.

use std::sync::Arc;

use parking_lot::Mutex;

use super::topology::InboundQueue;
use crate::bus::BrokerWarning;

/// What is wrong with the topology.
#[derive(Debug, Default)]
pub(super) struct TopologyWarnings(Mutex<Problems>);

#[derive(Debug, Default)]
struct Problems {
    inbound_queue: InboundQueue,
    /// The name of that queue, when it is of an earlier version.
    old_queue: Option<String>,
    /// Why the exchange and queue of the dead letters cannot be declared.
    dead_letter_queue: Option<Arc<str>>,
}

impl TopologyWarnings {
    /// Returns how the queue of inbound events was declared last.
    pub(super) fn inbound_queue(&self) -> InboundQueue {
        self.0.lock().inbound_queue
    }

    /// Records how the queue of inbound events was declared.
    pub(super) fn set_inbound_queue(&self, queue: InboundQueue, name: &str) {
        let mut problems = self.0.lock();
        if std::mem::replace(&mut problems.inbound_queue, queue) == queue {
            return;
        }
        let is_old = queue == InboundQueue::OldLimit;
        problems.old_queue = is_old.then(|| name.to_owned());
        drop(problems);
        if is_old {
            tracing::warn!(queue = name, "{}", old_queue(name));
        }
    }

    /// Records why the exchange and queue of the dead letters cannot be declared, or that they are.
    pub(super) fn set_dead_letter_queue(&self, reason: Option<Arc<str>>) {
        let before = std::mem::replace(&mut self.0.lock().dead_letter_queue, reason.clone());
        match reason {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::error!(error = &*reason, "the broker refuses how the dead letters are declared");
            }
            None if before.is_some() => tracing::info!("the dead letters are declared"),
            _ => {}
        }
    }

    /// Returns what an operator should look at.
    pub(super) fn warnings(&self) -> Vec<BrokerWarning> {
        let problems = self.0.lock();
        let mut warnings = Vec::new();
        if let Some(reason) = &problems.dead_letter_queue {
            let text = format!("the broker refuses how the dead letters are declared ({reason})");
            warnings.push(BrokerWarning { text, degrades: true });
        }
        warnings
            .extend(problems.old_queue.as_deref().map(|name| BrokerWarning { text: old_queue(name), degrades: false }));
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
        let topology = TopologyWarnings::default();
        assert!(topology.warnings().is_empty());
        topology.set_dead_letter_queue(Some("PRECONDITION_FAILED".into()));
        topology.set_inbound_queue(InboundQueue::OldLimit, "gateway.inbound");
        let warnings = topology.warnings();
        assert_eq!(warnings.iter().map(|warning| warning.degrades).collect::<Vec<_>>(), [true, false]);
        assert!(warnings[1].text.contains("gateway.inbound"));
        topology.set_dead_letter_queue(None);
        topology.set_inbound_queue(InboundQueue::Current, "gateway.inbound");
        assert!(topology.warnings().is_empty());
    }
}
