//! The upgrade: from an HTTP request on `/ws` to a connection, with every check of RFC 6455, section 4.2.

mod opening;
pub(crate) mod origin;
mod refusal;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use realtime_gateway_protocol::{ErrorCode, SUBPROTOCOL};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};

use self::{origin::Origins, refusal::Refusal};
use crate::{
    accept::{Gate, Pass},
    connection::{self, Bounds},
    node::Node,
    outbound::Outbound,
    router::Router,
};

/// What a key is joined with before it is hashed (RFC 6455, section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The way to `/ws`.
pub struct Door {
    node: Arc<Node>,
    gate: Gate,
    origins: Origins,
}

impl Door {
    /// The way into a node.
    pub fn new(node: Arc<Node>, gate: Gate) -> Self {
        Self { node, gate, origins: Origins::default() }
    }

    /// Whether an address may connect once more. Behind a trusted proxy that is looked at when the request is read.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let config = self.node.config();
        opening::is_trusted(&config, peer) || self.gate.attempt(peer, config.limits.connects_per_ip_per_minute)
    }
}

/// Answers a request on `/ws`: with the upgrade, behind which the connection runs as a task of its own, or with why not.
pub async fn answer<S>(door: &Arc<Door>, request: Request<Incoming>, peer: SocketAddr) -> Response<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match try_answer::<S>(door, request, peer).await {
        Ok(response) => response,
        Err(refusal) => {
            door.node.metrics.connections_total.with_label_values(&[refusal.outcome]).inc();
            refusal.response()
        }
    }
}

async fn try_answer<S>(
    door: &Arc<Door>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Bytes>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let node = door.node.clone();
    let config = node.config();
    let accept = check_handshake(&request)?;
    door.origins.check(&config, request.headers())?;
    let peer = opening::peer(&config, request.headers(), peer.ip());
    let pass = admit(door, peer)?;
    let opening = opening::read(&node, &request, peer).await?;

    let subprotocol = offers(request.headers(), SUBPROTOCOL);
    let upgrading = hyper::upgrade::on(&mut request);
    let outbound = Arc::new(Outbound::new(config.limits.outbound_queue));
    let bounds = Bounds { message_bytes: config.limits.message_bytes, heartbeat: config.heartbeat };
    drop(config);
    node.metrics.connections_total.with_label_values(&["upgraded"]).inc();
    node.tasks.clone().spawn(async move {
        let Ok(Ok(parts)) = upgrading.await.map(hyper::upgrade::Upgraded::downcast::<TokioIo<S>>) else {
            tracing::debug!("a client was gone before its upgrade was done");
            return;
        };
        let (io, early) = (parts.io.into_inner(), parts.read_buf.to_vec());
        let router = Router::new(node.clone(), outbound.clone(), opening);
        connection::run(io, early, outbound, node.metrics.clone(), bounds, router).await;
        drop(pass);
    });
    Ok(switching(&accept, subprotocol))
}

/// The checks of RFC 6455, section 4.2.1; gives the value of `Sec-WebSocket-Accept`.
fn check_handshake(request: &Request<Incoming>) -> Result<String, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET").header("allow", "GET")
        );
    }
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "a WebSocket is opened with HTTP/1.1"));
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: send Upgrade: websocket");
        return Err(refusal.header("upgrade", "websocket").header("connection", "upgrade"));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the Connection header lacks `upgrade`; a proxy may have removed it",
        ));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, "the WebSocket version is 13");
        return Err(refusal.header("sec-websocket-version", "13"));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "one Sec-WebSocket-Key is needed"));
    };
    if BASE64_STANDARD.decode(key.as_bytes()).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is 16 bytes in base64"));
    }
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(KEY_SUFFIX).finalize();
    Ok(BASE64_STANDARD.encode(digest))
}

/// Whether a comma-separated header has a word, whatever its case.
fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let words = |value: &HeaderValue| {
        value.to_str().unwrap_or_default().split(',').any(|word| word.trim().eq_ignore_ascii_case(token))
    };
    headers.get_all(name).iter().any(words)
}

fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, subprotocol)
}

/// Takes a place among the connections, of the node and of the address.
fn admit(door: &Door, peer: IpAddr) -> Result<Pass, Refusal> {
    let node = &door.node;
    let limits = node.config().limits;
    if usize::try_from(node.metrics.connections_active.get()).unwrap_or(0) >= limits.connections {
        let refusal = Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, "the node is full");
        return Err(refusal.header("retry-after", "5").outcome("node_full"));
    }
    door.gate.enter(peer, limits.connections_per_ip).ok_or_else(|| {
        node.metrics.rate_limited("connections_per_ip");
        let message = "too many connections from this address";
        let refusal = Refusal::coded(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, message);
        refusal.header("retry-after", "60").outcome("address_full")
    })
}

fn switching(accept: &str, subprotocol: bool) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}
