//! A small gateway in memory, pure and exact: what the machine is held against.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use realtime_gateway_sdk::machine::Attempt;
use realtime_gateway_sdk::protocol::*;

pub(crate) const LIMITS: Limits = Limits { messages_per_second: 20, burst: 10, subscriptions: 20 };
pub(crate) const HEARTBEAT: u64 = 25_000;
pub(crate) const TOKEN_LIFE: u64 = 60_000;
const GRACE: u64 = 10_000;

/// What the gateway does to a connection.
pub(crate) enum Out {
    Frame(String),
    Close(u16),
}

/// How the next command is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refuse {
    RateLimited,
    /// It says that it does not know; whether it did it anyway.
    Unavailable(bool),
    Forbidden,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) entries: BTreeMap<u64, Chat>,
    pub(crate) head: u64,
    trimmed: u64,
    names: BTreeMap<String, (MessageId, u64)>,
}

#[derive(Default)]
struct Session {
    attempt: u64,
    live: bool,
    expires: u64,
    warned: bool,
    clans: BTreeSet<String>,
    notifications: bool,
}

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) now: u64,
    pub(crate) epoch: u32,
    pub(crate) clans: BTreeMap<String, Log>,
    pub(crate) pending: BTreeMap<u64, Notification>,
    pub(crate) refusals: VecDeque<Refuse>,
    pub(crate) out: Vec<(Attempt, Out)>,
    pub(crate) authenticated: u64,
    sessions: BTreeMap<Attempt, Session>,
    ids: u64,
}

impl Server {
    fn id(&mut self) -> String {
        self.ids += 1;
        format!("m{}", self.ids)
    }

    fn epoch_name(&self) -> String {
        format!("e{}", self.epoch)
    }

    fn say(&mut self, to: Attempt, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        let text = encode_server(&Envelope { request_id, message: message.into() });
        self.out.push((to, Out::Frame(text)));
    }

    pub(crate) fn opened(&mut self, attempt: Attempt) {
        self.sessions.insert(attempt, Session::default());
    }

    pub(crate) fn gone(&mut self, attempt: Attempt) {
        self.sessions.remove(&attempt);
    }

    pub(crate) fn close(&mut self, attempt: Attempt, code: u16) {
        if self.sessions.remove(&attempt).is_some() {
            self.out.push((attempt, Out::Close(code)));
        }
    }

    pub(crate) fn subscribed(&self, clan: &str) -> bool {
        self.sessions.values().any(|session| session.clans.contains(clan))
    }

    /// Refuses an identity beside a session that is live.
    pub(crate) fn refuse_session(&mut self, attempt: Attempt, retry_after_ms: u64) {
        let mut error = refusal(ErrorCode::SessionLimit, Some("authenticate"));
        error.retry_after_ms = Some(retry_after_ms);
        self.say(attempt, None, error);
        self.close(attempt, 4423);
    }

    pub(crate) fn live(&self) -> Vec<Attempt> {
        self.sessions.iter().filter(|(_, session)| session.live).map(|(attempt, _)| *attempt).collect()
    }

    /// Tokens run out.
    pub(crate) fn tick(&mut self, now: u64) {
        self.now = now;
        for attempt in self.live() {
            let session = self.sessions.get_mut(&attempt).unwrap();
            if now >= session.expires + GRACE {
                self.close(attempt, 4401);
            } else if now >= session.expires && !session.warned {
                session.warned = true;
                self.say(attempt, None, refusal(ErrorCode::TokenExpired, None));
            }
        }
    }

    /// Somebody else says something.
    pub(crate) fn append(&mut self, clan: &str, content: &str, name: Option<&ClientMessageId>) -> (MessageId, u64) {
        let id = MessageId::new(self.id()).unwrap();
        let log = self.clans.entry(clan.to_owned()).or_default();
        log.head += 1;
        let chat = Chat {
            user_id: UserId::new("u").unwrap(),
            content: ChatContent::new(content).unwrap(),
            clan_id: ClanId::new(clan).unwrap(),
            message_id: id.clone(),
            message_type: MessageType::Text,
            data: None,
            sent_at: Timestamp::from_millis(self.now),
            offset: log.head,
            client_message_id: name.cloned(),
        };
        let offset = log.head;
        log.entries.insert(offset, chat.clone());
        if let Some(name) = name {
            log.names.insert(name.to_string(), (id.clone(), offset));
        }
        for to in self.live() {
            if self.sessions[&to].clans.contains(clan) {
                // A later version says some things in words that this SDK does not know.
                if offset % 7 == 0 {
                    let text = format!(r#"{{"type":"chat_sung","clanId":"{clan}","offset":{offset}}}"#);
                    self.out.push((to, Out::Frame(text)));
                } else {
                    self.say(to, None, chat.clone());
                }
            }
        }
        (id, offset)
    }

    /// Says something old once more, where it should not.
    pub(crate) fn repeat(&mut self, clan: &str, back: u64) {
        let Some(log) = self.clans.get(clan) else { return };
        let Some(chat) = log.entries.get(&log.head.saturating_sub(back)).cloned() else { return };
        for to in self.live() {
            if self.sessions[&to].clans.contains(clan) {
                self.say(to, None, chat.clone());
            }
        }
    }

    pub(crate) fn trim(&mut self, clan: &str, keep: u64) {
        if let Some(log) = self.clans.get_mut(clan) {
            log.trimmed = log.trimmed.max(log.head.saturating_sub(keep));
            let trimmed = log.trimmed;
            log.entries.retain(|offset, _| *offset > trimmed);
        }
    }

    /// The store is restored from a backup: the last entries are gone, and the epoch is new.
    pub(crate) fn new_epoch(&mut self, lose: u64) {
        self.epoch += 1;
        for log in self.clans.values_mut() {
            log.head = log.head.saturating_sub(lose).max(log.trimmed);
            let head = log.head;
            log.entries.retain(|offset, _| *offset <= head);
            log.names.retain(|_, (_, offset)| *offset <= head);
        }
        for to in self.live() {
            for clan in self.sessions[&to].clans.clone() {
                let reset = SubscriptionReset {
                    service: ServiceName::clan_chat(),
                    clan_id: Some(ClanId::new(&clan).unwrap()),
                    topic: None,
                    epoch: self.epoch_name(),
                    offset: self.clans.entry(clan).or_default().head,
                    reason: ResetReason::EpochChanged,
                };
                self.say(to, None, reset);
            }
        }
    }

    pub(crate) fn notify(&mut self) {
        self.ids += 1;
        let notification = Notification {
            id: NotificationId::new(format!("n{}", self.ids)).unwrap(),
            title: "t".into(),
            message: "m".into(),
            data: None,
            created_at: Timestamp::from_millis(self.now),
            offset: self.ids,
            redelivered: None,
        };
        self.pending.insert(self.ids, notification.clone());
        for to in self.live() {
            if self.sessions[&to].notifications {
                self.say(to, None, notification.clone());
            }
        }
    }

    pub(crate) fn hint(&mut self) {
        for to in self.live() {
            self.say(to, None, ReconnectHint { reason: ReconnectReason::Draining, after_ms: 20_000 });
        }
    }

    pub(crate) fn receive(&mut self, from: Attempt, text: &str) {
        if !self.sessions.contains_key(&from) {
            return;
        }
        let Envelope { request_id, message } = decode_client(text).expect("the machine says what the protocol allows");
        let word = message.type_name();
        if let ClientMessage::Authenticate(authenticate) = message {
            return self.authenticate(from, request_id, &authenticate);
        }
        let session = &self.sessions[&from];
        if matches!(message, ClientMessage::Ping(_)) {
            return self.say(from, request_id, Pong { timestamp: Timestamp::from_millis(self.now) });
        }
        assert!(session.live, "nothing but authenticate and ping goes before the identity");
        if self.now >= session.expires {
            return self.say(from, request_id, refusal(ErrorCode::TokenExpired, Some(word)));
        }
        let refused = match message {
            ClientMessage::UnsubscribeClanChat(_) | ClientMessage::UnsubscribeNotifications(_) => None,
            _ => self.refusals.pop_front(),
        };
        match refused {
            // Only a message may be refused for good here: what else is refused so ends, which is a story of its own.
            Some(Refuse::Forbidden) if word == "chat" => {
                return self.say(from, request_id, refusal(ErrorCode::Forbidden, Some(word)));
            }
            None | Some(Refuse::Forbidden) => {}
            Some(Refuse::RateLimited) => {
                let mut error = refusal(ErrorCode::RateLimited, Some(word));
                error.retry_after_ms = Some(700);
                return self.say(from, request_id, error);
            }
            Some(Refuse::Unavailable(done)) => {
                if done && let ClientMessage::SendChat(chat) = &message {
                    self.chat(chat);
                }
                return self.say(from, request_id, refusal(ErrorCode::Unavailable, Some(word)));
            }
        }
        self.obey(from, request_id, message);
    }

    fn obey(&mut self, from: Attempt, request_id: Option<RequestId>, message: ClientMessage) {
        match message {
            ClientMessage::SendChat(chat) => {
                let sent = self.chat(&chat);
                self.say(from, request_id, sent);
            }
            ClientMessage::SubscribeClanChat(ask) => self.subscribe(from, request_id, ask),
            ClientMessage::UnsubscribeClanChat(ask) => {
                self.sessions.get_mut(&from).unwrap().clans.remove(ask.clan_id.as_str());
                let mut confirmed = self.confirmation(ServiceName::clan_chat());
                (confirmed.status, confirmed.clan_id) = (SubscriptionStatus::Unsubscribed, Some(ask.clan_id));
                self.say(from, request_id, confirmed);
            }
            ClientMessage::SubscribeNotifications(_) => {
                self.sessions.get_mut(&from).unwrap().notifications = true;
                let mut confirmed = self.confirmation(ServiceName::notifications());
                (confirmed.offset, confirmed.epoch) = (Some(self.ids), Some(self.epoch_name()));
                (confirmed.recovered, confirmed.pending) = (Some(true), Some(self.pending.len() as u64));
                self.say(from, request_id, confirmed);
                for notification in self.pending.clone().into_values() {
                    self.say(from, None, notification);
                }
            }
            ClientMessage::UnsubscribeNotifications(_) => {
                self.sessions.get_mut(&from).unwrap().notifications = false;
                let mut confirmed = self.confirmation(ServiceName::notifications());
                confirmed.status = SubscriptionStatus::Unsubscribed;
                self.say(from, request_id, confirmed);
            }
            ClientMessage::NotificationAck(ack) => {
                let ids: Vec<_> = ack.notification_ids.into_iter().flatten().chain(ack.notification_id).collect();
                self.pending.retain(|_, notification| !ids.contains(&notification.id));
                self.say(from, request_id, AckConfirmed { notification_ids: ids });
            }
            other => panic!("the model does not know {}", other.type_name()),
        }
    }

    fn chat(&mut self, chat: &SendChat) -> MessageSent {
        let name = chat.client_message_id.as_ref().expect("the machine names every message");
        let log = self.clans.entry(chat.clan_id.to_string()).or_default();
        let before = log.names.get(name.as_str()).cloned();
        let duplicate = before.is_some().then_some(true);
        let (message_id, offset) =
            before.unwrap_or_else(|| self.append(chat.clan_id.as_str(), chat.content.as_str(), Some(name)));
        MessageSent {
            message_id,
            clan_id: Some(chat.clan_id.clone()),
            service: None,
            topic: None,
            offset,
            client_message_id: Some(name.clone()),
            duplicate,
        }
    }

    fn confirmation(&self, service: ServiceName) -> SubscriptionConfirmed {
        SubscriptionConfirmed {
            service,
            status: SubscriptionStatus::Subscribed,
            clan_id: None,
            topic: None,
            offset: None,
            epoch: None,
            recovered: None,
            pending: None,
        }
    }

    fn subscribe(&mut self, from: Attempt, request_id: Option<RequestId>, ask: SubscribeClanChat) {
        let clan = ask.clan_id.to_string();
        let epoch = self.epoch_name();
        self.sessions.get_mut(&from).unwrap().clans.insert(clan.clone());
        let log = self.clans.entry(clan).or_default();
        let (head, trimmed) = (log.head, log.trimmed);
        let start = ask.recover.filter(|at| at.epoch == epoch && at.offset >= trimmed && at.offset <= head);
        let after = match (&start, ask.history) {
            (Some(start), _) => start.offset,
            (None, Some(history)) => head.saturating_sub(u64::from(history)),
            (None, None) => head,
        };
        let entries: Vec<_> = log.entries.range(after + 1..).map(|(_, chat)| chat.clone()).collect();
        let mut confirmed = self.confirmation(ServiceName::clan_chat());
        (confirmed.clan_id, confirmed.offset) = (Some(ask.clan_id), Some(head));
        (confirmed.epoch, confirmed.recovered) = (Some(epoch), Some(start.is_some()));
        self.say(from, request_id, confirmed);
        for chat in entries {
            self.say(from, None, chat);
        }
    }

    fn authenticate(&mut self, from: Attempt, request_id: Option<RequestId>, ask: &Authenticate) {
        let expires: u64 = ask.token.parse().expect("a token of this model is its end");
        if expires <= self.now {
            self.say(from, request_id, refusal(ErrorCode::Unauthorized, Some("authenticate")));
            return self.close(from, 4401);
        }
        let attempt = ask.client.as_ref().and_then(|client| client.attempt).unwrap();
        let session = self.sessions.get_mut(&from).unwrap();
        (session.expires, session.warned) = (expires, false);
        let (user_id, expires_at) = (UserId::new("me").unwrap(), Timestamp::from_millis(expires));
        if session.live {
            return self.say(from, request_id, Authenticated { user_id, expires_at });
        }
        (session.live, session.attempt) = (true, attempt);
        self.authenticated += 1;
        let others: Vec<_> = self.live().into_iter().filter(|other| *other != from).collect();
        if others.iter().any(|other| self.sessions[other].attempt > attempt) {
            return self.close(from, 4409);
        }
        let connected = Connected {
            user_id,
            message: "Connected to WebSocket Gateway".into(),
            session_id: SessionId::new(format!("s{}", from.number())).unwrap(),
            protocol_version: 1,
            features: vec![],
            services: vec![],
            expires_at,
            heartbeat_interval_ms: HEARTBEAT,
            max_message_bytes: 65_536,
            limits: LIMITS,
            server_time: Timestamp::from_millis(self.now),
        };
        self.say(from, request_id, connected);
        for other in others {
            self.close(other, 4409);
        }
    }
}

fn refusal(code: ErrorCode, word: Option<&str>) -> ErrorReply {
    ErrorReply {
        message: "no".into(),
        code,
        in_reply_to: word.map(str::to_owned),
        clan_id: None,
        topic: None,
        retry_after_ms: None,
        details: None,
    }
}
