//! Lists the live nodes.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    http::{
        body::Answer,
        key::{Key, Read},
        problem::Problem,
        tags::Tag,
    },
    node::{Node, in_time},
    store::NodeRecord,
};

/// The live nodes.
#[derive(Debug, Serialize, JsonSchema)]
struct LiveNodes {
    nodes: Vec<LiveNode>,
}

/// A live node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct LiveNode {
    /// Names it.
    id: String,
    /// Where it listens.
    address: String,
    /// Its open connections.
    connections: u64,
    /// Its version.
    version: String,
    /// When it began.
    started: Timestamp,
    /// Whether it is on its way out.
    draining: bool,
}

/// The route of nodes.
pub(in crate::http) struct Nodes;

impl From<NodeRecord> for LiveNode {
    fn from(record: NodeRecord) -> Self {
        let NodeRecord { id, address, connections, version, started, draining, .. } = record;
        Self { id, address, connections, version, started, draining }
    }
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Operation")]
impl Nodes {
    /// List the live nodes.
    ///
    /// A node that was killed is among them until its lease ends, half a minute later.
    #[oai(path = "/nodes", method = "get", operation_id = "getNodes")]
    async fn nodes(&self, _key: Key<Read>, node: Data<&Arc<Node>>) -> Result<Answer<LiveNodes>, Problem> {
        let mut records = in_time(node.store.nodes()).await?;
        // What this node says of itself is newer than its last pulse.
        let own = node.record();
        match records.iter_mut().find(|record| record.incarnation == own.incarnation) {
            Some(record) => *record = own,
            None => records.push(own),
        }
        Ok(Answer(LiveNodes { nodes: records.into_iter().map(Into::into).collect() }))
    }
}
