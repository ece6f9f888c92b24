//! From an HTTP request to a WebSocket: the checks of RFC 6455 section 4.2 and ours, each with its HTTP answer.

mod forwarded;
mod opening;
pub(crate) mod origin;
mod refusal;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use realtime_gateway_protocol::{ErrorCode, SUBPROTOCOL};
use sha1::{Digest, Sha1};

pub(crate) use self::{
    forwarded::{Forwarding, is_trusted},
    opening::{bearer, open},
    origin::Origins,
    refusal::Refusal,
};
use crate::config::{Config, origin::Transport};

/// Appended to the key of a request to make the answer's (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks a request for an upgrade and makes the answer that grants it.
///
/// # Errors
/// The HTTP answer that refuses it.
pub(crate) fn check(
    request: &Parts,
    config: &Config,
    origins: &Origins,
    transport: Transport,
) -> Result<Response<()>, Refusal> {
    if request.method != Method::GET {
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidMessage, "use GET");
        return Err(refusal.with(header::ALLOW, HeaderValue::from_static("GET")));
    }
    let headers = &request.headers;
    if request.version != http::Version::HTTP_11 || !has_token(headers, header::UPGRADE, "websocket") {
        return Err(Refusal::bad_request("this is a WebSocket: the header Upgrade must be websocket, over HTTP/1.1"));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::bad_request("the header Connection must name Upgrade"));
    }
    if single(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let detail = "the header Sec-WebSocket-Version must be 13";
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, ErrorCode::InvalidMessage, detail);
        return Err(refusal.with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = single(headers, header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16))
        .ok_or_else(|| Refusal::bad_request("the header Sec-WebSocket-Key must be 16 bytes in base64"))?;
    if single(headers, header::HOST).is_none() {
        return Err(Refusal::bad_request("one header Host is needed"));
    }
    if has_body(headers) {
        return Err(Refusal::bad_request("a request for a WebSocket has no body"));
    }
    origins.check(config, headers, transport)?;
    Ok(grant(headers, key))
}

fn grant(headers: &HeaderMap, key: &str) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let granted = response.headers_mut();
    granted.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    granted.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    if let Ok(accept) = HeaderValue::try_from(accept) {
        granted.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    // Where only others are offered, none is named: the client decides whether it goes on (section 4.2.2).
    if has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        granted.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

/// Whether a list, which may be spread over several headers, holds a token.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Whether a body follows the head. What follows a head without one are the client's first frames, so the two readings of
/// the same bytes must not be mixed.
fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |length: &HeaderValue| length.as_bytes().trim_ascii() == b"0";
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).iter().all(is_empty)
}

/// The value of a header that stands exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}
