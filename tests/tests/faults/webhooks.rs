//! Webhooks whose receiver is away while nodes are killed: every event of what was confirmed arrives, and the events of a
//! clan and of a user come in order.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use realtime_gateway_tests::{FaultProxy, Gateway, LinkState, ServiceBackend, Settings, within, write_secret};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{backend::Backend, cluster::Cluster, ledger::Ledger, load::Load};

/// The clients, and the clans that they are spread over.
const USERS: usize = 9;
const CLANS: usize = 3;
/// How many messages are confirmed in each phase.
const MESSAGES: u64 = 25;
/// How long events may take after the receiver is back: until the lease of a killed node ends, and the longest wait
/// before a request is repeated.
const ARRIVAL: Duration = Duration::from_secs(120);
/// The receiver hangs up after this many requests, as if it had crashed after it took the events.
const CRASH_EVERY: usize = 5;

/// The events that the receiver has taken, without copies.
#[derive(Default)]
struct Taken {
    ids: HashSet<String>,
    copies: usize,
    /// The ids of the messages of each clan, with their offsets, in the order of arrival.
    messages: HashMap<String, Vec<(u64, String)>>,
    /// The notifications that were reported as acknowledged, with their users.
    acknowledged: HashSet<(String, String)>,
    /// The kinds of session events of each user, in the order of arrival.
    sessions: HashMap<String, Vec<(String, String)>>,
}

impl Taken {
    fn add(&mut self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        if !self.ids.insert(text("id")) {
            self.copies += 1;
            return;
        }
        match event["type"].as_str() {
            Some("chat.message") => {
                let message = (event["offset"].as_u64().unwrap(), text("messageId"));
                self.messages.entry(text("clanId")).or_default().push(message);
            }
            Some("notification.acked") => {
                let ids = event["notificationIds"].as_array().unwrap().iter();
                self.acknowledged.extend(ids.map(|id| (text("userId"), id.as_str().unwrap().to_owned())));
            }
            _ => self.sessions.entry(text("userId")).or_default().push((text("sessionId"), text("type"))),
        }
    }

    /// Counts the confirmed messages and the acknowledged notifications that have not been reported.
    fn missing(&self, ledger: &Ledger) -> usize {
        let reported = |clan: &str, id: &str| {
            self.messages.get(clan).is_some_and(|messages| messages.iter().any(|(_, other)| other == id))
        };
        let messages = ledger.confirmed.iter().filter(|message| !reported(&message.clan, &message.id)).count();
        messages + ledger.notified.iter().filter(|notified| !self.acknowledged.contains(*notified)).count()
    }

    /// Checks that the events of each clan and of each user have come in order.
    fn assert_in_order(&self) {
        for (clan, messages) in &self.messages {
            assert!(messages.is_sorted_by(|a, b| a.0 < b.0), "{clan}: {messages:?}");
        }
        for (user, events) in &self.sessions {
            let mut opened = HashSet::new();
            for (session, kind) in events {
                let is_in_order =
                    if kind == "session.opened" { opened.insert(session) } else { opened.contains(session) };
                assert!(is_in_order, "{user}: {events:?}");
            }
        }
    }
}

/// A receiver behind a proxy.
struct Receiver {
    link: FaultProxy,
    taken: Arc<Mutex<Taken>>,
    folder: TempDir,
    _serving: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut backend = ServiceBackend::start().await;
        let address = backend.url().trim_start_matches("http://").trim_end_matches("/gateway").to_owned();
        let taken = Arc::<Mutex<Taken>>::default();
        let (book, mut serving) = (taken.clone(), JoinSet::new());
        serving.spawn(async move {
            let mut requests = 0;
            while let Some(request) = backend.receive().await {
                requests += 1;
                let events = request.body()["events"].as_array().unwrap().clone();
                events.iter().for_each(|event| book.lock().add(event));
                if usize::is_multiple_of(requests, CRASH_EVERY) {
                    request.hang_up();
                } else {
                    request.answer(200, &json!({})).await;
                }
            }
        });
        Self { link: FaultProxy::to(&address).await, taken, folder, _serving: serving }
    }

    fn settings(&self) -> Settings {
        Settings::default()
            .set("webhooks.shop.url", &format!("\"http://{}/\"", self.link.address()))
            .set("webhooks.shop.secret_file", &write_secret(self.folder.path()))
            .set("webhooks.shop.events", "[\"chat.message\", \"notification.acked\", \"session\"]")
            .set("webhooks.shop.max_batch", "20")
    }
}

/// Runs the case on these nodes, all of which are killed while the receiver is away.
async fn loses_no_event(receiver: &Receiver, nodes: &mut [Gateway]) {
    let front = FaultProxy::balancing(nodes.iter().map(|node| node.address().to_owned()).collect()).await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    let mut load = Load::start(front.address(), USERS, CLANS, &ledger).await;
    let mut backend = Backend::over_http(front.address(), &ledger);
    backend.publish_to(load.users());
    load.wait_for_confirmed(MESSAGES).await;
    receiver.link.set(LinkState::Refused);
    for node in nodes.iter_mut() {
        load.wait_for_confirmed(MESSAGES).await;
        node.kill().await;
        node.restart().await;
    }
    load.wait_for_confirmed(MESSAGES).await;
    receiver.link.set(LinkState::Healthy);
    load.wait_for_confirmed(MESSAGES).await;
    // It is away for a short time, in the middle of a request.
    receiver.link.cut();
    load.wait_for_confirmed(MESSAGES).await;
    load.stop_writing();
    backend.stop_publishing();
    let has_all = || async { receiver.taken.lock().missing(&ledger.lock()) == 0 };
    within(ARRIVAL, "every confirmed event has arrived", has_all).await;
    let taken = receiver.taken.lock();
    taken.assert_in_order();
    let ledger = ledger.lock();
    println!(
        "{} messages were confirmed and {} notifications acknowledged, {} events arrived, {} copies",
        ledger.confirmed.len(),
        ledger.notified.len(),
        taken.ids.len(),
        taken.copies
    );
    assert!(taken.copies > 0, "some events came again, because the receiver hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_loses_nothing_when_receiver_is_away_and_embedded_node_is_killed() {
    let receiver = Receiver::start().await;
    let mut nodes = [Gateway::with(receiver.settings()).await];
    loses_no_event(&receiver, &mut nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_loses_nothing_when_receiver_is_away_and_nodes_on_redis_are_killed() {
    let receiver = Receiver::start().await;
    let mut cluster = Cluster::on_redis_alone(2, receiver.settings()).await;
    loses_no_event(&receiver, &mut cluster.nodes).await;
}
