//! Clan chat: a log for each clan, with history, idempotent sends and deletion.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::{
    Chat, ChatContent, ChatData, ChatHistory, ClanId, ClientMessageId, GetChatHistory, MAX_SERVER_MESSAGE_BYTES,
    MessageId, MessageSent, MessageType, RequestId, SendChat, ServerMessage, SubscribeClanChat, Timestamp, UserId,
    decode_server,
};
use serde::Serialize;

use super::{
    Subscribing,
    entry::{entry_body, entry_text},
    reports::{About, ChatReport},
};
use crate::{
    auth::Action,
    command_error::CommandError,
    hub::Delivery,
    node::{Node, in_time, new_id},
    session::Session,
    store::{Append, Idempotency, IdempotencyKey, Page, PageLimit, Redaction, Retention},
    telemetry::log_limited,
    topic::Topic,
};

/// A page of history is kept well below what the gateway may send in one message.
const HISTORY_BYTES: usize = MAX_SERVER_MESSAGE_BYTES - 16 * 1024;

/// A chat message of a backend service.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// What is said.
    pub content: ChatContent,
    /// Who says it; `system` when absent.
    pub user: Option<UserId>,
    /// What it is; `SYSTEM` when absent.
    pub message_type: Option<MessageType>,
    /// Replies, mentions, attachments.
    pub data: Option<ChatData>,
    /// Makes it safe to repeat.
    pub id: Option<ClientMessageId>,
}

/// The service of clan chat.
pub struct ClanChat;

/// What the log keeps of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatBody<'a> {
    r#type: &'static str,
    user_id: &'a UserId,
    content: &'a ChatContent,
    message_id: &'a MessageId,
    message_type: &'a MessageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a ChatData>,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a ClientMessageId>,
}

/// What the log keeps of a deletion, and of the message that it took back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedBody<'a> {
    r#type: &'static str,
    message_id: &'a MessageId,
}

/// A message on its way into the log.
struct Saying<'a> {
    user: &'a UserId,
    message_type: MessageType,
    content: &'a ChatContent,
    data: Option<&'a ChatData>,
    client_message_id: Option<&'a ClientMessageId>,
    /// Names it for repeats.
    key: Option<IdempotencyKey>,
}

/// What a message says, which a repeat of it says too.
#[derive(Serialize)]
struct Content<'a> {
    user_id: &'a UserId,
    content: &'a ChatContent,
    message_type: &'a MessageType,
    data: Option<&'a ChatData>,
}

impl ClanChat {
    /// `subscribe_clan_chat`
    pub(crate) async fn subscribe(
        node: &Arc<Node>,
        session: &Arc<Session>,
        request_id: Option<RequestId>,
        asked: SubscribeClanChat,
    ) -> Result<(), CommandError> {
        let topic = Topic::Clan(asked.clan_id.clone());
        let what = Subscribing { recover: asked.recover, history: asked.history.unwrap_or(0) };
        let subscription = node.subscribe(session, request_id, topic, what).await?;
        node.presences.came(&asked.clan_id, &subscription, asked.presence.unwrap_or(false)).await;
        Ok(())
    }

    /// `chat`
    pub(crate) async fn say(node: &Arc<Node>, session: &Session, chat: &SendChat) -> Result<MessageSent, CommandError> {
        let topic = Topic::Clan(chat.clan_id.clone());
        node.permissions.check(&session.identity(), Action::Publish, &topic).await?;
        let id = chat.client_message_id.as_ref();
        let saying = Saying {
            user: &session.user,
            message_type: chat.message_type.clone().unwrap_or(MessageType::Text),
            content: &chat.content,
            data: chat.data.as_ref(),
            client_message_id: id,
            key: id.map(|id| IdempotencyKey::User(session.user.clone(), id.clone())),
        };
        let sent = Self::append(node, &chat.clan_id, saying).await;
        sent.map_err(|error| error.about_command_with(id))
    }

    /// Says something on behalf of a backend service.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time, `message_too_large`, `conflict` when the id stands for
    /// another message.
    pub async fn post(node: &Arc<Node>, clan: ClanId, message: NewMessage) -> Result<MessageSent, CommandError> {
        let system = system_user()?;
        let saying = Saying {
            user: message.user.as_ref().unwrap_or(&system),
            message_type: message.message_type.clone().unwrap_or(MessageType::System),
            content: &message.content,
            data: message.data.as_ref(),
            client_message_id: message.id.as_ref(),
            key: message.id.clone().map(IdempotencyKey::Backend),
        };
        Self::append(node, &clan, saying).await
    }

    async fn append(node: &Arc<Node>, clan: &ClanId, saying: Saying<'_>) -> Result<MessageSent, CommandError> {
        let id: MessageId = new_id()?;
        let at = node.now();
        let body = entry_body(&ChatBody {
            r#type: "chat",
            user_id: saying.user,
            content: saying.content,
            message_id: &id,
            message_type: &saying.message_type,
            data: saying.data,
            sent_at: at,
            client_message_id: saying.client_message_id,
        });
        let body = node.checked_body(body)?;
        let (user_id, content, message_type) = (saying.user, saying.content, &saying.message_type);
        let content = Content { user_id, content, message_type, data: saying.data };
        let key = saying.key.map(|key| Idempotency::new(key, &content)).transpose().map_err(CommandError::internal)?;
        let report = ChatReport {
            user_id: saying.user,
            content: saying.content,
            message_id: &id,
            message_type: &saying.message_type,
            data: saying.data,
        };
        let event = node.report(id.as_str(), &About::Chat(clan), &report)?;
        let (topic, retention) = (Topic::Clan(clan.clone()), node.history_retention());
        let appended = node.append(Append { topic, id, key, at, body, retention, redaction: None, event }).await?;
        Ok(MessageSent {
            message_id: appended.id,
            clan_id: Some(clan.clone()),
            service: None,
            topic: None,
            offset: appended.offset,
            client_message_id: saying.client_message_id.cloned(),
            duplicate: appended.duplicate.then_some(true),
        })
    }

    /// `chat_history`, for a session.
    pub(crate) async fn read(
        node: &Arc<Node>,
        session: &Session,
        get: &GetChatHistory,
    ) -> Result<ChatHistory, CommandError> {
        node.permissions.check(&session.identity(), Action::Read, &Topic::Clan(get.clan_id.clone())).await?;
        Self::history(node, get).await
    }

    /// A page of a clan's past, without what was deleted.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub async fn history(node: &Arc<Node>, get: &GetChatHistory) -> Result<ChatHistory, CommandError> {
        let topic = Topic::Clan(get.clan_id.clone());
        let limit = usize::try_from(get.limit.get()).unwrap_or(1);
        let mut messages: Vec<Chat> = Vec::new();
        let (mut bytes, mut after, mut before) = (0, get.after, get.before.unwrap_or(u64::MAX));
        let mut trimmed = None;
        // Deletions take places in the log, so one page of entries may hold fewer messages than were asked for.
        loop {
            let want = PageLimit { entries: limit - messages.len(), bytes: HISTORY_BYTES - bytes };
            let page = match after {
                Some(after) => in_time(node.store.read(&topic, after, want)).await?,
                None => in_time(node.store.read_back(&topic, before, want)).await?,
            };
            // Where the page goes on backwards: before its first entry, or before what cannot be read.
            let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|first| first.offset));
            let more = match after {
                Some(_) => page.next < page.ends.head,
                None => first.is_some_and(|first| first > page.ends.floor),
            };
            if page.lost.is_some() || after.is_some_and(|after| after.saturating_add(1) < page.ends.floor) {
                trimmed = Some(true);
            }
            bytes += page.entries.iter().map(|entry| entry.body.len() + 128).sum::<usize>();
            after = after.map(|_| page.next);
            before = first.unwrap_or(0);
            let epoch = page.epoch.to_string();
            let found = messages_of(&topic, &page);
            match after {
                Some(_) => messages.extend(found),
                None => messages = found.into_iter().chain(messages).collect(),
            }
            if !more || messages.len() >= limit || bytes >= HISTORY_BYTES {
                return Ok(ChatHistory { clan_id: get.clan_id.clone(), epoch, messages, has_more: more, trimmed });
            }
        }
    }

    /// Deletes a message: appends `chat_deleted` and takes the content out of the log, in one step.
    ///
    /// # Errors
    /// `invalid_message` when the clan's history has no such message, `unavailable` when the store does not confirm.
    pub async fn delete(node: &Arc<Node>, clan: &ClanId, message: &MessageId) -> Result<(), CommandError> {
        let topic = Topic::Clan(clan.clone());
        let offset = Self::find(node, &topic, message).await?;
        let body = node.checked_body(entry_body(&DeletedBody { r#type: "chat_deleted", message_id: message }))?;
        let redaction = Some(Redaction { offset, body: body.clone() });
        // The key makes two deletions at once one.
        let key =
            Idempotency::new(IdempotencyKey::Deletion(message.clone()), message).map_err(CommandError::internal)?;
        let retention = node.history_retention();
        let (id, at) = (new_id()?, node.now());
        node.append(Append { topic, id, key: Some(key), at, body, retention, redaction, event: None }).await?;
        Ok(())
    }

    /// Looks for a message from the newest entry back.
    async fn find(node: &Arc<Node>, topic: &Topic, message: &MessageId) -> Result<u64, CommandError> {
        let mut before = u64::MAX;
        loop {
            let limit = PageLimit { entries: 256, bytes: 1024 * 1024 };
            let page = in_time(node.store.read_back(topic, before, limit)).await?;
            if let Some(found) = messages_of(topic, &page).into_iter().find(|chat| chat.message_id == *message) {
                return Ok(found.offset);
            }
            let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|first| first.offset));
            match first {
                Some(first) if first > page.ends.floor => before = first,
                _ => return Err(CommandError::field("messageId", "no such message in the clan's history")),
            }
        }
    }
}

fn messages_of(topic: &Topic, page: &Page) -> Vec<Chat> {
    let chat = |entry| match decode_server(&entry_text(topic, entry, Delivery::First)) {
        Ok(envelope) => match envelope.message {
            ServerMessage::Chat(chat) => Some(chat),
            _ => None,
        },
        Err(error) => {
            log_limited!(ERROR, { %error, offset = entry.offset }, "an entry of the log cannot be read");
            None
        }
    };
    page.entries.iter().filter_map(chat).collect()
}

fn system_user() -> Result<UserId, CommandError> {
    UserId::new(UserId::SYSTEM).map_err(CommandError::internal)
}

impl Node {
    /// How long chat and events are kept.
    pub(crate) fn history_retention(&self) -> Retention {
        let history = self.config().history;
        Retention { max_entries: history.max_entries, max_age: history.max_age.max(Duration::from_secs(1)) }
    }
}
