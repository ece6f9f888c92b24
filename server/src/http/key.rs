//! API keys: authorizes requests to `/api/v1` by the scopes of the key.

use std::marker::PhantomData;

use http::{StatusCode, header};
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use realtime_gateway_protocol::{ErrorCode, ServiceName};

use super::{NodeView, problem::Problem, request_part};
use crate::{
    auth::ApiKeys,
    config::Scope,
    telemetry::{SecurityEvent, SecurityKind, log_limited},
};

/// The name of the security scheme in the OpenAPI document.
pub(super) const SCHEME: &str = "apiKey";
/// The beginning of the paths of the routes of one service.
const SERVICES: &str = "/api/v1/services/";

/// The scope that a route requires.
pub(super) trait RequiredScope: Send {
    /// The required scope.
    const SCOPE: Scope;
    /// The scope as part of the name of a security scheme. poem-openapi supports scopes only for OAuth, so
    /// `document.rs` extracts it from the name again.
    const SCHEME: &'static str;
}

/// The scope to send notifications, messages and events.
pub(super) struct Publish;
/// The scope to read history, sessions and nodes.
pub(super) struct Read;
/// The scope to disconnect, unsubscribe and delete.
pub(super) struct Admin;

impl RequiredScope for Publish {
    const SCOPE: Scope = Scope::Publish;
    const SCHEME: &'static str = "apiKey:publish";
}
impl RequiredScope for Read {
    const SCOPE: Scope = Scope::Read;
    const SCHEME: &'static str = "apiKey:read";
}
impl RequiredScope for Admin {
    const SCOPE: Scope = Scope::Admin;
    const SCHEME: &'static str = "apiKey:admin";
}

/// Proves that a request has an API key with the required scope.
pub(super) struct Key<N>(PhantomData<N>);

impl<'a, N: RequiredScope> ApiExtractor<'a> for Key<N> {
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
        authorize::<N>(request)?;
        Ok(Self(PhantomData))
    }
}

/// Checks that a request has an API key with the required scope, and that the key may use the route.
pub(super) fn authorize<N: RequiredScope>(request: &Request) -> Result<(), Problem> {
    let keys = request_part::<ApiKeys>(request)?;
    let Some(presented) = bearer(request) else {
        return Err(Problem::unauthorized("send Authorization: Bearer <api key>"));
    };
    let Some(key) = keys.check(presented) else {
        let (kind, reason) = (SecurityKind::RefusedToken, "the API key is not valid");
        let address = request.remote_addr().as_socket_addr().map(|address| address.ip().to_canonical());
        request_part::<NodeView>(request)?.parts.metrics.security_event(SecurityEvent {
            kind,
            address,
            user: None,
            reason,
        });
        return Err(Problem::unauthorized("the API key is not valid"));
    };
    if !key.scopes.contains(&N::SCOPE) {
        log_limited!(WARN, { key = key.name, scope = ?N::SCOPE }, "an API key lacks the required scope");
        let detail = match N::SCOPE {
            Scope::Publish => "this API key lacks the scope `publish`",
            Scope::Read => "this API key lacks the scope `read`",
            Scope::Admin => "this API key lacks the scope `admin`",
        };
        return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail));
    }
    let service = service_of_path(request.original_uri().path());
    let is_among = |services: &Vec<ServiceName>| services.iter().any(|name| Some(name.as_str()) == service);
    if !key.services.as_ref().is_none_or(is_among) {
        log_limited!(WARN, { key = key.name, service }, "an API key is limited to other services");
        let detail = "this API key is limited to the routes of other services (auth.api_keys: services)";
        return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail));
    }
    Ok(())
}

/// Returns the service whose route a path is. A name that is percent-encoded is none of a service, because names have no
/// characters that need it.
fn service_of_path(path: &str) -> Option<&str> {
    path.strip_prefix(SERVICES)?.split('/').next()
}

/// Returns the bearer token of a request (RFC 6750, section 2.1).
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
