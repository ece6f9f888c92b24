//! Everything on the port that is not `/ws`: poem's routes, as one endpoint for the accept loop.

mod api;
mod body;
mod bounded;
mod cors;
mod demo;
mod dev;
mod document;
mod guard;
mod health;
mod key;
mod pages;
mod parameter;
mod problem;
mod schema;
mod scrape;
mod tags;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::combinators::BoxBody;
use hyper::{Request, Response, body::Incoming};
use poem::{
    Endpoint as _, EndpointExt, IntoEndpoint,
    endpoint::BoxEndpoint,
    web::{LocalAddr, RemoteAddr},
};
use poem_openapi::OpenApi;
use serde_json::Value;

use self::{
    api::{Clans, Nodes, Notifications, Services, Users},
    demo::Demo,
    dev::Dev,
    document::describe,
    guard::Guard,
    health::{FullHealth, Probes, PublicHealth},
    pages::{Library, Pages},
    problem::Problem,
    scrape::Scrape,
};
use crate::node::Node;

/// The body of an answer.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// Routes that answer requests.
pub struct Endpoint(BoxEndpoint<'static>);

impl Endpoint {
    /// Answers a request. An error becomes the answer that it stands for.
    pub async fn answer(&self, request: Request<Incoming>, peer: SocketAddr, scheme: Scheme) -> Response<Body> {
        let peer = poem::Addr::from(peer);
        let request: poem::Request = (request, LocalAddr(peer.clone()), RemoteAddr(peer), scheme).into();
        self.0.get_response(request).await.into()
    }
}

impl From<BoxEndpoint<'static>> for Endpoint {
    fn from(endpoint: BoxEndpoint<'static>) -> Self {
        Self(endpoint)
    }
}

/// The routes of the port that clients connect to, and with `internal.listen` those of the other.
pub struct Routes {
    /// For everybody.
    pub public: Endpoint,
    /// For operators and backend services.
    pub internal: Option<Endpoint>,
}

/// The routes of a node.
pub fn routes(node: &Arc<Node>) -> Routes {
    let everything = match (node.config().dev, node.config().demo_enabled) {
        (true, _) => endpoint_with_demo(node, (all(), Dev)),
        (false, true) => endpoint_with_demo(node, all()),
        (false, false) => endpoint(node, all()),
    };
    if node.config().internal_listen.is_some() {
        return Routes { public: endpoint(node, (PublicHealth, Probes)), internal: Some(everything) };
    }
    Routes { public: everything, internal: None }
}

/// The OpenAPI document of a gateway without `--dev`.
pub fn openapi_document() -> Value {
    describe(all()).1
}

/// What every gateway serves.
fn all() -> impl OpenApi + 'static {
    ((FullHealth, Probes, Scrape, Pages), (Notifications, Clans, Services, Users, Nodes))
}

fn endpoint(node: &Arc<Node>, apis: impl OpenApi + 'static) -> Endpoint {
    let (service, document) = describe(apis);
    guarded(node, service.into_endpoint(), &document)
}

fn endpoint_with_demo(node: &Arc<Node>, apis: impl OpenApi + 'static) -> Endpoint {
    let (service, document) = describe(apis);
    guarded(node, Demo::before(service.into_endpoint()), &document)
}

fn guarded(node: &Arc<Node>, routes: impl poem::Endpoint + 'static, document: &Value) -> Endpoint {
    let library = Arc::new(Library::new(document, &node.service_names()));
    let cors = node.config().dev.then_some(cors::Loopback);
    let guard = Guard::new(routes, document, cors);
    Endpoint(guard.data(node.clone()).data(library).boxed())
}

/// The node that a request came to.
fn request_node(request: &poem::Request) -> Result<&Arc<Node>, Problem> {
    request.data::<Arc<Node>>().ok_or_else(|| {
        let detail = "internal error";
        Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, realtime_gateway_protocol::ErrorCode::Internal, detail)
    })
}
