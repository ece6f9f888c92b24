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
        tags::Tag,
    },
    node::Node,
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
    connections: i64,
    /// Its version.
    version: &'static str,
    /// When it began.
    started: Timestamp,
    /// Whether it is on its way out.
    draining: bool,
}

/// The route of nodes.
pub(in crate::http) struct Nodes;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Operation")]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Nodes {
    /// List the live nodes.
    #[oai(path = "/nodes", method = "get", operation_id = "getNodes")]
    async fn nodes(&self, _key: Key<Read>, node: Data<&Arc<Node>>) -> Answer<LiveNodes> {
        let config = node.config();
        let this = LiveNode {
            id: config.node_id.clone(),
            address: node.address().to_string(),
            connections: node.metrics.connections_active.get(),
            version: env!("CARGO_PKG_VERSION"),
            started: node.started_at,
            draining: node.is_draining(),
        };
        Answer(LiveNodes { nodes: vec![this] })
    }
}
