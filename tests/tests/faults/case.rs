//! A case: apps chat, get notifications and acknowledge; something is hurt and heals; and then nothing that was
//! confirmed is missing anywhere, nothing was shown twice, and all saw one order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{backend::Backend, cluster::Cluster, figures, ledger::Ledger, load::Load};

/// How many apps, in how many clans.
const USERS: usize = 12;
const CLANS: usize = 3;
/// How many messages are confirmed before the fault, and after it.
const BEFORE: u64 = 60;
const AFTER: u64 = 120;
/// After how long without any progress it is given up that everything confirmed arrives.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What clients may notice of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// Nothing: they stay connected.
    Stay,
    /// Some have to connect anew.
    Reconnect,
}

/// A fault, and what hurt it leaves.
pub(crate) struct Case {
    name: &'static str,
    clients: Clients,
    pub(crate) cluster: Cluster,
    pub(crate) load: Load,
    pub(crate) backend: Backend,
    /// For how long no client may have been without anything to read, where the case promises that.
    pub(crate) longest_outage: Option<Duration>,
}

impl Case {
    /// Begins the load on some nodes, and waits until it is well under way.
    pub(crate) async fn begin(name: &'static str, clients: Clients, cluster: Cluster) -> Self {
        let ledger = Arc::default();
        let mut backend = Backend::start(&cluster.amqp(), &ledger).await;
        let mut load = Load::start(cluster.front.address(), USERS, CLANS, &ledger).await;
        backend.publish_to(load.users());
        load.more(BEFORE).await;
        Self { name, clients, cluster, load, backend, longest_outage: None }
    }

    /// The fault is over: the load goes on for a while, everything settles, and the figures are printed.
    pub(crate) async fn end(mut self) {
        self.load.ledger.lock().healed.get_or_insert_with(Instant::now);
        self.load.more(AFTER).await;
        let ledger = self.settle().await;
        self.judge(&ledger);
    }

    /// Everybody stops, and what was confirmed arrives.
    pub(crate) async fn settle(&mut self) -> Ledger {
        self.load.hush();
        self.backend.hush();
        let (mut left, mut progress) = (usize::MAX, Instant::now());
        loop {
            let (missing, unreported) = {
                let ledger = self.load.ledger.lock();
                (ledger.missing().len(), ledger.unreported())
            };
            if missing == 0 && unreported == 0 {
                break;
            }
            if missing + unreported < left {
                (left, progress) = (missing + unreported, Instant::now());
            }
            if progress.elapsed() > STUCK_AFTER {
                self.report_where_events_are().await;
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        // What would come twice has come by now: the last entries are a doorbell and a pulse behind at most.
        sleep(Duration::from_millis(1_500)).await;
        std::mem::take(&mut self.load.ledger.lock())
    }

    /// Prints what a case that fails needs to be understood: what waits in the nodes' outboxes, and what in the queues.
    async fn report_where_events_are(&self) {
        for node in 0..self.cluster.nodes.len() {
            println!("node {node}: {}", self.cluster.health(node).await);
        }
        println!("{}", self.cluster.rabbit.ctl(&["list_queues", "name", "messages", "consumers"]));
    }

    /// Prints the figures, and fails unless all that was promised was kept.
    pub(crate) fn judge(&self, ledger: &Ledger) {
        figures::print(self.name, &ledger.figures());
        assert_eq!(ledger.missing(), [""; 0], "confirmed, and lost");
        assert_eq!(ledger.unreported(), 0, "confirmed, and backend services were not told");
        assert_eq!(ledger.doubled(), 0, "shown twice");
        assert_eq!(ledger.disorder(), [""; 0], "not one order");
        if ledger.store_lost_writes {
            assert_eq!(ledger.silent_holes(), [""; 0], "lost by the store, and nobody was told");
            assert!(!ledger.gaps.is_empty(), "writes were lost, so somebody was told");
        } else {
            assert_eq!(ledger.gaps, [], "a gap, where everything was kept");
        }
        if let Some(longest) = self.longest_outage {
            assert!(ledger.figures().longest_gap <= longest, "a client was without service for longer");
        }
        if self.clients == Clients::Stay {
            assert_eq!(ledger.lost_connections, 0, "clients had no reason to go");
        }
    }
}
