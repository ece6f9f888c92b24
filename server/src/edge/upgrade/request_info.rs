//! Reads what an upgrade request says about the client: address, credentials, device and client instance.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, header, request::Parts};
use realtime_gateway_protocol::{ClientInfo, DeviceId, ErrorCode};

use super::refusal::Refusal;
use crate::{
    auth::{AuthError, Identity},
    edge::context::EdgeContext,
    session::UpgradeInfo,
    telemetry::trace,
};

/// Reads the request, and verifies the token in its `Authorization` header. Refusals never repeat the query string,
/// because it may contain a token.
///
/// # Errors
/// Returns the response to an invalid token in the header, or to an invalid parameter.
pub(crate) async fn read_upgrade_info<R: EdgeContext>(
    node: &R,
    request: &Parts,
    peer: IpAddr,
) -> Result<UpgradeInfo, Refusal> {
    let headers = &request.headers;
    let mut info = UpgradeInfo {
        peer,
        identity: identity(node, headers, peer).await?,
        query_token: None,
        device: None,
        client: None,
        codec: super::codec(headers),
        trace: trace::of_headers(headers),
    };
    let (mut instance, mut attempt) = (None, None);
    let query = request.uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "token" => info.query_token = Some(value.into_owned()),
            "deviceId" => info.device = Some(device(&value)?),
            // An instance id has the same syntax as a device id.
            "instance" => instance = Some(device(&value)?.as_str().to_owned()),
            "attempt" => {
                attempt = Some(value.parse().map_err(|_| Refusal::bad_request("attempt is not a number"))?);
            }
            _ => {}
        }
    }
    if let Some(value) = headers.get("x-device-id") {
        // An identifier may contain any characters. A header carries them as UTF-8.
        info.device = Some(device(std::str::from_utf8(value.as_bytes()).unwrap_or_default())?);
    }
    if instance.is_some() {
        let (name, version) = ("unknown".into(), "unknown".into());
        info.client = Some(ClientInfo { name, version, instance, attempt });
    }
    Ok(info)
}

fn device(text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::new(text).map_err(|_| Refusal::bad_request("deviceId or instance is not an identifier of 1 to 128 bytes"))
}

async fn identity<R: EdgeContext>(node: &R, headers: &HeaderMap, peer: IpAddr) -> Result<Option<Identity>, Refusal> {
    let Some(token) = bearer(headers) else { return Ok(None) };
    let unauthorized = |message| Refusal::unauthorized(ErrorCode::Unauthorized, message);
    match node.verify(token, peer).await {
        Ok(identity) => Ok(Some(identity)),
        Err(AuthError::Unavailable) => Err(Refusal::token_unchecked()),
        Err(AuthError::Throttled(after)) => {
            Err(Refusal::too_many("too many invalid tokens from this address", after).outcome("unauthorized"))
        }
        Err(AuthError::Expired) => Err(Refusal::unauthorized(ErrorCode::TokenExpired, "the token has expired")),
        Err(error @ AuthError::Blocked { .. }) => {
            Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, error.to_string()).outcome("blocked"))
        }
        Err(AuthError::Invalid(_)) => Err(unauthorized("the token is not valid")),
    }
}

/// Returns the token of the `Authorization` header. Other schemes are ignored: they may be meant for a proxy in front
/// of the gateway, such as basic authentication of a staging system.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(header::AUTHORIZATION).into_iter().find_map(|value| {
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
            // A token never contains such characters. Return an empty token, so that it counts as invalid rather than
            // absent.
            return value.as_bytes().get(..6).filter(|start| start.eq_ignore_ascii_case(b"bearer")).map(|_| "");
        };
        let (scheme, token) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}
