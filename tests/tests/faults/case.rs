//! A fault case: clients chat, receive notifications and acknowledge them while a fault begins and ends. Afterwards
//! every confirmed message must have reached every client once and in one order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{backend::Backend, cluster::Cluster, figures, ledger::Ledger, load::Load};

/// The number of clients, and the number of clans they are spread over.
const USERS: usize = 12;
const CLANS: usize = 3;
/// The number of messages that are confirmed before the fault, and after it.
const CONFIRMED_BEFORE_FAULT: u64 = 60;
const CONFIRMED_AFTER_FAULT: u64 = 120;
/// How long a case waits without any progress before it reports missing messages.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What a fault may do to client connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// All clients stay connected.
    Stay,
    /// Some clients have to reconnect.
    Reconnect,
}

/// A running fault case.
pub(crate) struct Case {
    name: &'static str,
    clients: Clients,
    pub(crate) cluster: Cluster,
    pub(crate) load: Load,
    pub(crate) backend: Backend,
    /// The longest time that any client may go without a message, if the case limits it.
    pub(crate) longest_outage: Option<Duration>,
}

impl Case {
    /// Starts the load on a cluster and waits until messages are flowing.
    pub(crate) async fn start(name: &'static str, clients: Clients, cluster: Cluster) -> Self {
        let ledger = Arc::default();
        let mut backend = if cluster.rabbit.is_some() {
            Backend::start(&cluster.amqp(), &ledger).await
        } else {
            Backend::over_http(cluster.front.address(), &ledger)
        };
        let mut load = Load::start(cluster.front.address(), USERS, CLANS, &ledger).await;
        backend.publish_to(load.users());
        load.wait_for_confirmed(CONFIRMED_BEFORE_FAULT).await;
        Self { name, clients, cluster, load, backend, longest_outage: None }
    }

    /// Ends the case after the fault: sends more messages, waits for all deliveries, prints the figures and checks
    /// them.
    pub(crate) async fn finish(mut self) {
        self.load.ledger.lock().fault_ended.get_or_insert_with(Instant::now);
        self.load.wait_for_confirmed(CONFIRMED_AFTER_FAULT).await;
        let ledger = self.settle().await;
        self.print_and_assert(&ledger);
    }

    /// Stops all writers and waits until every confirmed message has arrived.
    pub(crate) async fn settle(&mut self) -> Ledger {
        self.load.stop_writing();
        self.backend.stop_publishing();
        let (mut remaining, mut progress) = (usize::MAX, Instant::now());
        loop {
            let (missing, unreported) = {
                let ledger = self.load.ledger.lock();
                (ledger.missing().len(), self.unreported(&ledger))
            };
            if missing == 0 && unreported == 0 {
                break;
            }
            if missing + unreported < remaining {
                (remaining, progress) = (missing + unreported, Instant::now());
            }
            if progress.elapsed() > STUCK_AFTER {
                self.report_where_events_are().await;
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        // Any second delivery arrives within this time: it is caused by an append notice or by the next reconciliation.
        sleep(Duration::from_millis(1_500)).await;
        std::mem::take(&mut self.load.ledger.lock())
    }

    /// Prints the state of the nodes and queues, to show where missing events are.
    async fn report_where_events_are(&self) {
        for node in 0..self.cluster.nodes.len() {
            println!("node {node}: {}", self.cluster.health(node).await);
        }
        if let Some(rabbit) = &self.cluster.rabbit {
            println!("{}", rabbit.ctl(&["list_queues", "name", "messages", "consumers"]));
        }
    }

    /// Returns the number of confirmed messages that backend services have not received, if they can receive any.
    fn unreported(&self, ledger: &Ledger) -> usize {
        if self.cluster.rabbit.is_some() { ledger.unreported() } else { 0 }
    }

    /// Prints the figures and checks every guarantee.
    pub(crate) fn print_and_assert(&self, ledger: &Ledger) {
        figures::print(self.name, &ledger.figures());
        assert_eq!(ledger.missing(), [""; 0], "confirmed messages were lost");
        assert_eq!(self.unreported(ledger), 0, "confirmed messages were not reported to backend services");
        assert_eq!(ledger.doubled(), 0, "messages were delivered twice");
        assert_eq!(ledger.order_violations(), [""; 0], "clients saw different orders");
        if ledger.store_lost_writes {
            assert_eq!(ledger.unreported_gaps(), [""; 0], "messages were lost by the store without a reported gap");
            assert!(!ledger.gaps.is_empty(), "writes were lost, but no client received a gap");
        } else {
            assert_eq!(ledger.gaps, [], "a gap was reported although nothing was lost");
        }
        if let Some(longest) = self.longest_outage {
            assert!(ledger.figures().longest_gap <= longest, "a client received no message for longer than allowed");
        }
        if self.clients == Clients::Stay {
            assert_eq!(ledger.lost_connections, 0, "clients lost their connections");
        }
    }
}
