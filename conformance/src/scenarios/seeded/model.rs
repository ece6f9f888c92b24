//! A model of the gateway for seeded scenarios: logs with retention, idempotent publications, notifications.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    failure::Step,
    gateway::{Peer, Received, answers},
    world::World,
};

/// How many entries of a log are retained.
pub(super) const RETENTION: u64 = 20;

/// An order of the scenario to the model.
pub(super) enum Order {
    /// Another user publishes entries to a topic, and the client gets them.
    Append { topic: String, count: u64 },
    /// A notification for the user.
    Notify(String),
    /// The connection is closed with this code. While the client is away, this number of entries is published to each
    /// topic, and the store may begin a new epoch.
    Close { code: u16, away: u64, is_new_epoch: bool },
}

/// The state of the gateway. It outlives connections.
pub(super) struct Model {
    state: Mutex<State>,
    is_connected: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    epoch: u64,
    logs: BTreeMap<String, Vec<Value>>,
    /// The confirmations of publications by topic and id.
    stored: BTreeMap<(String, String), Value>,
    /// Notifications without an acknowledgement, by offset.
    waiting: BTreeMap<u64, String>,
    last_notification: u64,
    /// How many publications of the client are stored.
    published: u64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), is_connected: watch::Sender::new(true) }
    }

    /// Returns the position at the head of a log.
    pub(super) fn head(&self, topic: &str) -> Value {
        let state = self.state();
        json!({"offset": state.head(topic), "epoch": state.epoch()})
    }

    /// Returns how many publications of the client are stored.
    pub(super) fn published(&self) -> u64 {
        self.state().published
    }

    /// Returns whether a notification waits for an acknowledgement.
    pub(super) fn waits(&self, id: &str) -> bool {
        self.state().waiting.values().any(|waiting| waiting == id)
    }

    /// Returns the entry of a log at an offset of the current epoch.
    pub(super) fn entry(&self, topic: &str, offset: u64) -> Option<Value> {
        self.state().logs.get(topic)?.get(usize::try_from(offset.checked_sub(1)?).ok()?).cloned()
    }

    /// Waits until the client has no connection.
    pub(super) async fn disconnected(&self) {
        // The sender lives as long as this borrow of it.
        let _ = self.is_connected.subscribe().wait_for(|is_connected| !is_connected).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn epoch(&self) -> String {
        format!("e{}", self.epoch)
    }

    fn head(&self, topic: &str) -> u64 {
        self.logs.get(topic).map_or(0, |log| u64::try_from(log.len()).unwrap_or(u64::MAX))
    }

    /// Appends an entry of another user.
    fn append(&mut self, topic: &str) -> Value {
        let offset = self.head(topic) + 1;
        let entry = if topic == "o" { answers::event(topic, offset) } else { answers::chat(topic, offset) };
        self.logs.entry(topic.to_owned()).or_default().push(entry.clone());
        entry
    }

    /// Stores a publication of the client, once. Returns the reply, and the entry if it is new.
    fn publish(&mut self, command: &Value) -> (Value, Option<Value>) {
        let topic = topic_of(command);
        let key = (topic.clone(), command["clientMessageId"].to_string());
        if let Some(stored) = self.stored.get(&key) {
            let mut reply = stored.clone();
            reply["duplicate"] = json!(true);
            return (reply, None);
        }
        self.published += 1;
        let mut entry = self.append(&topic);
        let own = json!({"userId": "ada", "clientMessageId": command["clientMessageId"]});
        answers::merge(&mut entry, &own);
        let content = if command["type"] == "chat" { "content" } else { "data" };
        entry[content] = command[content].clone();
        let offset = self.head(&topic);
        if let Some(last) = self.logs.get_mut(&topic).and_then(|log| log.last_mut()) {
            last.clone_from(&entry);
        }
        let reply = answers::stored(command, offset);
        self.stored.insert(key, reply.clone());
        (reply, Some(entry))
    }

    /// Returns what follows a subscribe command: the confirmation and entries.
    fn subscribe(&self, command: &Value) -> Vec<Value> {
        if command["type"] == "subscribe_notifications" {
            let count = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
            let waiting = self.waiting.iter().map(|(offset, id)| answers::notification(id, *offset));
            return std::iter::once(answers::confirmed_pending(count)).chain(waiting).collect();
        }
        let topic = topic_of(command);
        let (head, epoch) = (self.head(&topic), self.epoch());
        let recover = &command["recover"];
        let from = recover["offset"]
            .as_u64()
            .filter(|offset| recover["epoch"] == epoch.as_str() && *offset <= head && head - offset <= RETENTION);
        let history = command["history"].as_u64().unwrap_or(0).min(RETENTION);
        let start = from.unwrap_or(head.saturating_sub(history));
        let confirmed = answers::confirmed_in(command, head, &epoch, from.is_some());
        let entries = self.logs.get(&topic).into_iter().flatten().skip(usize::try_from(start).unwrap_or(usize::MAX));
        std::iter::once(confirmed).chain(entries.cloned()).collect()
    }
}

/// Returns the name of the log that a command is about. Clans have other names than the topic of the service.
fn topic_of(command: &Value) -> String {
    let name = command["clanId"].as_str().or_else(|| command["topic"].as_str());
    name.unwrap_or_default().to_owned()
}

/// Serves the connections of the client, one after the other. A connection is read to its end before the next one is
/// accepted, so what was sent on it comes first.
pub(super) async fn serve(w: &World<'_>, model: &Model, mut orders: mpsc::Receiver<Order>) -> Step {
    loop {
        let mut peer = w.gateway.accept().await?;
        model.is_connected.send_replace(true);
        let mut topics = BTreeSet::new();
        loop {
            tokio::select! {
                biased;
                received = peer.received() => match received? {
                    Received::Message(command) => answer(model, &mut peer, &command, &mut topics).await,
                    Received::Pong(_) => {}
                    Received::Close(_) | Received::End => break,
                },
                Some(order) = orders.recv() => {
                    if carry_out(model, &mut peer, order, &topics).await {
                        break;
                    }
                }
            }
        }
        model.is_connected.send_replace(false);
    }
}

/// Answers a command.
async fn answer(model: &Model, peer: &mut Peer, command: &Value, topics: &mut BTreeSet<String>) {
    let kind = command["type"].as_str().unwrap_or_default();
    match kind {
        "authenticate" => peer.reply(command, &answers::greeting()).await,
        "subscribe_notifications" | "subscribe_clan_chat" | "subscribe" => {
            topics.insert(if kind.ends_with("notifications") { "n".to_owned() } else { topic_of(command) });
            let mut messages = model.state().subscribe(command).into_iter();
            if let Some(confirmed) = messages.next() {
                peer.reply(command, &confirmed).await;
            }
            for message in messages {
                peer.send(&message).await;
            }
        }
        "unsubscribe_notifications" | "unsubscribe_clan_chat" | "unsubscribe" => {
            topics.remove(&topic_of(command));
            peer.reply(command, &answers::unsubscribed(command)).await;
        }
        "chat" | "publish" => {
            let (reply, entry) = model.state().publish(command);
            let entry = entry.filter(|_| topics.contains(&topic_of(command)));
            // The reply and the own entry come in either order.
            let is_reply_first = reply["offset"].as_u64().is_some_and(|offset| offset % 2 == 0);
            if is_reply_first {
                peer.reply(command, &reply).await;
            }
            if let Some(entry) = entry {
                peer.send(&entry).await;
            }
            if !is_reply_first {
                peer.reply(command, &reply).await;
            }
        }
        "notification_ack" => {
            let reply = answers::acknowledged(command);
            let ids = reply["notificationIds"].as_array().cloned().unwrap_or_default();
            model.state().waiting.retain(|_, id| !ids.contains(&json!(id)));
            peer.reply(command, &reply).await;
        }
        "chat_history" => {
            let head = model.state().head(&topic_of(command));
            let limit = command["limit"].as_u64().unwrap_or(1).min(head);
            peer.reply(command, &answers::history(&topic_of(command), head + 1 - limit..head + 1)).await;
        }
        "presence" => peer.reply(command, &answers::presence(&topic_of(command))).await,
        _ => peer.reply(command, &answers::error("unknown_type")).await,
    }
}

/// Carries out an order. Returns whether the connection has ended by it.
async fn carry_out(model: &Model, peer: &mut Peer, order: Order, topics: &BTreeSet<String>) -> bool {
    match order {
        Order::Append { topic, count } => {
            for _ in 0..count {
                let entry = model.state().append(&topic);
                if topics.contains(&topic) {
                    peer.send(&entry).await;
                }
            }
            false
        }
        Order::Notify(id) => {
            let offset = {
                let mut state = model.state();
                state.last_notification += 1;
                let offset = state.last_notification;
                state.waiting.insert(offset, id.clone());
                offset
            };
            peer.send(&answers::notification(&id, offset)).await;
            false
        }
        Order::Close { code, away, is_new_epoch } => {
            {
                let mut state = model.state();
                if is_new_epoch {
                    state.epoch += 1;
                    state.logs.clear();
                    state.stored.clear();
                }
                for topic in ["c", "o"] {
                    for _ in 0..away {
                        state.append(topic);
                    }
                }
            }
            peer.close(code).await;
            true
        }
    }
}
