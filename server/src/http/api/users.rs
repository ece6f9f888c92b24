//! Looks at users' sessions, and ends sessions and subscriptions.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{
    BlockReason, CloseCode, DeviceId, ServiceName, SessionId, Timestamp, TokenId, TopicName, UserId, backend::BlockUser,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    http::{
        body::{Answer, Body},
        key::{Admin, Key, Read},
        parameter::{Optional, Path, Query},
        problem::Problem,
        tags::Tag,
    },
    node::{Node, in_time},
    store::{Block, BlockedTokens, SessionRecord},
};

/// A user's live sessions on all nodes, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Sessions {
    sessions: Vec<SessionSeen>,
}

/// A live session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SessionSeen {
    /// The session.
    id: SessionId,
    /// Its node.
    node: String,
    /// Its device, when that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    /// Since when.
    since: Timestamp,
}

/// Sessions were ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Disconnected {
    /// How many sessions.
    sessions: usize,
}

/// Subscriptions were ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Unsubscribed {
    /// How many subscriptions on the node that was asked; other nodes end theirs within a second.
    subscriptions: usize,
}

/// A block.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BlockSeen {
    /// When it ends.
    until: Timestamp,
    /// When it was made.
    since: Timestamp,
    /// Only tokens whose `iat` is before this time are blocked, and tokens without `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<Timestamp>,
    /// Only the token with this `jti` is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<BlockReason>,
}

/// A user's blocks that have not ended.
#[derive(Debug, Serialize, JsonSchema)]
struct UserBlocks {
    blocks: Vec<BlockSeen>,
}

/// Blocks were ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Unblocked {
    /// How many blocks.
    blocks: u64,
}

impl From<Block> for BlockSeen {
    fn from(Block { tokens, until, since, reason }: Block) -> Self {
        let (issued_before, jti) = match tokens {
            BlockedTokens::All => (None, None),
            BlockedTokens::IssuedBefore(time) => (Some(time), None),
            BlockedTokens::Id(jti) => (None, Some(jti)),
        };
        Self { until, since, issued_before, jti, reason }
    }
}

impl From<SessionRecord> for SessionSeen {
    fn from(record: SessionRecord) -> Self {
        Self { id: record.id, node: record.node.to_string(), device: record.device, since: record.since }
    }
}

/// The routes of users.
pub(in crate::http) struct Users;

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Users {
    /// List a user's sessions.
    #[oai(path = "/:userId/sessions", method = "get", operation_id = "getSessions")]
    async fn sessions(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Sessions>, Problem> {
        let records = in_time(node.store.sessions_of(&user.0)).await?;
        Ok(Answer(Sessions { sessions: records.into_iter().map(Into::into).collect() }))
    }

    /// Disconnect a user.
    ///
    /// Clients do not come back by themselves (4403), unless `reconnect` asks them to (4500). This alone keeps no user out:
    /// a client that connects again is let in as before. To keep a user out, block the user.
    #[oai(path = "/:userId/sessions", method = "delete", operation_id = "disconnectUser")]
    async fn disconnect(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// Whether clients are asked to come back.
        reconnect: Optional<bool>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Disconnected>, Problem> {
        let again = reconnect.0.unwrap_or(false);
        let code = if again { CloseCode::RECONNECT_REQUESTED } else { CloseCode::DISCONNECTED };
        let sessions = in_time(node.disconnect(&user.0, code)).await?;
        Ok(Answer(Disconnected { sessions }))
    }

    /// End a user's subscriptions.
    ///
    /// Clients get `subscription_ended`. Without `topic` all subscriptions to the service end. 404 (`unknown_service`) when
    /// the gateway has no such service or topic.
    #[oai(path = "/:userId/subscriptions", method = "delete", operation_id = "endSubscriptions")]
    async fn unsubscribe(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// `notifications`, `clan_chat` or a declared service.
        service: Query<ServiceName>,
        /// The topic; of `clan_chat` it is the clan.
        topic: Optional<TopicName>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Unsubscribed>, Problem> {
        node.topics.check(&service.0, topic.0.as_ref())?;
        let ended = node.end_subscriptions(&user.0, &service.0, topic.0.as_ref());
        Ok(Answer(Unsubscribed { subscriptions: in_time(ended).await? }))
    }

    /// Block a user.
    ///
    /// Keeps the user out until a time: sessions on every node are closed within a second (4403), and new ones are refused
    /// with `forbidden` and 4403, or HTTP 403 for a token in the header. With `issuedBefore` or `jti` it keeps out only these tokens
    /// of the user. A user can have one block of all tokens, one of earlier tokens and one for each `jti`, 100 together; a new
    /// block replaces the earlier one of its kind. 409 (`block_limit`) when there are 100 others.
    #[oai(path = "/:userId/block", method = "post", operation_id = "blockUser")]
    async fn block(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        asked: Body<BlockUser>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<BlockSeen>, Problem> {
        let block = node.new_block(asked.0)?;
        node.block(&user.0, block.clone()).await?;
        Ok(Answer(block.into()))
    }

    /// List a user's blocks.
    #[oai(path = "/:userId/block", method = "get", operation_id = "getBlocks")]
    async fn blocks(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<UserBlocks>, Problem> {
        let blocks = in_time(node.store.blocks_of(&user.0)).await?;
        Ok(Answer(UserBlocks { blocks: blocks.into_iter().map(Into::into).collect() }))
    }

    /// Unblock a user.
    ///
    /// Ends every block of the user.
    #[oai(path = "/:userId/block", method = "delete", operation_id = "unblockUser")]
    async fn unblock(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Unblocked>, Problem> {
        Ok(Answer(Unblocked { blocks: in_time(node.unblock(&user.0)).await? }))
    }
}
