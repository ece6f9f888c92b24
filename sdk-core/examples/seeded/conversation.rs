//! Random conversations with the core: an app, a gateway and a network that do anything, from a seed.

use std::collections::VecDeque;

use realtime_gateway_sdk_core::client::Client;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The number of calls after which another client begins.
const CONVERSATION: usize = 500;
/// The messages of the protocol's vectors.
const FROM_SERVER: &str = include_str!("../../../protocol/vectors/server/accepted.json");
const FROM_CLIENT: &str = include_str!("../../../protocol/vectors/client/accepted.json");

/// One call of the core.
pub(crate) enum Call {
    /// Opens the next client, with this configuration.
    Open(Value),
    /// Gives it a message at a time.
    Handle(u64, String),
    /// Takes an item of a stream.
    Take(u64),
}

/// The digest of outputs: SHA-256 over each output, LF, the deadline (-1 for never) and LF.
#[derive(Default)]
pub(crate) struct Outputs(Sha256);

impl Outputs {
    /// Adds the output of a call, and the deadline after it.
    pub(crate) fn add(&mut self, output: &str, deadline: Option<u64>) {
        let deadline = deadline.map_or("-1".to_owned(), |at| at.to_string());
        self.0.update(format!("{output}\n{deadline}\n"));
    }

    /// Returns the digest in hexadecimal digits.
    pub(crate) fn digest(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Returns conversations with this number of inputs and takes, and adds the crate's outputs.
pub(crate) fn conversations(seed: u64, count: u64, outputs: &mut Outputs) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut random = Random(seed);
    for begun in (0..count).step_by(CONVERSATION) {
        let mut conversation = Conversation::new(&mut random, &mut calls, outputs);
        for _ in begun..count.min(begun + CONVERSATION as u64) {
            conversation.step();
        }
    }
    calls
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("a small number")].clone()
    }
}

/// What the core has asked for.
enum Duty {
    Connect(u64),
    Token,
    Reply(u64, Value),
}

struct Conversation<'a> {
    random: &'a mut Random,
    calls: &'a mut Vec<Call>,
    outputs: &'a mut Outputs,
    client: Client,
    from_server: Vec<Value>,
    from_client: Vec<Value>,
    now: u64,
    duties: VecDeque<Duty>,
    connection: u64,
    /// The offset of the newest entry of any topic.
    head: u64,
    /// Streams that have had an item.
    ready: VecDeque<u64>,
    /// The last numbers of calls and streams.
    numbers: (u64, u64),
}

impl<'a> Conversation<'a> {
    fn new(random: &'a mut Random, calls: &'a mut Vec<Call>, outputs: &'a mut Outputs) -> Self {
        let messages = |text: &str| {
            let vectors: Vec<Value> = serde_json::from_str(text).expect("the vectors are JSON");
            vectors.into_iter().filter_map(|mut vector| vector.get_mut("message").map(Value::take)).collect()
        };
        let seed: Vec<_> = (0..4).map(|_| random.below(1 << 32)).collect();
        let mut config = json!({ "seed": seed, "name": "seeded", "version": "1.0.0" });
        if random.one_in(2) {
            config["reconnect"] = json!([random.below(2_000), random.below(60_000)]);
        }
        let client = Client::open(&config.to_string()).expect("the configuration is valid");
        calls.push(Call::Open(config));
        let (from_server, from_client) = (messages(FROM_SERVER), messages(FROM_CLIENT));
        let duties = VecDeque::new();
        Self {
            random,
            calls,
            outputs,
            client,
            from_server,
            from_client,
            now: 0,
            duties,
            connection: 0,
            head: 5,
            ready: VecDeque::new(),
            numbers: (0, 0),
        }
    }

    fn step(&mut self) {
        self.now += self.random.below(60);
        match self.random.below(100) {
            0..45 => self.carry_out(),
            45..62 => self.request(),
            62..76 => self.push(),
            76..91 => self.take(),
            91..94 => {
                // Mostly at the deadline, which may be far ahead.
                let ahead = self.client.deadline().filter(|_| !self.random.one_in(5));
                self.now = ahead.unwrap_or(self.now).max(self.now);
                self.handle(json!({ "type": "tick" }), "");
            }
            94 => {
                let code = self.random.of(&[1000, 1001, 1005, 1006, 1011, 1013, 4401, 4403, 4409, 4429, 4508, 9999]);
                self.handle(json!({ "type": "closed", "connection": self.connection, "code": code }), "");
            }
            95 | 96 => self.handle(json!({ "type": "activity", "connection": self.connection }), ""),
            97 => self.handle(json!({ "type": "woken" }), ""),
            _ => {
                let kind = self.random.of(&["connect", "resume"]);
                self.handle(json!({ "type": kind }), "");
            }
        }
    }

    fn handle(&mut self, mut head: Value, body: &str) {
        if !body.is_empty() {
            head["body"] = json!(body.len());
        }
        let input = format!("{head}\n{body}");
        let output = self.client.handle(self.now, &input).expect("the input is a message");
        self.outputs.add(&output, self.client.deadline());
        self.calls.push(Call::Handle(self.now, input));
        let mut rest = output.as_str();
        while let Some((head, after)) = rest.split_once('\n') {
            let head: Value = serde_json::from_str(head).expect("a head is JSON");
            let length = usize::try_from(head["body"].as_u64().unwrap_or(0)).expect("a small number");
            let (body, next) = after.split_at(length);
            rest = next;
            let connection = head["connection"].as_u64().unwrap_or(0);
            match head["type"].as_str() {
                Some("open") => self.duties.push_back(Duty::Connect(connection)),
                Some("ready") => self.ready.extend(head["stream"].as_u64()),
                Some("request_token") => self.duties.push_back(Duty::Token),
                Some("send") => {
                    let command = serde_json::from_str(body).expect("a frame is JSON");
                    self.duties.push_back(Duty::Reply(connection, command));
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, connection: u64, message: &Value) {
        let mut text = message.to_string();
        if self.random.one_in(40) {
            // One character is another, which may leave no JSON.
            let at = usize::try_from(self.random.below(text.chars().count() as u64)).expect("a small number");
            let other = self.random.of(&['"', '}', '0', 'é', '\u{1f43a}', '\n', '\\']);
            text = text.chars().enumerate().map(|(index, old)| if index == at { other } else { old }).collect();
        }
        self.handle(json!({ "type": "frame", "connection": connection }), &text);
    }

    /// Carries out something that the core has asked for.
    fn carry_out(&mut self) {
        match self.duties.pop_front() {
            None => self.push(),
            Some(Duty::Connect(connection)) => {
                self.connection = connection;
                if self.random.one_in(7) {
                    let (status, after) =
                        (self.random.of(&[0, 403, 429, 502, 503]), self.random.of(&["", "2", "soon"]));
                    let failed = json!({
                        "type": "open_failed", "connection": connection, "message": "refused", "status": status,
                        "retryAfter": after,
                    });
                    return self.handle(failed, "");
                }
                self.handle(json!({ "type": "opened", "connection": connection }), "");
            }
            Some(Duty::Token) => match self.random.below(12) {
                0 => self.handle(json!({ "type": "token_failed", "message": "no token" }), ""),
                1 if self.random.one_in(4) => {
                    self.handle(json!({ "type": "token_failed", "message": "out", "signedOut": true }), "");
                }
                _ => self.handle(json!({ "type": "token", "token": format!("t{}", self.now) }), ""),
            },
            Some(Duty::Reply(connection, command)) => match self.random.below(12) {
                // No reply: the app takes an item instead.
                0 => self.take(),
                1 => {
                    let code =
                        self.random.of(&["rate_limited", "forbidden", "unavailable", "token_expired", "internal"]);
                    let mut error = json!({ "type": "error", "code": code, "message": "refused" });
                    error["requestId"] = command["requestId"].clone();
                    if self.random.one_in(2) {
                        error["retryAfterMs"] = json!(self.random.below(5_000));
                    }
                    self.frame(connection, &error);
                }
                _ => {
                    let reply = self.reply(&command);
                    self.frame(connection, &reply);
                }
            },
        }
    }

    /// Returns a reply to a command: a vector of the right type, with the fields of the command.
    fn reply(&mut self, command: &Value) -> Value {
        let command_type = command["type"].as_str().unwrap_or_default();
        let wanted = match command_type {
            "authenticate" if self.random.one_in(20) => "authenticated",
            "authenticate" => "connected",
            "chat" | "publish" => "message_sent",
            "notification_ack" => "ack_confirmed",
            "call" => "call_result",
            "ping" => "pong",
            _ if command_type.contains("subscribe") => "subscription_confirmed",
            other => other,
        };
        let choices: Vec<_> = self.from_server.iter().filter(|message| message["type"] == wanted).cloned().collect();
        if choices.is_empty() {
            return json!({ "type": "a_later_type", "requestId": command["requestId"] });
        }
        let mut reply = self.random.of(&choices);
        for field in ["requestId", "clanId", "service", "topic", "clientMessageId", "notificationIds"] {
            if command.get(field).is_some() {
                reply[field] = command[field].clone();
            }
        }
        if wanted == "subscription_confirmed" {
            let service = if command.get("clanId").is_some() { "clan_chat" } else { "notifications" };
            reply["service"] = command.get("service").cloned().unwrap_or(json!(service));
            reply["status"] = json!(if command_type.starts_with("un") { "unsubscribed" } else { "subscribed" });
            reply["offset"] = json!(self.head);
            reply["epoch"] = json!(if self.random.one_in(10) { "e2" } else { "e1" });
            reply["recovered"] = json!(command.get("recover").is_some());
        }
        if reply.get("offset").is_some() && wanted == "message_sent" {
            self.head += 1;
            reply["offset"] = json!(self.head);
        }
        reply
    }

    /// Sends a message of the gateway's own accord: a vector of any type, on a topic that the app may have.
    fn push(&mut self) {
        const ENTRIES: [&str; 3] = ["chat", "event", "notification"];
        let only_entries = !self.random.one_in(3);
        let is_wanted = |message: &&Value| !only_entries || ENTRIES.iter().any(|wanted| message["type"] == *wanted);
        let choices: Vec<_> = self.from_server.iter().filter(is_wanted).cloned().collect();
        let mut message = self.random.of(&choices);
        if message.get("clanId").is_some() {
            message["clanId"] = json!(self.random.of(&["c1", "c2"]));
        }
        if message.get("topic").is_some() {
            message["topic"] = json!(self.random.of(&["o1", "o2"]));
            message["service"] = json!("orders");
        }
        for field in ["id", "messageId"] {
            if message.get(field).is_some() {
                message[field] = json!(format!("m{}", self.random.below(200)));
            }
        }
        if message.get("offset").is_some() {
            self.head += self.random.of(&[0, 1, 1, 1, 1, 3]);
            message["offset"] = json!(self.head);
        }
        self.frame(self.connection, &message);
    }

    fn take(&mut self) {
        let stream = self.ready.pop_front().unwrap_or_else(|| self.random.below(self.numbers.1 + 2));
        let item = self.client.take(stream);
        self.outputs.add(&item, self.client.deadline());
        self.calls.push(Call::Take(stream));
    }

    /// Makes a request of the app.
    fn request(&mut self) {
        let (clan, topic) = (self.random.of(&["c1", "c2"]), self.random.of(&["o1", "o2"]));
        let timeout = self.random.of(&[None, None, Some(50), Some(5_000)]);
        match self.random.below(10) {
            0..3 => {
                self.numbers.1 += 1;
                let (command, fields) = self.random.of(&[
                    ("subscribe_clan_chat", json!({ "clanId": clan })),
                    ("subscribe_clan_chat", json!({ "clanId": clan, "history": 3, "presence": true })),
                    ("subscribe_notifications", json!({})),
                    ("subscribe", json!({ "service": "orders", "topic": topic })),
                    ("server_subscriptions", json!({})),
                    ("subscribe_clan_chat", json!({ "clanId": "" })),
                ]);
                let buffer = self.random.of(&[1, 3, 1_000, 1_u64 << 40]);
                let mut head =
                    json!({ "type": "subscribe", "stream": self.numbers.1, "command": command, "buffer": buffer });
                if self.random.one_in(4) {
                    head["position"] = json!({ "offset": self.head, "epoch": "e1" });
                }
                self.handle(with_timeout(head, timeout), &fields.to_string());
            }
            3..5 => {
                let stream = self.random.below(self.numbers.1 + 2);
                self.handle(json!({ "type": "leave", "stream": stream }), "");
            }
            5..9 => {
                let id = format!("m{}", self.random.below(200));
                let (command, fields) = self.random.of(&[
                    ("chat", json!({ "clanId": clan, "content": "hello \u{1f43a}" })),
                    ("publish", json!({ "service": "orders", "topic": topic, "event": "note", "data": { "n": 1.5 } })),
                    ("chat_history", json!({ "clanId": clan, "limit": 5 })),
                    ("topic_history", json!({ "service": "orders", "topic": topic })),
                    ("presence", json!({ "clanId": clan })),
                    ("typing", json!({ "clanId": clan, "isTyping": true })),
                    ("notification_ack", json!({ "notificationIds": [id, "m2"] })),
                    ("chat", json!({ "clanId": clan, "content": " " })),
                ]);
                self.call("call", command, timeout, &fields);
            }
            _ => {
                let mut fields = self.random.of(&self.from_client);
                let command = fields["type"].as_str().unwrap_or_default().to_owned();
                if let Some(members) = fields.as_object_mut() {
                    members.remove("type");
                    members.remove("requestId");
                }
                self.call("request", &command, timeout, &fields);
            }
        }
    }

    fn call(&mut self, kind: &str, command: &str, timeout: Option<u64>, fields: &Value) {
        self.numbers.0 += 1;
        let mut head = json!({ "type": kind, "call": self.numbers.0, "command": command });
        if self.random.one_in(20) {
            head["doubtful"] = json!(true);
        }
        self.handle(with_timeout(head, timeout), &fields.to_string());
    }
}

fn with_timeout(mut head: Value, timeout: Option<u64>) -> Value {
    if let Some(timeout) = timeout {
        head["timeoutMs"] = json!(timeout);
    }
    head
}
