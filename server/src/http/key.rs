//! API keys: who may use `/api/v1`, and what for.

use std::marker::PhantomData;

use http::{StatusCode, header};
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use realtime_gateway_protocol::ErrorCode;

use super::{problem::Problem, request_node};
use crate::{
    config::Scope,
    telemetry::{SecurityEvent, SecurityKind, log_limited},
};

/// The name of the keys in the OpenAPI document.
pub(super) const SCHEME: &str = "apiKey";

/// What a route needs a key for.
pub(super) trait Needs: Send {
    /// The scope.
    const SCOPE: Scope;
    /// The scope as a name of a security scheme, which the document takes apart again: poem-openapi knows of scopes only
    /// for OAuth.
    const SCHEME: &'static str;
}

/// To send notifications, messages and events.
pub(super) struct Publish;
/// To read history, sessions and nodes.
pub(super) struct Read;
/// To disconnect, unsubscribe and delete.
pub(super) struct Admin;

impl Needs for Publish {
    const SCOPE: Scope = Scope::Publish;
    const SCHEME: &'static str = "apiKey:publish";
}
impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
    const SCHEME: &'static str = "apiKey:read";
}
impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
    const SCHEME: &'static str = "apiKey:admin";
}

/// A request came with a key that may do this.
pub(super) struct Key<N>(PhantomData<N>);

impl<'a, N: Needs> ApiExtractor<'a> for Key<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("A key of `auth.api_keys`, with the scope `publish`, `read` or `admin`."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![N::SCHEME]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let node = request_node(request)?;
        let Some(presented) = bearer(request) else {
            return Err(Problem::unauthorized("send Authorization: Bearer <api key>").into());
        };
        let Some((name, scopes)) = node.api_keys.check(presented) else {
            let (kind, reason) = (SecurityKind::RefusedToken, "there is no such API key");
            let address = request.remote_addr().as_socket_addr().map(|address| address.ip().to_canonical());
            node.metrics.security_event(SecurityEvent { kind, address, user: None, reason });
            return Err(Problem::unauthorized("there is no such API key").into());
        };
        if !scopes.contains(&N::SCOPE) {
            log_limited!(WARN, { key = name, scope = ?N::SCOPE }, "an API key lacks a scope");
            let detail = match N::SCOPE {
                Scope::Publish => "this API key lacks the scope `publish`",
                Scope::Read => "this API key lacks the scope `read`",
                Scope::Admin => "this API key lacks the scope `admin`",
            };
            return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail).into());
        }
        Ok(Self(PhantomData))
    }
}

/// The bearer token of a request (RFC 6750, section 2.1).
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
