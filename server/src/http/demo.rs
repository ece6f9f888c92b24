//! `/demo`: the demo page and the browser SDK that it uses. A release build embeds them in the binary. Any other build
//! reads them from the source tree for each request, so that it need not wait for the SDK, and shows each change of them.

mod files;

use http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result, error::MethodNotAllowedError};

use self::files::Files;
use super::problem::Problem;

include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// What the page may do: nothing is loaded from another host, and nothing in the page itself runs.
const POLICY: &str = include_str!("../../../web-demo/csp.txt");

/// What stands in for the page while there is no SDK.
const WITHOUT_SDK: &str = "without-sdk.html";

/// The module of the SDK that the page loads first.
const SDK_ENTRY: &str = "index.js";

/// Where the page without the SDK reads how far the build of the SDK is.
const SDK_STATUS: &str = "sdk-status";

/// Serves the demo page before all other routes.
pub(super) struct Demo<E> {
    routes: E,
}

impl<E: Endpoint> Demo<E> {
    /// These routes, with the page before them.
    pub(super) fn before(routes: E) -> Self {
        Self { routes }
    }
}

impl<E: Endpoint> Endpoint for Demo<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        match path.strip_prefix("/demo").filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            None => self.routes.call(request).await.map(IntoResponse::into_response),
            Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => Err(MethodNotAllowedError.into()),
            // The page names its parts relative to itself.
            Some("") => Ok(moved(request.uri().query())),
            Some(rest) => file(rest.trim_start_matches('/')).map_err(Into::into),
        }
    }
}

fn moved(query: Option<&str>) -> Response {
    let to = query.map_or_else(|| "demo/".to_owned(), |query| format!("demo/?{query}"));
    Response::builder().status(StatusCode::PERMANENT_REDIRECT).header(header::LOCATION, to).finish()
}

/// The file at this path below `/demo/`.
fn file(path: &str) -> Result<Response, Problem> {
    let page = if SDK.has(SDK_ENTRY) { "index.html" } else { WITHOUT_SDK };
    let path = if path.is_empty() || path == "index.html" { page } else { path };
    let found = match path.strip_prefix("sdk/") {
        Some(path) => SDK.get(path),
        None if path == SDK_STATUS => STATUS.and_then(files::text),
        None => PAGE.get(path),
    };
    let Some(bytes) = found else {
        return Err(Problem::not_found("there is no such file in the demo"));
    };
    let mut response = Response::builder().content_type(content_type(path)).body(bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY.trim_ascii_end()));
    // A browser that has the page asks whether there is a newer one, so that it never mixes two releases.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        None => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt as _, endpoint::make_sync};

    use super::*;

    async fn asked(method: Method, path: &str) -> Response {
        let routes = make_sync(|_| "the routes");
        Demo::before(routes)
            .map_to_response()
            .get_response(Request::builder().method(method).uri_str(path).finish())
            .await
    }

    #[tokio::test]
    async fn the_page_and_its_parts_come_with_the_policy() {
        for (path, content_type) in [
            ("/demo/", "text/html; charset=utf-8"),
            ("/demo/index.html", "text/html; charset=utf-8"),
            ("/demo/style.css", "text/css; charset=utf-8"),
            ("/demo/app.js", "text/javascript; charset=utf-8"),
            ("/demo/favicon.svg", "image/svg+xml"),
        ] {
            let response = asked(Method::GET, path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.content_type(), Some(content_type), "{path}");
            let policy = response.header(header::CONTENT_SECURITY_POLICY).unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
        }
    }

    #[tokio::test]
    async fn the_bare_path_leads_to_the_page_and_keeps_what_was_asked() {
        let response = asked(Method::GET, "/demo?gateway=ws://a").await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.header(header::LOCATION), Some("demo/?gateway=ws://a"));
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_asked_for_is_refused() {
        assert_eq!(asked(Method::GET, "/demo/csp.txt").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(asked(Method::GET, "/demo/../server/Cargo.toml").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(asked(Method::POST, "/demo/").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn every_other_path_goes_on_to_the_routes() {
        for path in ["/demonstration", "/health", "/"] {
            let mut response = asked(Method::GET, path).await;
            assert_eq!(response.take_body().into_string().await.unwrap(), "the routes", "{path}");
        }
    }
}
