//! Clan chat: one log per clan, with history, idempotent sends and deletion.

use std::sync::Arc;

use realtime_gateway_protocol::{
    ChatContent, ChatData, ChatHistory, ClanId, ClientMessageId, GetChatHistory, MessageId, MessageSent, MessageType,
    SendChat, UserId,
    stored::{StoredBody, StoredChat, StoredDeletion},
};
use serde::Serialize;

use super::{
    Stored,
    history::{HistoryPage, PageOf, messages_of, read_page},
};
use crate::{
    auth::{Action, Permissions},
    command_error::CommandError,
    delivery::{
        log::TopicLog,
        reports::{ChatReport, EventSubject},
    },
    ids::new_id,
    session::Session,
    store::{Append, EventSource, Idempotency, IdempotencyKey, PageLimit, Redaction},
    topic::Topic,
};

/// A chat message of a backend service.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The text.
    pub content: ChatContent,
    /// The author. `system` when absent.
    pub user: Option<UserId>,
    /// The type of message. `SYSTEM` when absent.
    pub message_type: Option<MessageType>,
    /// Replies, mentions, attachments.
    pub data: Option<ChatData>,
    /// The idempotency key, which makes retries safe.
    pub id: Option<ClientMessageId>,
}

/// The code behind the contract of clan chat (`built_in.rs`).
pub struct ClanChat {
    log: TopicLog,
    permissions: Arc<Permissions>,
}

/// A message that will be appended to the log of its clan.
struct Message<'a> {
    user: &'a UserId,
    message_type: MessageType,
    content: &'a ChatContent,
    data: Option<&'a ChatData>,
    client_message_id: Option<&'a ClientMessageId>,
    /// The idempotency key, which makes retries safe.
    key: Option<IdempotencyKey>,
    source: EventSource,
}

/// The content of a message that is compared when the message is retried.
#[derive(Serialize)]
struct Content<'a> {
    user_id: &'a UserId,
    content: &'a ChatContent,
    message_type: &'a MessageType,
    data: Option<&'a ChatData>,
}

impl ClanChat {
    /// Creates the clan chat service.
    pub(crate) fn new(log: TopicLog, permissions: Arc<Permissions>) -> Self {
        Self { log, permissions }
    }

    /// Sends the message of a client (`chat`).
    ///
    /// # Errors
    /// `forbidden`, and the errors of [`ClanChat::post`].
    pub(crate) async fn send(&self, session: &Session, chat: &SendChat) -> Result<MessageSent, CommandError> {
        let topic = Topic::Clan(chat.clan_id.clone());
        self.permissions.check(session.requester(&session.identity()), Action::Publish, &topic).await?;
        let id = chat.client_message_id.as_ref();
        let message = Message {
            user: session.user(),
            message_type: chat.message_type.clone().unwrap_or(MessageType::Text),
            content: &chat.content,
            data: chat.data.as_ref(),
            client_message_id: id,
            key: id.map(|id| IdempotencyKey::User(session.user().clone(), id.clone())),
            source: EventSource::Client,
        };
        let stored = self.append(&chat.clan_id, message).await;
        stored.map(|stored| stored.sent).map_err(|error| error.for_command_with_id(id))
    }

    /// Sends the message of a backend service.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time, `message_too_large`, `conflict` when the id was used for
    /// another message.
    pub async fn post(&self, clan: ClanId, message: NewMessage) -> Result<Stored, CommandError> {
        let system = system_user()?;
        let ready = Message {
            user: message.user.as_ref().unwrap_or(&system),
            message_type: message.message_type.clone().unwrap_or(MessageType::System),
            content: &message.content,
            data: message.data.as_ref(),
            client_message_id: message.id.as_ref(),
            key: message.id.clone().map(IdempotencyKey::Backend),
            source: EventSource::Backend,
        };
        self.append(&clan, ready).await
    }

    async fn append(&self, clan: &ClanId, message: Message<'_>) -> Result<Stored, CommandError> {
        let id: MessageId = new_id()?;
        let at = self.log.now();
        let body = StoredBody::Chat(StoredChat {
            user_id: message.user,
            content: message.content,
            message_id: &id,
            message_type: &message.message_type,
            data: message.data,
            sent_at: at,
            client_message_id: message.client_message_id,
        });
        let body = self.log.encode(&body)?;
        let (user_id, content, message_type) = (message.user, message.content, &message.message_type);
        let content = Content { user_id, content, message_type, data: message.data };
        let key = message.key.map(|key| Idempotency::new(key, &content)).transpose().map_err(CommandError::internal)?;
        let report = ChatReport {
            user_id: message.user,
            content: message.content,
            message_id: &id,
            message_type: &message.message_type,
            data: message.data,
        };
        let event = self.log.reports.event(id.as_str(), &EventSubject::Chat(clan), message.source, &report)?;
        let (topic, retention) = (Topic::Clan(clan.clone()), self.log.retention());
        let appended = self.log.append(Append { topic, id, key, at, body, retention, redaction: None, event }).await?;
        let sent = MessageSent {
            message_id: appended.id,
            clan_id: Some(clan.clone()),
            service: None,
            topic: None,
            offset: appended.offset,
            client_message_id: message.client_message_id.cloned(),
            duplicate: appended.duplicate.then_some(true),
        };
        Ok(Stored { sent, epoch: appended.epoch })
    }

    /// Returns a page of history to a client (`chat_history`).
    ///
    /// # Errors
    /// `forbidden`, and the errors of [`ClanChat::history`].
    pub(crate) async fn read(&self, session: &Session, get: &GetChatHistory) -> Result<ChatHistory, CommandError> {
        self.permissions
            .check(session.requester(&session.identity()), Action::Read, &Topic::Clan(get.clan_id.clone()))
            .await?;
        self.history(get).await
    }

    /// Returns a page of a clan's history without deleted messages.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub async fn history(&self, get: &GetChatHistory) -> Result<ChatHistory, CommandError> {
        let (topic, page) = (Topic::Clan(get.clan_id.clone()), PageOf::requested(get.before, get.after));
        let page = read_page(&self.log, &topic, page, get.limit, |entry| entry.chat()).await?;
        let HistoryPage { epoch, messages, has_more, trimmed } = page;
        Ok(ChatHistory { clan_id: get.clan_id.clone(), epoch, messages, has_more, trimmed })
    }

    /// Deletes a message: appends `chat_deleted` and removes the content from the log in one transaction.
    ///
    /// # Errors
    /// `invalid_message` when the clan's history has no such message, `unavailable` when the store does not confirm.
    pub async fn delete(&self, clan: &ClanId, message: &MessageId) -> Result<(), CommandError> {
        let topic = Topic::Clan(clan.clone());
        let offset = self.find(&topic, message).await?;
        let body = self.log.encode(&StoredBody::ChatDeleted(StoredDeletion { message_id: message }))?;
        let redaction = Some(Redaction { offset, body: body.clone() });
        // The idempotency key merges concurrent deletions of the same message into one.
        let key =
            Idempotency::new(IdempotencyKey::Deletion(message.clone()), message).map_err(CommandError::internal)?;
        let retention = self.log.retention();
        let (id, at) = (new_id()?, self.log.now());
        self.log.append(Append { topic, id, key: Some(key), at, body, retention, redaction, event: None }).await?;
        Ok(())
    }

    /// Searches for a message from the newest entry backwards and returns its offset.
    async fn find(&self, topic: &Topic, message: &MessageId) -> Result<u64, CommandError> {
        let mut before = u64::MAX;
        loop {
            let limit = PageLimit { entries: 256, bytes: 1024 * 1024 };
            let page = self.log.read_back(topic, before, limit).await?;
            if let Some(found) =
                messages_of(topic, &page, |entry| entry.chat()).into_iter().find(|chat| chat.message_id == *message)
            {
                return Ok(found.offset);
            }
            let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|first| first.offset));
            match first {
                Some(first) if first > page.bounds.floor => before = first,
                _ => return Err(CommandError::field("messageId", "no such message in the clan's history")),
            }
        }
    }
}

fn system_user() -> Result<UserId, CommandError> {
    UserId::new(UserId::SYSTEM).map_err(CommandError::internal)
}
