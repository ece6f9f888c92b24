//! What holds for every answer: errors are problems, browsers are told what a page may do, a wrong method names the
//! right ones.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use realtime_gateway_protocol::ErrorCode;
use serde_json::Value;

use super::{cors, problem::Problem};

/// What an answer may do that does not say so itself: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Stands before all routes.
pub(super) struct Guard<E> {
    routes: E,
    methods: Methods,
    /// Whether pages of this machine may use `/dev` and `/health`.
    cors: Option<cors::Loopback>,
}

impl<E: Endpoint> Guard<E> {
    /// Guards the routes that a document describes.
    pub(super) fn new(routes: E, document: &Value, cors: Option<cors::Loopback>) -> Self {
        Self { routes, methods: Methods::of(document), cors }
    }

    async fn answer(&self, request: Request, path: &str) -> Response {
        match self.routes.call(request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => {
                let problem = Problem::of_error(&error);
                if problem.is_method_not_allowed()
                    && let Ok(allow) = HeaderValue::from_str(&self.methods.at(path))
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
                let detail = "only pages of this machine may use /dev";
                Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail).response()
            }
            Some((loopback, origin)) if loopback.admits(origin) && is_preflight => cors::preflight(),
            _ => self.answer(request, &path).await,
        };
        let headers = response.headers_mut();
        if let Some((loopback, origin)) = shared {
            loopback.mark(headers, origin);
        }
        secure(headers);
        Ok(response)
    }
}

fn secure(headers: &mut HeaderMap) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::CONTENT_SECURITY_POLICY, POLICY);
    default(header::CACHE_CONTROL, "no-store");
}

/// The methods of every path.
struct Methods(Vec<(Vec<String>, String)>);

impl Methods {
    fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(paths.map(|(path, operations)| (segments(path).map(str::to_owned).collect(), names(operations))).collect())
    }

    /// The value of `Allow` (RFC 9110, section 10.2.1). What the document does not show is there to be read.
    fn at(&self, path: &str) -> String {
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
