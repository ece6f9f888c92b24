//! `/demo`: the demo page and the browser SDK that it uses. A release build embeds the files in the binary. Other
//! builds read them from the source tree for each request, so that building does not require the SDK and changes show
//! immediately.

mod files;

use http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result, error::MethodNotAllowedError};

use self::files::Files;
use super::problem::Problem;

include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// The content security policy: nothing is loaded from another host, and inline scripts do not run.
const CONTENT_SECURITY_POLICY: &str = include_str!("../../web-demo/csp.txt");

/// The page that is served while the SDK has not been built.
const WITHOUT_SDK: &str = "without-sdk.html";

/// The SDK module that the page loads first.
const SDK_ENTRY: &str = "index.js";

/// The path at which the placeholder page reads the progress of the SDK build.
const SDK_STATUS: &str = "sdk-status";

/// Serves the demo page, and passes all other requests on to the routes.
pub(super) struct Demo<E> {
    routes: E,
}

impl<E: Endpoint> Demo<E> {
    /// Serves the page in front of these routes.
    pub(super) fn wrap(routes: E) -> Self {
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
            // The page refers to its parts with relative URLs, which need the trailing slash.
            Some("") => Ok(redirect_to_page(request.uri().query())),
            Some(rest) => file(rest.trim_start_matches('/')).map_err(Into::into),
        }
    }
}

fn redirect_to_page(query: Option<&str>) -> Response {
    let to = query.map_or_else(|| "demo/".to_owned(), |query| format!("demo/?{query}"));
    Response::builder().status(StatusCode::PERMANENT_REDIRECT).header(header::LOCATION, to).finish()
}

/// Returns the file at this path below `/demo/`.
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
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY.trim_ascii_end()));
    // Browsers revalidate their cached files, so that they never mix those of two releases.
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

    async fn send(method: Method, path: &str) -> Response {
        let routes = make_sync(|_| "the routes");
        Demo::wrap(routes)
            .map_to_response()
            .get_response(Request::builder().method(method).uri_str(path).finish())
            .await
    }

    #[tokio::test]
    async fn serves_the_page_and_its_parts_with_the_policy() {
        for (path, content_type) in [
            ("/demo/", "text/html; charset=utf-8"),
            ("/demo/index.html", "text/html; charset=utf-8"),
            ("/demo/style.css", "text/css; charset=utf-8"),
            ("/demo/app.js", "text/javascript; charset=utf-8"),
            ("/demo/favicon.svg", "image/svg+xml"),
        ] {
            let response = send(Method::GET, path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.content_type(), Some(content_type), "{path}");
            let policy = response.header(header::CONTENT_SECURITY_POLICY).unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
        }
    }

    #[tokio::test]
    async fn redirects_the_bare_path_and_keeps_the_query() {
        let response = send(Method::GET, "/demo?gateway=ws://a").await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.header(header::LOCATION), Some("demo/?gateway=ws://a"));
    }

    #[tokio::test]
    async fn rejects_missing_files_and_other_methods() {
        assert_eq!(send(Method::GET, "/demo/csp.txt").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(send(Method::GET, "/demo/../server/Cargo.toml").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(send(Method::POST, "/demo/").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn passes_other_paths_on_to_the_routes() {
        for path in ["/demonstration", "/health", "/"] {
            let mut response = send(Method::GET, path).await;
            assert_eq!(response.take_body().into_string().await.unwrap(), "the routes", "{path}");
        }
    }
}
