//! A small gateway in memory, pure and exact: what the machine is held against.

mod commands;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use realtime_gateway_sdk_core::machine::Attempt;
use realtime_gateway_sdk_core::protocol::*;

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
    /// The outcome is unknown; whether the command took effect.
    Unavailable(bool),
    Forbidden,
    /// There is room for no more subscriptions.
    Limit,
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
    pub(crate) upgrades: u64,
    /// Sessions of a user coexist.
    pub(crate) keep_old: bool,
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

    fn send(&mut self, to: Attempt, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        let text = encode_server(&Envelope { request_id, message: message.into() });
        self.out.push((to, Out::Frame(text)));
    }

    pub(crate) fn opened(&mut self, attempt: Attempt) {
        self.upgrades += 1;
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

    pub(crate) fn subscribed_on(&self, clan: &str, attempt: Attempt) -> bool {
        self.sessions.get(&attempt).is_some_and(|session| session.clans.contains(clan))
    }

    /// Refuses an identity while a session is live.
    pub(crate) fn refuse_session(&mut self, attempt: Attempt, retry_after_ms: u64) {
        let mut error = refusal(ErrorCode::SessionLimit, Some("authenticate"));
        error.retry_after_ms = Some(retry_after_ms);
        self.send(attempt, None, error);
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
                self.send(attempt, None, refusal(ErrorCode::TokenExpired, None));
            }
        }
    }

    /// Another user publishes.
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
                // A later version sends some messages of types that this SDK does not know.
                if offset.is_multiple_of(7) {
                    let text = format!(r#"{{"type":"chat_sung","clanId":"{clan}","offset":{offset}}}"#);
                    self.out.push((to, Out::Frame(text)));
                } else {
                    self.send(to, None, chat.clone());
                }
            }
        }
        (id, offset)
    }

    /// Repeats an old entry, which it should not.
    pub(crate) fn repeat(&mut self, clan: &str, back: u64) {
        let Some(log) = self.clans.get(clan) else { return };
        let Some(chat) = log.entries.get(&log.head.saturating_sub(back)).cloned() else { return };
        for to in self.live() {
            if self.sessions[&to].clans.contains(clan) {
                self.send(to, None, chat.clone());
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
                self.send(to, None, reset);
            }
        }
    }

    /// Ends every subscription to a clan.
    pub(crate) fn end_subscriptions(&mut self, clan: &str, code: ErrorCode) {
        for to in self.live() {
            if self.sessions.get_mut(&to).unwrap().clans.remove(clan) {
                self.send(to, None, ended(ServiceName::clan_chat(), Some(ClanId::new(clan).unwrap()), code.clone()));
            }
        }
    }

    /// Ends every subscription to notifications.
    pub(crate) fn end_notifications(&mut self, code: ErrorCode) {
        for to in self.live() {
            if std::mem::take(&mut self.sessions.get_mut(&to).unwrap().notifications) {
                self.send(to, None, ended(ServiceName::notifications(), None, code.clone()));
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
                self.send(to, None, notification.clone());
            }
        }
    }

    pub(crate) fn hint(&mut self) {
        for to in self.live() {
            self.send(to, None, ReconnectHint { reason: ReconnectReason::Draining, after_ms: 20_000 });
        }
    }
}

fn ended(service: ServiceName, clan_id: Option<ClanId>, code: ErrorCode) -> SubscriptionEnded {
    SubscriptionEnded { service, clan_id, topic: None, code, message: "no".into() }
}

fn refusal(code: ErrorCode, word: Option<&str>) -> ErrorReply {
    ErrorReply {
        message: "no".into(),
        code,
        in_reply_to: word.map(str::to_owned),
        clan_id: None,
        topic: None,
        service: None,
        method: None,
        retry_after_ms: None,
        details: None,
    }
}
