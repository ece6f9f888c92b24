//! Lists and ends users' sessions, and manages blocks.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{
    BlockReason, CloseCode, DeviceId, SessionId, Timestamp, TokenId, UserId, backend::BlockUser,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::{Inspector, SubscriptionSeen},
    confirmation::in_time,
    http::{
        body::{Body, JsonResponse},
        key::{Admin, Key, Read},
        parameter::{Optional, Path},
        problem::Problem,
        tags::Tag,
    },
    session::{self, Blocks},
    store::{Block, BlockedTokens, SessionRecord},
};

/// A user's live sessions on all nodes, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Sessions {
    sessions: Vec<SessionSeen>,
    /// With `subscriptions=true`: the nodes that did not answer in time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// A live session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SessionSeen {
    /// The id of the session.
    id: SessionId,
    /// The id of the node that serves it.
    node: String,
    /// The id of the device, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    /// When the session started.
    since: Timestamp,
    /// With `subscriptions=true`: what the session is subscribed to. Missing when its node did not answer in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<Vec<SessionTopic>>,
}

/// A subscription of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SessionTopic {
    /// `user:<userId>` for notifications, `clan:<clanId>`, or `service:<service>:<topic>`.
    topic: String,
    /// Who has subscribed: `client`, `server`, or both.
    by: Vec<&'static str>,
}

/// The result of ending sessions.
#[derive(Debug, Serialize, JsonSchema)]
struct Disconnected {
    /// The number of sessions that were ended.
    sessions: usize,
}

/// A block that is in force.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BlockSeen {
    /// When the block ends.
    until: Timestamp,
    /// When the block was created.
    since: Timestamp,
    /// Only tokens whose `iat` is before this time are blocked, as well as tokens without `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<Timestamp>,
    /// Only the token with this `jti` is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    /// The reason that the operator gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<BlockReason>,
}

/// A user's blocks that are in force.
#[derive(Debug, Serialize, JsonSchema)]
struct UserBlocks {
    blocks: Vec<BlockSeen>,
}

/// The result of ending blocks.
#[derive(Debug, Serialize, JsonSchema)]
struct Unblocked {
    /// The number of blocks that were ended.
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
        let (id, node, device) = (record.id, record.node.to_string(), record.device);
        Self { id, node, device, since: record.since, subscriptions: None }
    }
}

impl From<SubscriptionSeen> for SessionTopic {
    fn from(SubscriptionSeen { topic, by_client, by_server }: SubscriptionSeen) -> Self {
        let by = [("client", by_client), ("server", by_server)];
        Self { topic, by: by.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect() }
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
        /// Whether to ask all nodes what the sessions are subscribed to.
        subscriptions: Optional<bool>,
        sessions: Data<&Arc<session::Sessions>>,
        inspector: Data<&Arc<Inspector>>,
    ) -> Result<JsonResponse<Sessions>, Problem> {
        let records = sessions.records_of(&user.0).await?;
        let mut sessions: Vec<SessionSeen> = records.into_iter().map(Into::into).collect();
        let mut missing = Vec::new();
        if subscriptions.0.unwrap_or(false) {
            let (mut found, nodes) = inspector.subscriptions(&user.0).await?;
            for session in &mut sessions {
                let topics = found.remove(&session.id);
                session.subscriptions = topics.map(|topics| topics.into_iter().map(Into::into).collect());
            }
            missing = nodes;
        }
        Ok(JsonResponse(Sessions { sessions, missing }))
    }

    /// Disconnect a user.
    ///
    /// Clients do not reconnect on their own (4403), unless `reconnect` requests it (4500). This does not lock the user
    /// out: a client that connects again is admitted as before. To lock the user out, block the user.
    #[oai(path = "/:userId/sessions", method = "delete", operation_id = "disconnectUser")]
    async fn disconnect(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// Whether clients are asked to reconnect.
        reconnect: Optional<bool>,
        sessions: Data<&Arc<session::Sessions>>,
    ) -> Result<JsonResponse<Disconnected>, Problem> {
        let again = reconnect.0.unwrap_or(false);
        let code = if again { CloseCode::RECONNECT_REQUESTED } else { CloseCode::DISCONNECTED };
        let sessions = in_time(sessions.disconnect(&user.0, code)).await?;
        Ok(JsonResponse(Disconnected { sessions }))
    }

    /// Block a user.
    ///
    /// Locks the user out until a given time: sessions on every node are closed within a second (4403), and new ones
    /// are refused with `forbidden` and 4403, or with HTTP 403 for a token in the header. With `issuedBefore` or `jti`,
    /// only these tokens of the user are blocked. A user can have one block of all tokens, one of earlier tokens and
    /// one for each `jti`, 100 in total. A new block replaces the previous one of the same kind. 409 (`block_limit`)
    /// when there are 100 others.
    #[oai(path = "/:userId/block", method = "post", operation_id = "blockUser")]
    async fn block(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        request: Body<BlockUser>,
        blocks: Data<&Arc<Blocks>>,
    ) -> Result<JsonResponse<BlockSeen>, Problem> {
        let block = blocks.new_block(request.0)?;
        blocks.block(&user.0, block.clone()).await?;
        Ok(JsonResponse(block.into()))
    }

    /// List a user's blocks.
    #[oai(path = "/:userId/block", method = "get", operation_id = "getBlocks")]
    async fn blocks(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        blocks: Data<&Arc<Blocks>>,
    ) -> Result<JsonResponse<UserBlocks>, Problem> {
        let blocks = blocks.of_user(&user.0).await?;
        Ok(JsonResponse(UserBlocks { blocks: blocks.into_iter().map(Into::into).collect() }))
    }

    /// Unblock a user.
    ///
    /// Ends all blocks of the user.
    #[oai(path = "/:userId/block", method = "delete", operation_id = "unblockUser")]
    async fn unblock(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        blocks: Data<&Arc<Blocks>>,
    ) -> Result<JsonResponse<Unblocked>, Problem> {
        Ok(JsonResponse(Unblocked { blocks: in_time(blocks.unblock(&user.0)).await? }))
    }
}
