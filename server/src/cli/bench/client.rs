//! One client of a bench.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use realtime_gateway_protocol::Limits;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{
    Plan,
    endpoint::Endpoint,
    offsets::Offsets,
    run::Run,
    socket::{Disconnected, Socket},
};
use crate::cli::printable;

/// How long confirmations and deliveries are waited for after the last message.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that is connected and subscribed to its clan.
pub(super) struct BenchClient {
    socket: Socket,
    number: usize,
    clan: usize,
    /// The newest offset of the clan when the client subscribed.
    head: u64,
    /// What the gateway allows this client.
    pub(super) allowed: Allowed,
}

/// What the gateway allows a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// The sustained rate of messages per second.
    pub(super) messages_per_second: u32,
    /// The maximum size of a message, in bytes.
    pub(super) max_message_bytes: u64,
}

/// What a client has seen.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) confirmed: u64,
    /// The deliveries that should have come, up to the newest confirmed message of the clan.
    pub(super) expected: u64,
    pub(super) lost: u64,
    pub(super) offsets: Offsets,
    /// Errors of the gateway, by their codes.
    pub(super) errors: BTreeMap<String, u64>,
    /// Why the connection ended, if it did.
    pub(super) ended: Option<String>,
}

/// The fields of a message that a bench needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    request_id: Option<String>,
    offset: Option<u64>,
    content: Option<String>,
    code: Option<String>,
    message: Option<String>,
    limits: Option<Limits>,
    max_message_bytes: Option<u64>,
}

/// A client while it runs.
struct Running {
    socket: Socket,
    run: Arc<Run>,
    number: usize,
    clan: usize,
    offsets: Offsets,
    /// When messages were sent that are not confirmed, by their number.
    unconfirmed: HashMap<u64, Instant>,
    /// The newest confirmed offset.
    confirmed_head: u64,
    sent: u64,
    confirmed: u64,
    errors: BTreeMap<String, u64>,
}

impl BenchClient {
    /// Connects, and subscribes to the clan.
    ///
    /// # Errors
    /// A sentence when the gateway refuses.
    pub(super) async fn open(endpoint: &Endpoint, token: &str, number: usize, plan: &Plan) -> anyhow::Result<Self> {
        let mut socket = endpoint.connect(token).await?;
        let connected = reply(&mut socket, "connected").await?;
        let limits = connected.limits.context("`connected` has no limits")?;
        let max_message_bytes = connected.max_message_bytes.context("`connected` has no maxMessageBytes")?;
        let allowed = Allowed { messages_per_second: limits.messages_per_second, max_message_bytes };
        let clan = plan.clan_of(number);
        let subscribe = json!({ "type": "subscribe_clan_chat", "clanId": plan.clan_id(clan), "requestId": "s" });
        socket.send(subscribe.to_string()).await?;
        let confirmed = reply(&mut socket, "subscription_confirmed").await?;
        let head = confirmed.offset.context("`subscription_confirmed` has no offset")?;
        Ok(Self { socket, number, clan, head, allowed })
    }

    /// Sends and receives until the bench ends.
    pub(super) async fn run(self, run: Arc<Run>) -> Outcome {
        let Self { socket, number, clan, head, .. } = self;
        let mut running = Running {
            socket,
            number,
            clan,
            offsets: Offsets::after(head),
            unconfirmed: HashMap::new(),
            confirmed_head: head,
            sent: 0,
            confirmed: 0,
            errors: BTreeMap::new(),
            run: run.clone(),
        };
        let is_publisher = number < run.plan.publishers();
        let mut ended = running.send(is_publisher).await.err();
        if is_publisher {
            // Also after the end of the connection: the others wait for this.
            run.settle(clan, running.confirmed_head);
        }
        if ended.is_none() {
            ended = running.receive_rest().await.err();
        }
        let target = run.head(clan);
        let lost = running.offsets.lost(target);
        let Running { sent, confirmed, offsets, errors, .. } = running;
        let expected = target.saturating_sub(head);
        Outcome { sent, confirmed, expected, lost, offsets, errors, ended: ended.map(|Disconnected(reason)| reason) }
    }
}

/// Waits for a message of this type.
async fn reply(socket: &mut Socket, kind: &str) -> anyhow::Result<Frame<'static>> {
    loop {
        let text = socket.next().await?;
        let frame: Frame<'_> =
            serde_json::from_str(&text).context("the gateway has sent no message of the protocol")?;
        if frame.kind == kind {
            return Ok(Frame { kind: Cow::Owned(frame.kind.into_owned()), ..frame });
        }
        if frame.kind == "error" {
            bail!("the gateway refuses: {}", printable(frame.message.as_deref().unwrap_or("no reason given")));
        }
    }
}

impl Running {
    /// Receives for the duration of the bench and, if this is a publisher, sends and waits for the confirmations.
    async fn send(&mut self, is_publisher: bool) -> Result<(), Disconnected> {
        let plan = &self.run.plan;
        let (began, duration, every) = (self.run.began, plan.duration, plan.interval());
        // Publishers begin one after the other.
        let share = every.mul_f64(self.number as f64 / plan.publishers() as f64);
        let mut ticks = interval_at(began + if is_publisher { share } else { duration }, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (end, last) = (began + duration, began + duration + PATIENCE);
        loop {
            let is_over = Instant::now() >= end;
            let is_sending = is_publisher && !is_over;
            if is_over && self.unconfirmed.is_empty() {
                return Ok(());
            }
            tokio::select! {
                text = self.socket.next() => self.note(&text?)?,
                _ = ticks.tick(), if is_sending => self.send_message().await?,
                () = sleep_until(end), if !is_over => {}
                () = sleep_until(last), if is_over => return Ok(()),
            }
        }
    }

    /// Waits until every confirmed message of the clan has come, at most [`PATIENCE`] after the last confirmation.
    async fn receive_rest(&mut self) -> Result<(), Disconnected> {
        let (mut settled, publishers) = (self.run.settled(), self.run.plan.publishers());
        // Publishers settle by then, unless one has panicked.
        let mut until = self.run.began + self.run.plan.duration + 2 * PATIENCE;
        let mut all_settled = false;
        loop {
            if !all_settled && *settled.borrow_and_update() >= publishers {
                (all_settled, until) = (true, Instant::now() + PATIENCE);
            }
            if all_settled && self.offsets.is_complete(self.run.head(self.clan)) {
                return Ok(());
            }
            tokio::select! {
                text = self.socket.next() => self.note(&text?)?,
                _ = settled.changed(), if !all_settled => {}
                () = sleep_until(until) => return Ok(()),
            }
        }
    }

    async fn send_message(&mut self) -> Result<(), Disconnected> {
        let (run, number) = (&self.run, self.sent);
        let mut content = format!("{} {} ", run.id, run.began.elapsed().as_micros());
        content.extend(std::iter::repeat_n('x', run.plan.size.saturating_sub(content.len())));
        let clan = run.plan.clan_id(self.clan);
        let chat = json!({ "type": "chat", "clanId": clan, "content": content, "requestId": number.to_string() });
        self.unconfirmed.insert(number, Instant::now());
        self.sent += 1;
        self.socket.send(chat.to_string()).await
    }

    fn note(&mut self, text: &str) -> Result<(), Disconnected> {
        let frame: Frame<'_> =
            serde_json::from_str(text).map_err(|_| Disconnected("the gateway has sent what is no message".into()))?;
        match (&*frame.kind, frame.offset) {
            ("chat", Some(offset)) => {
                self.offsets.note(offset);
                if let Some(sent) = frame.content.as_deref().and_then(|content| self.time_of(content)) {
                    self.run.deliveries.record(self.run.began.elapsed().saturating_sub(sent));
                }
            }
            ("message_sent", Some(offset)) => {
                if let Some(sent) = self.take_unconfirmed(frame.request_id.as_deref()) {
                    self.run.confirmations.record(sent.elapsed());
                    self.confirmed += 1;
                    self.confirmed_head = self.confirmed_head.max(offset);
                }
            }
            ("error", _) => {
                self.take_unconfirmed(frame.request_id.as_deref());
                *self.errors.entry(frame.code.unwrap_or_default()).or_default() += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns when a message of this run was sent, since the run began.
    fn time_of(&self, content: &str) -> Option<Duration> {
        let rest = content.strip_prefix(&self.run.id)?.strip_prefix(' ')?;
        let (micros, _) = rest.split_once(' ')?;
        micros.parse().ok().map(Duration::from_micros)
    }

    fn take_unconfirmed(&mut self, request_id: Option<&str>) -> Option<Instant> {
        let number = request_id?.parse().ok()?;
        self.unconfirmed.remove(&number)
    }
}
