//! The HTTP API and pages: every path except `/ws`. Combines the poem routes into one endpoint for the accept loop.

mod api;
mod body;
mod bounded;
mod cors;
mod declared;
mod demo;
mod dev;
mod document;
mod documents;
mod front_page;
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
mod view;

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

pub(crate) use self::view::{NodeView, NodeViewParts};
use self::{
    api::{Clans, Inspection, Nodes, Notifications, Services, Subscriptions, Tails, Users, Webhooks},
    demo::Demo,
    dev::Dev,
    document::describe,
    documents::DocumentSets,
    front_page::FrontPage,
    guard::Guard,
    health::{FullHealth, Probes, PublicHealth},
    pages::Pages,
    problem::Problem,
    scrape::Scrape,
};
use crate::{
    auth::ApiKeys,
    cluster::Inspector,
    commands::{
        ClanChat, Follower, Notifications as NotificationService, ServerSubscriptions, Services as ServiceRegistry,
    },
    session::{Blocks, Sessions},
    telemetry::trace::{self, in_trace},
    webhooks::Webhooks as WebhookSenders,
};

/// The media type of a response of lines of JSON without an end. The edge does not limit how long it takes.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The body of a response.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// Routes that handle HTTP requests.
pub struct Endpoint(BoxEndpoint<'static>);

impl Endpoint {
    /// Handles a request. Errors are converted to problem responses.
    pub async fn respond(&self, request: Request<Incoming>, peer: SocketAddr, scheme: Scheme) -> Response<Body> {
        let peer = poem::Addr::from(peer);
        let request: poem::Request = (request, LocalAddr(peer.clone()), RemoteAddr(peer), scheme).into();
        let trace = trace::of_headers(request.headers());
        in_trace(trace, self.0.get_response(request)).await.into()
    }
}

impl From<BoxEndpoint<'static>> for Endpoint {
    fn from(endpoint: BoxEndpoint<'static>) -> Self {
        Self(endpoint)
    }
}

/// The routes of the client port and, with `internal.listen`, those of the operators' port.
pub struct Routes {
    /// The routes of the client port.
    pub public: Endpoint,
    /// The routes for operators and backend services.
    pub internal: Option<Endpoint>,
}

/// The parts of the gateway that the routes need.
#[derive(Clone)]
pub(crate) struct RouteParts {
    pub(crate) view: Arc<NodeView>,
    pub(crate) notifications: Arc<NotificationService>,
    pub(crate) clan_chat: Arc<ClanChat>,
    pub(crate) services: Arc<ServiceRegistry>,
    pub(crate) server_subscriptions: Arc<ServerSubscriptions>,
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) webhooks: Arc<WebhookSenders>,
    pub(crate) api_keys: Arc<ApiKeys>,
}

/// Builds the routes of a gateway.
pub(crate) fn routes(parts: &RouteParts) -> Routes {
    let config = parts.view.config();
    let everything = match (config.dev, config.demo_enabled) {
        (true, _) => endpoint_with_demo(parts, (all(), Dev), FrontPage::Demo),
        (false, true) => endpoint_with_demo(parts, all(), FrontPage::Everything { demo: true }),
        (false, false) => endpoint(parts, all(), FrontPage::Everything { demo: false }),
    };
    if config.internal_listen.is_some() {
        let public = endpoint(parts, (PublicHealth, Probes), FrontPage::Health);
        return Routes { public, internal: Some(everything) };
    }
    Routes { public: everything, internal: None }
}

/// Returns the OpenAPI document of a gateway without `--dev`.
pub fn openapi_document() -> Value {
    describe(all()).1
}

/// Returns the routes that every gateway serves.
fn all() -> impl OpenApi + 'static {
    (
        (FullHealth, Probes, Scrape, Pages),
        ((Notifications, Clans, Services, Users, Subscriptions), (Inspection, Tails, Nodes, Webhooks)),
    )
}

fn endpoint(parts: &RouteParts, apis: impl OpenApi + 'static, page: FrontPage) -> Endpoint {
    let (service, document) = describe(apis);
    guarded(parts, page.wrap(service.into_endpoint()), &document)
}

fn endpoint_with_demo(parts: &RouteParts, apis: impl OpenApi + 'static, page: FrontPage) -> Endpoint {
    let (service, document) = describe(apis);
    guarded(parts, page.wrap(Demo::wrap(service.into_endpoint())), &document)
}

fn guarded(parts: &RouteParts, routes: impl poem::Endpoint + 'static, document: &Value) -> Endpoint {
    let RouteParts {
        view,
        notifications,
        clan_chat,
        services,
        server_subscriptions,
        inspector,
        follower,
        sessions,
        blocks,
        webhooks,
        api_keys,
    } = parts.clone();
    let documents = Arc::new(DocumentSets::new(document, services.table().clone()));
    let cors = view.config().dev.then_some(cors::Loopback);
    let guard = Guard::new(routes, document, cors);
    let api = guard.data(notifications).data(clan_chat).data(services).data(sessions).data(blocks);
    let api = api.data(server_subscriptions).data(inspector).data(follower).data(webhooks);
    Endpoint(api.data(view).data(api_keys).data(documents).boxed())
}

/// Returns a part that was attached when the routes were built.
fn request_part<T: Send + Sync + 'static>(request: &poem::Request) -> Result<&Arc<T>, Problem> {
    request.data::<Arc<T>>().ok_or_else(|| {
        let detail = "internal error";
        Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, realtime_gateway_protocol::ErrorCode::Internal, detail)
    })
}
