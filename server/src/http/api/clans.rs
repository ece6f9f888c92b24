//! Speaks in clans, reads their past, and takes messages back.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{
    Chat, ChatContent, ChatData, ChatHistory, ClanId, ClientMessageId, ErrorCode, GetChatHistory, HistoryLimit,
    MessageId, UserId, backend::BackendMessageType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MessageAccepted;
use crate::{
    http::{
        body::{Accepted, Answer, Body, Done},
        key::{Admin, Key, Publish, Read},
        parameter::{Optional, Path, Position},
        problem::Problem,
        tags::Tag,
    },
    node::Node,
    services::{ClanChat, NewMessage},
};

/// A chat message of a backend service.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PostMessage {
    /// What is said.
    content: ChatContent,
    /// Who says it; `system` when absent.
    user_id: Option<UserId>,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`; `SYSTEM` when absent.
    message_type: Option<BackendMessageType>,
    /// Replies, mentions, attachments.
    data: Option<ChatData>,
    /// Makes it safe to repeat: the same one is stored once. With other content it is refused with `conflict`.
    id: Option<ClientMessageId>,
}

/// A page of a clan's past.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Messages {
    /// The store's epoch.
    epoch: String,
    /// Messages in ascending offset.
    messages: Vec<Chat>,
    /// Whether there are more in the direction that was asked for.
    has_more: bool,
    /// Present and true when entries after `after` are missing, because the log no longer keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    trimmed: Option<bool>,
}

/// The routes of clans.
pub(in crate::http) struct Clans;

#[OpenApi(prefix_path = "/api/v1/clans", tag = "Tag::ClanChat")]
impl Clans {
    /// Say something in a clan.
    #[oai(path = "/:clanId/messages", method = "post", operation_id = "postMessage")]
    async fn post(
        &self,
        _key: Key<Publish>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        asked: Body<PostMessage>,
        node: Data<&Arc<Node>>,
    ) -> Result<Accepted<MessageAccepted>, Problem> {
        let PostMessage { content, user_id, message_type, data, id } = asked.0;
        let message_type = message_type.map(Into::into);
        let message = NewMessage { content, user: user_id, message_type, data, id };
        let sent = ClanChat::post(&node, clan.0, message).await?;
        Ok(Answer(sent.into()))
    }

    /// Read a clan's past.
    ///
    /// Without `before` and `after` it is the newest page. Give one of them, not both.
    #[oai(path = "/:clanId/messages", method = "get", operation_id = "getMessages")]
    async fn read(
        &self,
        _key: Key<Read>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        /// The page ends before this offset.
        before: Optional<Position>,
        /// The page begins after this offset.
        after: Optional<Position>,
        /// How many messages at most.
        limit: Optional<HistoryLimit>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Messages>, Problem> {
        let (before, after) = (before.0.map(|position| position.0), after.0.map(|position| position.0));
        if before.is_some() && after.is_some() {
            return Err(Problem::field("before", GetChatHistory::NOT_BOTH));
        }
        let get = GetChatHistory { clan_id: clan.0, before, after, limit: limit.0.unwrap_or_default() };
        let ChatHistory { epoch, messages, has_more, trimmed, .. } = ClanChat::history(&node, &get).await?;
        Ok(Answer(Messages { epoch, messages, has_more, trimmed }))
    }

    /// Take a message back.
    ///
    /// Subscribers get `chat_deleted`, and the history no longer shows the content.
    #[oai(path = "/:clanId/messages/:messageId", method = "delete", operation_id = "deleteMessage")]
    async fn delete(
        &self,
        _key: Key<Admin>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        #[oai(name = "messageId")] message: Path<MessageId>,
        node: Data<&Arc<Node>>,
    ) -> Result<Done, Problem> {
        match ClanChat::delete(&node, &clan.0, &message.0).await {
            Ok(()) => Ok(Done),
            Err(error) if error.code == ErrorCode::InvalidMessage => {
                Err(Problem::not_found("the clan's history has no such message"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
