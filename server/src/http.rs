//! Everything on the port that is not `/ws`: poem's routes, as one endpoint for the accept loop.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::combinators::BoxBody;
use hyper::{Request, Response, body::Incoming};
use poem::{
    Endpoint as _, EndpointExt, Route,
    endpoint::BoxEndpoint,
    get, handler,
    web::{LocalAddr, RemoteAddr},
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

#[handler]
fn live() -> &'static str {
    "ok"
}

/// The routes of a node.
pub fn routes(_node: &Arc<Node>) -> Routes {
    let public = Route::new().at("/health/live", get(live)).at("/health/ready", get(live));
    Routes { public: Endpoint(public.boxed()), internal: None }
}
