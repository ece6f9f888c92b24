//! What a request says of its sender: address, credentials, device, client instance.

use std::net::IpAddr;

use http::{HeaderMap, header, request::Parts};
use realtime_gateway_protocol::{ClientInfo, DeviceId, ErrorCode};

use super::refusal::Refusal;
use crate::{
    auth::{AuthError, Identity},
    conversation::Reception,
    router::Opening,
};

/// Reads what the request says, and verifies a token in its header. No refusal repeats the query: it may hold a token.
///
/// # Errors
/// The answer to a bad token in the header, or to a parameter that cannot be.
pub(crate) async fn open<R: Reception>(node: &R, request: &Parts, peer: IpAddr) -> Result<Opening, Refusal> {
    let headers = &request.headers;
    let mut opening =
        Opening { peer, identity: identity(node, headers, peer).await?, query_token: None, device: None, client: None };
    let (mut instance, mut attempt) = (None, None);
    let query = request.uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "token" => opening.query_token = Some(value.into_owned()),
            "deviceId" => opening.device = Some(device(&value)?),
            // An instance is bounded like an identifier.
            "instance" => instance = Some(device(&value)?.as_str().to_owned()),
            "attempt" => {
                attempt = Some(value.parse().map_err(|_| Refusal::bad_request("attempt is no number"))?);
            }
            _ => {}
        }
    }
    if let Some(value) = headers.get("x-device-id") {
        // An identifier may hold any characters, which a header carries as UTF-8.
        opening.device = Some(device(std::str::from_utf8(value.as_bytes()).unwrap_or_default())?);
    }
    if instance.is_some() {
        let (name, version) = ("unknown".into(), "unknown".into());
        opening.client = Some(ClientInfo { name, version, instance, attempt });
    }
    Ok(opening)
}

fn device(text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::new(text).map_err(|_| Refusal::bad_request("deviceId or instance is no identifier"))
}

async fn identity<R: Reception>(node: &R, headers: &HeaderMap, peer: IpAddr) -> Result<Option<Identity>, Refusal> {
    let Some(token) = bearer(headers) else { return Ok(None) };
    let unauthorized = |message| Refusal::unauthorized(ErrorCode::Unauthorized, message);
    match node.verify(token, peer).await {
        Ok(identity) => Ok(Some(identity)),
        Err(AuthError::Unavailable) => Err(Refusal::token_unchecked()),
        Err(AuthError::Throttled(after)) => {
            Err(Refusal::too_many("too many tokens from this address are not valid", after).outcome("unauthorized"))
        }
        Err(AuthError::Expired) => Err(Refusal::unauthorized(ErrorCode::TokenExpired, "the token has expired")),
        Err(AuthError::Invalid(_)) => Err(unauthorized("the token is not valid")),
    }
}

/// The token of the `Authorization` header. Other schemes are not the gateway's: a proxy in front of it may have asked
/// for them, as a staging system behind basic authentication does.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(header::AUTHORIZATION).into_iter().find_map(|value| {
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
            // No token has such characters, so it is not valid; it is not absent.
            return value.as_bytes().get(..6).filter(|start| start.eq_ignore_ascii_case(b"bearer")).map(|_| "");
        };
        let (scheme, token) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}
