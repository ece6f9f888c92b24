//! The broker of backend services as the node sees it: one handle that shows its state, stops consuming, and closes it.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{BrokerStatus, BrokerWarning, backend_events::BackendEvents, rabbitmq::Connections};
use crate::runtime::tasks::Tasks;

/// How long what is under way may take to finish at a shutdown.
const FINISH: Duration = Duration::from_secs(5);

/// The connections to the broker, and the events that go over them.
pub struct BackendBroker {
    /// To and from backend services.
    pub(super) events: BackendEvents,
    /// To the broker.
    pub(super) connections: Arc<Connections>,
    /// Everything that was spawned for these.
    pub(super) tasks: Tasks,
}

impl BackendBroker {
    /// Returns the state of the broker.
    pub fn status(&self) -> BrokerStatus {
        self.connections.status()
    }

    /// Returns what an operator should look at while the broker is connected.
    pub fn warnings(&self) -> Vec<BrokerWarning> {
        let mut warnings = self.events.warnings();
        warnings.extend(self.connections.warnings());
        warnings
    }

    /// Returns whether events go to and from backend services as they should.
    pub fn is_healthy(&self) -> bool {
        self.status() == BrokerStatus::Connected && !self.warnings().iter().any(|warning| warning.degrades)
    }

    /// Takes no more events from backend services, because this node shuts down; those under way are finished. Another
    /// node takes the others.
    pub fn stop_consuming(&self) {
        self.events.stop_consuming();
    }

    /// Publishes what is under way, and closes the connections, once everything that uses them has ended.
    pub async fn close(&self) {
        let finish = async {
            self.events.finish().await;
            self.connections.close().await;
        };
        if timeout(FINISH, finish).await.is_err() {
            tracing::warn!("the broker did not accept everything in time; the rest waits in the outbox");
        }
        self.tasks.stop(Duration::from_secs(1)).await;
    }
}
