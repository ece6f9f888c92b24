//! The load: SDK clients that chat, read and acknowledge, and record everything in the ledger.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use realtime_gateway_sdk::{ChatEvent, Client, State};
use realtime_gateway_tests::Token;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::ledger::{Confirmed, Ledger, ReportedGap, Shown};

/// The time between two messages of a user.
const SEND_INTERVAL: Duration = Duration::from_millis(150);

/// The running clients. Dropping it ends their tasks.
pub(crate) struct Load {
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    writing: watch::Sender<bool>,
    _tasks: JoinSet<()>,
    confirmed: watch::Receiver<u64>,
}

impl Load {
    /// Starts `users` clients, spread over `clans` clans, that connect to one address. Returns when all are subscribed.
    pub(crate) async fn start(address: &str, users: usize, clans: usize, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let writing = watch::Sender::new(false);
        let (count, confirmed) = watch::channel(0);
        let count = Arc::new(count);
        let mut tasks = JoinSet::new();
        for n in 0..users {
            let (user, clan) = (format!("user-{n}"), format!("clan-{}", n % clans));
            let user = User { client: client(address, &user), name: user, clan, ledger: ledger.clone() };
            user.begin(&mut tasks, writing.subscribe(), count.clone()).await;
        }
        // Writing starts only now, because a client that is not yet subscribed would miss messages.
        writing.send_replace(true);
        Self { ledger: ledger.clone(), writing, _tasks: tasks, confirmed }
    }

    /// Waits until `count` more messages have been confirmed.
    pub(crate) async fn wait_for_confirmed(&mut self, count: u64) {
        let target = *self.confirmed.borrow() + count;
        let waited = tokio::time::timeout(Duration::from_secs(90), self.confirmed.wait_for(|count| *count >= target));
        assert!(waited.await.is_ok(), "no {count} more messages were confirmed in 90 s");
    }

    /// Stops all writers; the clients keep reading.
    pub(crate) fn stop_writing(&self) {
        self.writing.send_replace(false);
    }

    /// Returns the names of the users.
    pub(crate) fn users(&self) -> Vec<String> {
        let mut users: Vec<String> = self.ledger.lock().shown.keys().map(|(user, _)| user.clone()).collect();
        users.sort();
        users
    }
}

/// One client.
struct User {
    client: Client,
    name: String,
    clan: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl User {
    async fn begin(
        self,
        tasks: &mut JoinSet<()>,
        mut writing: watch::Receiver<bool>,
        confirmed: Arc<watch::Sender<u64>>,
    ) {
        let Self { client, name, clan, ledger } = self;
        let chat = client.clan_chat(&clan).unwrap();
        let mut messages = chat.subscribe().await.unwrap();
        let mut notifications = client.notifications().subscribe().await.unwrap();
        ledger.lock().shown.insert((name.clone(), clan.clone()), Vec::new());

        let (stream, reading) = ((name.clone(), clan.clone()), ledger.clone());
        tasks.spawn(async move {
            while let Some(event) = messages.next().await {
                let epoch = messages.position().map(|position| position.epoch().to_owned()).unwrap_or_default();
                let mut ledger = reading.lock();
                match event {
                    ChatEvent::Message(message) => {
                        let (offset, id) = (message.offset, message.message_id.to_string());
                        let shown = ledger.shown.entry(stream.clone()).or_default();
                        shown.push(Shown { epoch, offset, id, at: Instant::now() });
                    }
                    ChatEvent::Gap(gap) => {
                        let (stream, up_to) = (stream.clone(), gap.after.offset());
                        ledger.gaps.push(ReportedGap { stream, reason: format!("{:?}", gap.reason), up_to });
                    }
                    _ => {}
                }
            }
        });

        let (user, notified) = (name.clone(), ledger.clone());
        tasks.spawn(async move {
            while let Some(notification) = notifications.next().await {
                notified.lock().notified.push((user.clone(), notification.id.to_string()));
                // A failed acknowledgement causes a redelivery, which the SDK filters out.
                let _ = notifications.ack(&notification).await;
            }
        });

        let (mut state, watching) = (client.state(), ledger.clone());
        tasks.spawn(async move {
            let mut connected = true;
            while state.changed().await.is_ok() {
                let is_connected = matches!(*state.borrow_and_update(), State::Connected(_));
                if connected && !is_connected {
                    watching.lock().lost_connections += 1;
                }
                connected = is_connected;
            }
        });

        tasks.spawn(async move {
            // Keeps the client alive as long as this task.
            let _client = client;
            // An error means that the load has been dropped.
            let _ = writing.wait_for(|writing| *writing).await;
            for n in 0_u64.. {
                if !*writing.borrow() {
                    break;
                }
                let begun = Instant::now();
                match chat.send(format!("{name} says {n}")).await {
                    Ok(receipt) => {
                        let (offset, id, at) = (receipt.offset, receipt.message_id.to_string(), Instant::now());
                        ledger.lock().confirmed.push(Confirmed { clan: clan.clone(), offset, id, begun, at });
                        confirmed.send_modify(|count| *count += 1);
                    }
                    Err(_) => ledger.lock().unconfirmed += 1,
                }
                sleep(SEND_INTERVAL).await;
            }
            std::future::pending().await
        });
    }
}

/// Returns a client for a user with all grants.
pub(crate) fn client(address: &str, user: &str) -> Client {
    let token = Token::for_user(user).text();
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    Client::builder(format!("ws://{address}/ws")).token(provider).build().unwrap()
}
