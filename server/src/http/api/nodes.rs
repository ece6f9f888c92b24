//! Lists the live nodes.

use std::{collections::BTreeMap, sync::Arc};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::contracts_of,
    http::{
        NodeView,
        body::JsonResponse,
        key::{Key, Read},
        problem::Problem,
        tags::Tag,
    },
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
    /// The id of the node.
    id: String,
    /// The address that it listens on.
    address: String,
    /// The number of open connections.
    connections: u64,
    /// The version of the gateway.
    version: String,
    /// When the node started.
    started: Timestamp,
    /// Whether the node is shutting down.
    draining: bool,
    /// The fingerprint of the contract of each declared service. Nodes with the same contracts have the same fingerprints.
    contracts: BTreeMap<String, String>,
}

/// The route that lists the nodes.
pub(in crate::http) struct Nodes;

impl From<NodeRecord> for LiveNode {
    fn from(record: NodeRecord) -> Self {
        let contracts = contracts_of(&record).unwrap_or_default();
        let contracts = contracts.into_iter().map(|(name, print)| (name.to_owned(), print.to_owned())).collect();
        let NodeRecord { id, address, connections, version, started, draining, .. } = record;
        Self { id, address, connections, version, started, draining, contracts }
    }
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Operation")]
impl Nodes {
    /// List the live nodes.
    ///
    /// A node that was killed is listed until its lease expires, half a minute later.
    #[oai(path = "/nodes", method = "get", operation_id = "getNodes")]
    async fn nodes(&self, _key: Key<Read>, view: Data<&Arc<NodeView>>) -> Result<JsonResponse<LiveNodes>, Problem> {
        Ok(JsonResponse(LiveNodes { nodes: view.nodes().await?.into_iter().map(Into::into).collect() }))
    }
}
