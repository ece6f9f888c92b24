//! Upgrades an HTTP request to a WebSocket: checks RFC 6455, section 4.2, and the gateway's own rules. Each failed
//! check has a distinct HTTP response.

mod forwarded;
pub(crate) mod origin;
mod refusal;
mod request_info;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use realtime_gateway_protocol::{Codec, ErrorCode};
use sha1::{Digest, Sha1};

pub(crate) use self::{
    forwarded::{Forwarding, is_trusted},
    origin::Origins,
    refusal::Refusal,
    request_info::{bearer, read_upgrade_info},
};
use crate::config::{Config, origin::Transport};

/// Appended to the key of the request to compute `Sec-WebSocket-Accept` (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks an upgrade request and returns the response that grants it.
///
/// # Errors
/// Returns the response that refuses it.
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
        return Err(Refusal::bad_request(
            "this is a WebSocket endpoint: the Upgrade header must be websocket, over HTTP/1.1",
        ));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::bad_request("the Connection header must contain Upgrade"));
    }
    if single(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let detail = "the Sec-WebSocket-Version header must be 13";
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, ErrorCode::InvalidMessage, detail);
        return Err(refusal.with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = single(headers, header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16))
        .ok_or_else(|| Refusal::bad_request("the Sec-WebSocket-Key header must be 16 bytes in base64"))?;
    if single(headers, header::HOST).is_none() {
        return Err(Refusal::bad_request("exactly one Host header is required"));
    }
    if has_body(headers) {
        return Err(Refusal::bad_request("an upgrade request must not have a body"));
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
    // If the client offers only unknown subprotocols, select none: the client decides whether to continue (section
    // 4.2.2).
    if let Some(codec) = offered_codec(headers) {
        granted.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
    }
    response
}

/// Returns the codec of a connection that is granted to a request with these headers.
fn codec(headers: &HeaderMap) -> Codec {
    offered_codec(headers).unwrap_or_default()
}

/// Returns the preferred codec among those that the client offers.
fn offered_codec(headers: &HeaderMap) -> Option<Codec> {
    Codec::negotiate(|name| has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, name))
}

/// Returns whether a comma-separated list, possibly spread over several headers, contains a token.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Returns whether a body follows the request head. Bytes after a head without a body are the client's first frames, so
/// treating a body as frames would allow request smuggling.
fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |length: &HeaderValue| length.as_bytes().trim_ascii() == b"0";
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).iter().all(is_empty)
}

/// Returns the value of a header that occurs exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}
