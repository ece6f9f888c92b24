//! What the model does with a command.

use realtime_gateway_sdk_core::machine::Attempt;
use realtime_gateway_sdk_core::protocol::*;

use super::{HEARTBEAT, LIMITS, Refuse, Server, refusal};

impl Server {
    pub(crate) fn receive(&mut self, from: Attempt, text: &str) {
        if !self.sessions.contains_key(&from) {
            return;
        }
        let Envelope { request_id, message } = decode_client(text).expect("the machine sends valid commands");
        let word = message.type_name();
        if let ClientMessage::Authenticate(authenticate) = message {
            return self.authenticate(from, request_id, &authenticate);
        }
        let session = &self.sessions[&from];
        if matches!(message, ClientMessage::Ping(_)) {
            return self.send(from, request_id, Pong { timestamp: Timestamp::from_millis(self.now) });
        }
        assert!(session.live, "only authenticate and ping precede the identity");
        if self.now >= session.expires {
            return self.send(from, request_id, refusal(ErrorCode::TokenExpired, Some(word)));
        }
        let refused = match message {
            ClientMessage::UnsubscribeClanChat(_) | ClientMessage::UnsubscribeNotifications(_) => None,
            _ => self.refusals.pop_front(),
        };
        match refused {
            // Only a message may be refused for good here: what else is refused so ends, which is a story of its own.
            Some(Refuse::Forbidden) if word == "chat" => {
                return self.send(from, request_id, refusal(ErrorCode::Forbidden, Some(word)));
            }
            None | Some(Refuse::Forbidden) => {}
            Some(Refuse::Limit) => {
                return self.send(from, request_id, refusal(ErrorCode::SubscriptionLimit, Some(word)));
            }
            Some(Refuse::RateLimited) => {
                let mut error = refusal(ErrorCode::RateLimited, Some(word));
                error.retry_after_ms = Some(700);
                return self.send(from, request_id, error);
            }
            Some(Refuse::Unavailable(done)) => {
                if done && let ClientMessage::SendChat(chat) = &message {
                    self.chat(chat);
                }
                return self.send(from, request_id, refusal(ErrorCode::Unavailable, Some(word)));
            }
        }
        self.obey(from, request_id, message);
    }

    fn obey(&mut self, from: Attempt, request_id: Option<RequestId>, message: ClientMessage) {
        match message {
            ClientMessage::SendChat(chat) => {
                let sent = self.chat(&chat);
                self.send(from, request_id, sent);
            }
            ClientMessage::SubscribeClanChat(ask) => self.subscribe(from, request_id, ask),
            ClientMessage::UnsubscribeClanChat(ask) => {
                self.sessions.get_mut(&from).unwrap().clans.remove(ask.clan_id.as_str());
                let mut confirmed = self.confirmation(ServiceName::clan_chat());
                (confirmed.status, confirmed.clan_id) = (SubscriptionStatus::Unsubscribed, Some(ask.clan_id));
                self.send(from, request_id, confirmed);
            }
            ClientMessage::SubscribeNotifications(_) => {
                self.sessions.get_mut(&from).unwrap().notifications = true;
                let mut confirmed = self.confirmation(ServiceName::notifications());
                (confirmed.offset, confirmed.epoch) = (Some(self.ids), Some(self.epoch_name()));
                (confirmed.recovered, confirmed.pending) = (Some(true), Some(self.pending.len() as u64));
                self.send(from, request_id, confirmed);
                for notification in self.pending.clone().into_values() {
                    self.send(from, None, notification);
                }
            }
            ClientMessage::UnsubscribeNotifications(_) => {
                self.sessions.get_mut(&from).unwrap().notifications = false;
                let mut confirmed = self.confirmation(ServiceName::notifications());
                confirmed.status = SubscriptionStatus::Unsubscribed;
                self.send(from, request_id, confirmed);
            }
            ClientMessage::NotificationAck(ack) => {
                let ids: Vec<_> = ack.notification_ids.into_iter().flatten().chain(ack.notification_id).collect();
                self.pending.retain(|_, notification| !ids.contains(&notification.id));
                self.send(from, request_id, AckConfirmed { notification_ids: ids });
            }
            // No reply: a query that stays open.
            ClientMessage::GetPresence(_) => {}
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
            origin: None,
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
        self.send(from, request_id, confirmed);
        for chat in entries {
            self.send(from, None, chat);
        }
    }

    fn authenticate(&mut self, from: Attempt, request_id: Option<RequestId>, ask: &Authenticate) {
        let expires: u64 = ask.token.parse().expect("a token of this model is its end");
        if expires <= self.now {
            self.send(from, request_id, refusal(ErrorCode::Unauthorized, Some("authenticate")));
            return self.close(from, 4401);
        }
        let attempt = ask.client.as_ref().and_then(|client| client.attempt).unwrap();
        let session = self.sessions.get_mut(&from).unwrap();
        (session.expires, session.warned) = (expires, false);
        let (user_id, expires_at) = (UserId::new("me").unwrap(), Timestamp::from_millis(expires));
        if session.live {
            return self.send(from, request_id, Authenticated { user_id, expires_at });
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
        self.send(from, request_id, connected);
        for other in others.into_iter().filter(|_| !self.keep_old).collect::<Vec<_>>() {
            self.close(other, 4409);
        }
    }
}
