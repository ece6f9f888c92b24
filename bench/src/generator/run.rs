//! Runs a load: connects, warms up, measures, and waits for what is still on its way.

use std::{fs, time::Duration};

use super::{
    Pace, Plan, Report, Target, Usage,
    accounts::Accounts,
    clients::{Clients, TICK},
    publishing::{Next, Publishing},
};

/// How many connections are opened at the same time.
const CONNECTING: u32 = 64;
/// How long no connection may become ready before the load is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long no delivery may arrive before those that are missing count as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// The time for second deliveries of messages that have already arrived.
const SECOND_DELIVERIES: Duration = Duration::from_millis(100);

/// Puts a load on a server.
///
/// # Panics
/// If a connection cannot be opened, or the server does not answer it.
pub(crate) fn run(plan: &Plan, target: &Target, usage: &impl Usage) -> Report {
    let layout = plan.layout;
    let mut clients = Clients::new(layout, target, Accounts::new(plan.pace == Pace::OneByOne));
    let resident = usage.resident();
    let connect_cpu = connect(&mut clients, layout.connections(), usage);
    if plan.pace == Pace::Idle {
        clients.wait(plan.warm_up);
    }
    let grown = usage.resident().saturating_sub(resident);
    let mut load = Load { publishing: Publishing::new(target.dialect, layout, plan.pace, clients.now()), clients };
    let measured = if plan.pace == Pace::Idle { Measured::default() } else { load.measure(plan, usage) };
    load.wait_for_deliveries(load.publishing.published * u64::from(layout.members));
    let lost = load.clients.lost(&load.publishing.sequences);
    let Accounts { latency, mut faults, .. } = load.clients.accounts;
    faults.lost += lost;
    Report {
        connect_cpu,
        idle_bytes: grown as f64 / f64::from(layout.connections()),
        deliveries: measured.deliveries,
        elapsed: measured.elapsed,
        server_cpu: measured.server_cpu,
        client_cpu: measured.client_cpu,
        latency,
        faults,
    }
}

/// Opens all connections, and returns the server's CPU time for each after the first fifth of them.
fn connect(clients: &mut Clients<'_>, all: u32, usage: &impl Usage) -> Duration {
    let mut warm = None;
    let (mut ready, mut since) = (0, clients.now());
    while ready < all {
        clients.open_up_to(ready + CONNECTING);
        clients.poll(TICK);
        if clients.ready() > ready {
            (ready, since) = (clients.ready(), clients.now());
        }
        if ready >= all / 5 && warm.is_none() {
            warm = Some((usage.cpu(), ready));
        }
        assert!(clients.accounts.faults.errors == 0, "a connection ended before it was subscribed");
        let waited = clients.now() - since;
        assert!(waited < PATIENCE, "{ready} of {all} connections are subscribed, and no other for {PATIENCE:?}");
    }
    let (cpu, warm) = warm.unwrap_or_default();
    usage.cpu().saturating_sub(cpu) / (all - warm).max(1)
}

/// The figures of the time of the measurement.
#[derive(Default)]
struct Measured {
    deliveries: u64,
    elapsed: Duration,
    server_cpu: Duration,
    client_cpu: Duration,
}

/// Connected clients and their messages.
struct Load<'a> {
    clients: Clients<'a>,
    publishing: Publishing,
}

impl Load<'_> {
    fn measure(&mut self, plan: &Plan, usage: &impl Usage) -> Measured {
        let first = self.publishing.first();
        self.publish_to(first);
        self.publish_until(self.clients.now() + plan.warm_up);
        let before = (usage.cpu(), own_cpu(), self.clients.now(), self.clients.accounts.delivered);
        self.clients.accounts.measured_from = Some(before.2);
        self.publish_until(before.2 + plan.measured);
        let after = (usage.cpu(), own_cpu(), self.clients.now(), self.clients.accounts.delivered);
        Measured {
            deliveries: after.3 - before.3,
            elapsed: after.2 - before.2,
            server_cpu: after.0.saturating_sub(before.0),
            client_cpu: after.1.saturating_sub(before.1),
        }
    }

    fn publish_until(&mut self, end: Duration) {
        while self.clients.now() < end {
            let (next, wait) = self.publishing.due(self.clients.now(), self.clients.accounts.delivered);
            next.into_iter().for_each(|next| self.publish(next));
            self.clients.poll(wait);
            let answered = self.clients.accounts.answered.as_mut().map(std::mem::take).unwrap_or_default();
            self.publish_to(answered);
        }
    }

    /// Publishes a message to each of these topics.
    fn publish_to(&mut self, topics: Vec<u32>) {
        for topic in topics {
            let due = self.clients.now();
            self.publish(Next { topic, due });
        }
    }

    fn publish(&mut self, next: Next) {
        let (publisher, message) = self.publishing.compose(next);
        self.clients.publish(publisher, message);
    }

    /// Waits until all deliveries have arrived, or none has arrived for a while, and then for second deliveries.
    fn wait_for_deliveries(&mut self, expected: u64) {
        let begun = self.clients.now();
        while self.clients.accounts.delivered < expected {
            self.clients.poll(TICK);
            if self.clients.now() > self.clients.accounts.last_delivery.max(begun) + LOST_AFTER {
                break;
            }
        }
        self.clients.wait(SECOND_DELIVERIES);
    }
}

/// Returns the CPU time of this thread.
fn own_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}
