//! What a request says of its sender: address, credentials, device, client instance.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Request, StatusCode, header};
use realtime_gateway_protocol::{ClientInfo, DeviceId, ErrorCode};

use super::refusal::Refusal;
use crate::{
    auth::{AuthError, Identity},
    config::Config,
    node::Node,
    router::Opening,
};

/// Whether an address is a proxy whose word on the client's address is taken.
pub(super) fn is_trusted(config: &Config, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    config.proxies_trusted.iter().any(|network| network.contains(&peer))
}

/// The client's address: the last one of `X-Forwarded-For` that no trusted proxy has, when a trusted proxy sends it.
pub(super) fn peer(config: &Config, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    if !is_trusted(config, peer) {
        return peer;
    }
    let told = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let addresses: Vec<IpAddr> = told.filter_map(|address| address.trim().parse().ok()).collect();
    addresses.into_iter().rev().find(|address| !is_trusted(config, *address)).unwrap_or(peer)
}

/// Reads what the request says, and verifies a token in its header.
pub(super) async fn read<B>(node: &Arc<Node>, request: &Request<B>, peer: IpAddr) -> Result<Opening, Refusal> {
    let headers = request.headers();
    let mut opening =
        Opening { peer, identity: identity(node, headers).await?, query_token: None, device: None, client: None };
    let (mut instance, mut attempt) = (None, None);
    let query = request.uri().query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "token" => opening.query_token = Some(value.into_owned()),
            "deviceId" => opening.device = Some(device(&value)?),
            "instance" => instance = Some(value.into_owned()),
            "attempt" => attempt = value.parse().ok(),
            _ => {}
        }
    }
    if let Some(value) = headers.get("x-device-id") {
        opening.device = Some(device(value.to_str().unwrap_or_default())?);
    }
    if instance.is_some() {
        let (name, version) = ("unknown".into(), "unknown".into());
        opening.client = Some(ClientInfo { name, version, instance, attempt });
    }
    Ok(opening)
}

fn device(text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::new(text).map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "deviceId is no identifier"))
}

async fn identity(node: &Node, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let unauthorized = |message| {
        let refusal = Refusal::coded(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message);
        refusal.header("www-authenticate", "Bearer").outcome("unauthorized")
    };
    let value = value.to_str().unwrap_or_default();
    let Some((_, token)) = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(unauthorized("the Authorization header is `Bearer <token>`"));
    };
    match node.auth.verify(token.trim()).await {
        Ok(identity) => Ok(Some(identity)),
        Err(error) => {
            node.metrics.auth_failure(&error);
            Err(match error {
                AuthError::Unavailable => {
                    let message = "the token cannot be checked now";
                    let refusal = Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message);
                    refusal.header("retry-after", "1").outcome("unauthorized")
                }
                AuthError::Expired => unauthorized("the token has expired"),
                AuthError::Invalid(_) => unauthorized("the token is not valid"),
            })
        }
    }
}
