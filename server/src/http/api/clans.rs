//! Posts, reads and deletes messages in clan chats.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{
    Chat, ChatContent, ChatData, ChatHistory, ClanId, ClientMessageId, ErrorCode, GetChatHistory, HistoryLimit,
    MessageId, NOT_BEFORE_AND_AFTER, UserId, backend::BackendMessageType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MessageAccepted;
use crate::{
    commands::{ClanChat, NewMessage},
    http::{
        body::{Accepted, Body, JsonResponse, NoContent},
        key::{Admin, Key, Publish, Read},
        parameter::{Optional, Path, Position},
        problem::Problem,
        tags::Tag,
    },
};

/// A chat message from a backend service.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PostMessage {
    /// The text of the message.
    content: ChatContent,
    /// The author. Default: `system`.
    user_id: Option<UserId>,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. Default: `SYSTEM`.
    message_type: Option<BackendMessageType>,
    /// Replies, mentions and attachments.
    data: Option<ChatData>,
    /// An idempotency key: a repeated request with the same id is stored once. With other content it is refused with
    /// `conflict`.
    id: Option<ClientMessageId>,
}

/// A page of a clan's history.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Messages {
    /// The store's epoch.
    epoch: String,
    /// Messages in ascending order of their offsets.
    messages: Vec<Chat>,
    /// Whether there are more messages in the requested direction.
    has_more: bool,
    /// Present and true when entries after `after` are missing because the log no longer contains them.
    #[serde(skip_serializing_if = "Option::is_none")]
    trimmed: Option<bool>,
}

/// The routes of clans.
pub(in crate::http) struct Clans;

#[OpenApi(prefix_path = "/api/v1/clans", tag = "Tag::ClanChat")]
impl Clans {
    /// Post a message in a clan.
    #[oai(path = "/:clanId/messages", method = "post", operation_id = "postMessage")]
    async fn post(
        &self,
        _key: Key<Publish>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        request: Body<PostMessage>,
        clan_chat: Data<&Arc<ClanChat>>,
    ) -> Result<Accepted<MessageAccepted>, Problem> {
        let PostMessage { content, user_id, message_type, data, id } = request.0;
        let message_type = message_type.map(Into::into);
        let message = NewMessage { content, user: user_id, message_type, data, id };
        let sent = clan_chat.post(clan.0, message).await?;
        Ok(JsonResponse(sent.into()))
    }

    /// Read a clan's history.
    ///
    /// Returns the newest page, unless `before` or `after` is given. They cannot be combined.
    #[oai(path = "/:clanId/messages", method = "get", operation_id = "getMessages")]
    async fn read(
        &self,
        _key: Key<Read>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        /// The page ends before this offset.
        before: Optional<Position>,
        /// The page begins after this offset.
        after: Optional<Position>,
        /// The maximum number of messages.
        limit: Optional<HistoryLimit>,
        clan_chat: Data<&Arc<ClanChat>>,
    ) -> Result<JsonResponse<Messages>, Problem> {
        let (before, after) = (before.0.map(|position| position.0), after.0.map(|position| position.0));
        if before.is_some() && after.is_some() {
            return Err(Problem::field("before", NOT_BEFORE_AND_AFTER));
        }
        let get = GetChatHistory { clan_id: clan.0, before, after, limit: limit.0.unwrap_or_default() };
        let ChatHistory { epoch, messages, has_more, trimmed, .. } = clan_chat.history(&get).await?;
        Ok(JsonResponse(Messages { epoch, messages, has_more, trimmed }))
    }

    /// Delete a message.
    ///
    /// Subscribers receive `chat_deleted`, and the history no longer contains the content.
    #[oai(path = "/:clanId/messages/:messageId", method = "delete", operation_id = "deleteMessage")]
    async fn delete(
        &self,
        _key: Key<Admin>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        #[oai(name = "messageId")] message: Path<MessageId>,
        clan_chat: Data<&Arc<ClanChat>>,
    ) -> Result<NoContent, Problem> {
        match clan_chat.delete(&clan.0, &message.0).await {
            Ok(()) => Ok(NoContent),
            Err(error) if error.code == ErrorCode::InvalidMessage => {
                Err(Problem::not_found("the clan's history has no such message"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
