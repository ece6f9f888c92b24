//! Applies to every response: converts errors to problems, sets security headers, and lists the allowed methods of a
//! path.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use realtime_gateway_protocol::ErrorCode;
use serde_json::Value;

use super::{cors, problem::Problem};

/// The content security policy of responses that do not set one: nothing is allowed.
const DEFAULT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Wraps all routes.
pub(super) struct Guard<E> {
    routes: E,
    methods: Methods,
    /// The cross-origin rule for `/dev` and `/health`, with `--dev` only.
    cors: Option<cors::Loopback>,
}

impl<E: Endpoint> Guard<E> {
    /// Wraps the routes that the document describes.
    pub(super) fn new(routes: E, document: &Value, cors: Option<cors::Loopback>) -> Self {
        Self { routes, methods: Methods::from_document(document), cors }
    }

    async fn respond(&self, request: Request, path: &str) -> Response {
        match self.routes.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => {
                let problem = Problem::of_error(&error);
                if problem.is_method_not_allowed()
                    && let Ok(allow) = HeaderValue::from_str(&self.methods.allowed(path))
                {
                    return problem.with_header(header::ALLOW, allow).response();
                }
                problem.response()
            }
        }
    }
}

impl<E: Endpoint> Endpoint for Guard<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path().to_owned();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let shared = self.cors.filter(|_| cors::is_shared(&path)).zip(origin);
        let mut response = match &shared {
            Some((loopback, origin)) if !loopback.admits(origin) && path.starts_with("/dev") => {
                let detail = "only pages from loopback origins may use /dev";
                Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail).response()
            }
            Some((loopback, origin)) if loopback.admits(origin) && is_preflight => cors::preflight(),
            _ => self.respond(request, &path).await,
        };
        let headers = response.headers_mut();
        if let Some((loopback, origin)) = shared {
            loopback.mark(headers, origin);
        }
        set_security_headers(headers);
        Ok(response)
    }
}

fn set_security_headers(headers: &mut HeaderMap) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::CONTENT_SECURITY_POLICY, DEFAULT_POLICY);
    default(header::CACHE_CONTROL, "no-store");
}

/// The allowed methods of each path pattern.
struct Methods(Vec<(Vec<String>, String)>);

impl Methods {
    fn from_document(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(paths.map(|(path, operations)| (segments(path).map(str::to_owned).collect(), names(operations))).collect())
    }

    /// Returns the value of the `Allow` header (RFC 9110, section 10.2.1). Paths that are not in the document only
    /// support reading.
    fn allowed(&self, path: &str) -> String {
        let wanted: Vec<&str> = segments(path).collect();
        let fits = |pattern: &[String]| {
            let same = |(pattern, part): (&String, &&str)| pattern.starts_with('{') || pattern == part;
            pattern.len() == wanted.len() && pattern.iter().zip(&wanted).all(same)
        };
        let found = self.0.iter().find(|(pattern, _)| fits(pattern));
        found.map_or_else(|| "GET, HEAD".to_owned(), |(_, names)| names.clone())
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

fn names(operations: &Value) -> String {
    let methods = operations.as_object().into_iter().flat_map(|operations| operations.keys());
    let mut names: Vec<String> = methods.map(|method| method.to_uppercase()).collect();
    if names.iter().any(|name| name == "GET") {
        names.push("HEAD".to_owned());
    }
    names.join(", ")
}
