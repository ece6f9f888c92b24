//! What a scenario works with: the adapter, the scripted gateway and the proxy between them.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    adapter::Adapter,
    failure::{Failure, Step, check, red, same},
    gateway::{Gateway, Peer, answers},
    lines::{Lines, short},
    mutants::Tampering,
    names::Names,
    proxy::{Cut, Direction, Fault, Proxy},
    tls::{Certificate, TlsGateway},
};

/// The world of one scenario.
pub(crate) struct World<'a> {
    adapter: &'a Adapter,
    names: Names,
    pub(crate) gateway: Gateway,
    pub(crate) proxy: Proxy,
    /// The seed of scenarios with random faults.
    pub(crate) seed: u64,
    limit: Duration,
    last: AtomicU64,
    /// The commands so far, without those that answer by themselves.
    commands: Mutex<Vec<Value>>,
    may_leave_items: AtomicBool,
    nudges: AtomicU64,
}

/// The first id of the commands that are no part of the log.
const FIRST_NUDGE: u64 = 2_000_000;

/// A command of the kit that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call(u64);

impl<'a> World<'a> {
    /// Makes the world of a scenario. `limit` is how long it waits for anything.
    pub(crate) async fn new(adapter: &'a Adapter, tampering: Tampering, seed: u64, limit: Duration) -> Step<Self> {
        let gateway = Gateway::start(limit).await?;
        let proxy = Proxy::start(gateway.address(), tampering.clone()).await?;
        adapter.tokens.answer_automatically(true);
        let names = adapter.next_names();
        adapter.lines.begin(names, tampering);
        Ok(Self {
            adapter,
            names,
            gateway,
            proxy,
            seed,
            limit,
            last: AtomicU64::new(0),
            commands: Mutex::default(),
            may_leave_items: AtomicBool::new(false),
            nudges: AtomicU64::new(0),
        })
    }

    pub(crate) fn lines(&self) -> &Lines {
        &self.adapter.lines
    }

    /// Returns the commands so far.
    pub(crate) fn commands(&self) -> Vec<Value> {
        self.recorded().clone()
    }

    /// Returns how long the scenario waits for anything.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Lets the scenario answer the questions for tokens itself.
    pub(crate) fn answer_tokens(&self) {
        self.adapter.tokens.answer_automatically(false);
    }

    /// Lets the scenario end with items that it has not judged.
    pub(crate) fn leave_items(&self) {
        self.may_leave_items.store(true, Ordering::Relaxed);
    }

    /// Begins a command: `fields` are all but `id` and `do`.
    pub(crate) async fn begin(&self, name: &str, fields: &Value) -> Step<Call> {
        if self.adapter.hello.skip.iter().any(|skipped| skipped == name) {
            return Err(Failure::Skipped(name.to_owned()));
        }
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut command = json!({"id": id, "do": name});
        answers::merge(&mut command, fields);
        self.recorded().push(command.clone());
        self.adapter.command(&self.names.global(command)).await?;
        Ok(Call(id))
    }

    /// Carries out a command, and returns its value.
    pub(crate) async fn run(&self, name: &str, fields: &Value) -> Step<Value> {
        let call = self.begin(name, fields).await?;
        self.value(call).await
    }

    /// Lets the app cancel a call. Its `done` has the code `canceled`.
    pub(crate) async fn cancel(&self, call: Call) -> Step {
        self.run("cancel", &json!({"of": call.0})).await?;
        let done = self.done(call).await?;
        same("the code of a cancelled call", &done["error"]["code"], &json!("canceled"))
    }

    /// Waits until a command has returned.
    pub(crate) async fn done(&self, call: Call) -> Step<Value> {
        let id = call.0;
        let what = format!("`done` of {}", self.shown(call));
        self.next(&what, |line| line["event"] == "done" && line["id"] == id).await
    }

    /// Waits until a command has succeeded, and returns its value.
    pub(crate) async fn value(&self, call: Call) -> Step<Value> {
        let done = self.done(call).await?;
        let error = done.get("error").filter(|error| !error.is_null());
        check(error.is_none(), || format!("{} fails: {}", self.shown(call), done["error"]))?;
        Ok(done["value"].clone())
    }

    /// Waits until a command has failed with this code and outcome, and returns the error.
    pub(crate) async fn fails(&self, call: Call, code: &str, outcome: &str) -> Step<Value> {
        let done = self.done(call).await?;
        let error = &done["error"];
        check(error["code"] == code && error["outcome"] == outcome, || {
            let instead = if error.is_null() { &done } else { error };
            format!("{} ends with {instead} instead of the error {code}, {outcome}", self.shown(call))
        })?;
        Ok(error.clone())
    }

    fn shown(&self, call: Call) -> String {
        let commands = self.recorded();
        let command = commands.iter().find(|command| command["id"] == call.0);
        command.map_or_else(String::new, |command| short(&command.to_string()))
    }

    /// Wakes a client. The command is no part of the log, because it depends on the time.
    pub(crate) async fn nudge(&self, client: &str) -> Step {
        let id = FIRST_NUDGE + self.nudges.fetch_add(1, Ordering::Relaxed);
        let command = json!({"id": id, "do": "wake", "client": client});
        self.adapter.command(&self.names.global(command)).await
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<Value>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first line that fits and is not judged yet.
    pub(crate) async fn next(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Step<Value> {
        self.lines().next(what, self.limit, fits).await
    }

    /// Waits for the next item of a stream.
    pub(crate) async fn item(&self, stream: &str) -> Step<Value> {
        let line = self.next(&format!("an item of the stream {stream}"), |line| is_of(line, stream)).await?;
        check(line["event"] == "item", || format!("the stream {stream} ends instead of giving an item: {line}"))?;
        Ok(line)
    }

    /// Waits for the next item of a stream, which has to be this one.
    pub(crate) async fn item_is(&self, stream: &str, expected: &Value) -> Step<Value> {
        let line = self.item(stream).await?;
        same(&format!("the item of {stream}"), &line["item"], expected)?;
        Ok(line)
    }

    /// Waits for chat messages of these offsets in a stream of a clan, each with its position.
    pub(crate) async fn chats(&self, stream: &str, clan: &str, offsets: impl IntoIterator<Item = u64>) -> Step {
        for offset in offsets {
            let line = self.item_is(stream, &answers::chat(clan, offset)).await?;
            let position = json!({"offset": offset, "epoch": answers::EPOCH});
            same(&format!("the position of {stream}"), &line["position"], &position)?;
        }
        Ok(())
    }

    /// Waits for a gap in a stream.
    pub(crate) async fn gap(&self, stream: &str, reason: &str, before: u64, after: (u64, &str)) -> Step {
        let after = json!({"offset": after.0, "epoch": after.1});
        let gap = json!({"type": "gap", "before": before, "after": after, "reason": reason});
        let line = self.item_is(stream, &gap).await?;
        same(&format!("the position of {stream} after a gap"), &line["position"], &after)
    }

    /// Waits for the end of a stream. Returns its error, or null.
    pub(crate) async fn end(&self, stream: &str) -> Step<Value> {
        let line = self.next(&format!("the end of the stream {stream}"), |line| is_of(line, stream)).await?;
        check(line["event"] == "end", || format!("the stream {stream} gives an item instead of its end: {line}"))?;
        Ok(line["error"].clone())
    }

    /// Waits until a client has this status, and skips earlier ones.
    pub(crate) async fn state(&self, client: &str, status: &str) -> Step<Value> {
        let is_state = |line: &Value| line["event"] == "state" && line["client"] == client;
        let what = format!("the status {status} of the client {client}");
        self.lines().next_after(&what, self.limit, is_state, |line| line["status"] == status).await
    }

    /// Waits until a client reports this number of pending notifications, and skips earlier ones.
    pub(crate) async fn pending(&self, client: &str, count: u64) -> Step {
        let fits = |line: &Value| line["event"] == "pending" && line["client"] == client;
        loop {
            let line = self.next(&format!("{count} pending notifications of {client}"), fits).await?;
            if line["count"] == count {
                return Ok(());
            }
        }
    }

    /// Waits for a question for a token, and returns its `ask`.
    pub(crate) async fn asked(&self, client: &str) -> Step<Value> {
        let fits = |line: &Value| line["event"] == "token" && line["client"] == client;
        Ok(self.next(&format!("a question of {client} for a token"), fits).await?["ask"].clone())
    }

    /// Checks that a client has not asked for another token.
    pub(crate) fn has_not_asked(&self, client: &str) -> Step {
        let asked = self.lines().take(|line| line["event"] == "token" && line["client"] == client);
        check(asked.is_none(), || format!("{client} asks for a token that it does not need"))
    }

    /// Answers a question with a token.
    pub(crate) async fn give(&self, ask: &Value, token: &str) -> Step {
        self.run("token", &json!({"ask": ask, "token": token})).await.map(drop)
    }

    /// Waits for a question for a token, and answers it.
    pub(crate) async fn provide(&self, client: &str, token: &str) -> Step {
        let ask = self.asked(client).await?;
        self.give(&ask, token).await
    }

    /// Answers a question for a token and accepts a connection, whichever comes first.
    pub(crate) async fn accept_with(&self, client: &str, token: &str) -> Step<Peer> {
        let ((), peer) = tokio::try_join!(self.provide(client, token), self.gateway.accept())?;
        Ok(peer)
    }

    /// Starts a gateway with TLS in front of the proxy.
    pub(crate) async fn tls(&self, shown: Certificate) -> Step<TlsGateway> {
        TlsGateway::start(self.proxy.address(), shown, &self.proxy.plan.tampering).await
    }

    /// Opens a client with a time limit of 20 s for calls.
    pub(crate) async fn open(&self, client: &str) -> Step {
        self.open_with(client, &json!({})).await
    }

    /// Opens a client with options.
    pub(crate) async fn open_with(&self, client: &str, options: &Value) -> Step {
        let mut fields = json!({"client": client, "url": self.proxy.url(), "timeoutMs": 20_000});
        answers::merge(&mut fields, options);
        self.run("open", &fields).await.map(drop)
    }

    /// Opens a client and connects it. Returns its connection.
    pub(crate) async fn connect(&self, client: &str) -> Step<Peer> {
        self.connect_with(client, &json!({}), &json!({})).await
    }

    /// Opens a client with options, and greets it with these fields of the greeting.
    pub(crate) async fn connect_with(&self, client: &str, options: &Value, greeting: &Value) -> Step<Peer> {
        self.open_with(client, options).await?;
        let connect = self.begin("connect", &json!({"client": client})).await?;
        let mut peer = self.gateway.accept().await?;
        peer.greet_with(greeting).await?;
        self.value(connect).await?;
        self.state(client, "online").await?;
        Ok(peer)
    }

    /// Accepts the next connection and greets it.
    pub(crate) async fn accept(&self) -> Step<Peer> {
        let mut peer = self.gateway.accept().await?;
        peer.greet().await?;
        Ok(peer)
    }

    /// Subscribes the client `a` to the clan `c`, as the stream `s`, at the head of the log.
    pub(crate) async fn subscribe(&self, peer: &mut Peer, stream: &str, clan: &str, head: u64) -> Step {
        let fields = json!({"client": "a", "stream": stream, "topic": {"clan": clan}});
        let subscribe = self.begin("subscribe", &fields).await?;
        let command = peer.expect("subscribe_clan_chat").await?;
        peer.reply(&command, &answers::confirmed(&command, head)).await;
        self.value(subscribe).await.map(drop)
    }

    /// Begins to send a text to a clan, as the client `a`.
    pub(crate) async fn send(&self, clan: &str, content: &str) -> Step<Call> {
        let fields = json!({"client": "a", "topic": {"clan": clan}, "data": {"content": content}});
        self.begin("send", &fields).await
    }

    /// Cuts the connection at a frame from now on.
    pub(crate) fn cut(&self, direction: Direction, frame: u32, cut: Cut) {
        self.proxy.plan.add(Fault { direction, frame, cut });
    }

    /// Checks what the scenario itself has not looked at.
    pub(crate) fn finish(&self) -> Step {
        for line in self.lines().left() {
            let is_item = line["event"] == "item" || line["event"] == "end";
            if is_item && !self.may_leave_items.load(Ordering::Relaxed) {
                return Err(red(format_args!(
                    "the client gives something that no scenario has sent: {}",
                    short(&line.to_string())
                )));
            }
            if line["event"] == "done" && line["id"].as_u64().is_some_and(|id| id <= self.last.load(Ordering::Relaxed))
            {
                let lines = self.lines().all();
                let count = lines.iter().filter(|other| other["event"] == "done" && other["id"] == line["id"]).count();
                check(count == 1, || format!("a command has {count} results: {line}"))?;
            }
        }
        Ok(())
    }
}

fn is_of(line: &Value, stream: &str) -> bool {
    (line["event"] == "item" || line["event"] == "end") && line["stream"] == stream
}
