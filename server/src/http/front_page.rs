//! `/`: with `--dev` it leads to the demo page, otherwise it is an index of the pages that the port serves.

use http::{Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result, error::MethodNotAllowedError};

/// The index contains a style sheet and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const BEGIN: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
                     <meta name=\"viewport\" content=\"width=device-width\">\n<title>Realtime gateway</title>\n\
                     <style>body { font: 1rem/1.6 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>\n\
                     <h1>Realtime gateway</h1>\n<p>Clients open a WebSocket at <code>/ws</code>.</p>\n<ul>\n";

/// What `/` answers.
pub(super) enum FrontPage {
    /// A redirect to the demo page.
    Demo,
    /// An index of the documents, the status, and the demo page if it is served.
    Everything { demo: bool },
    /// An index of a port that serves the status only.
    Health,
}

impl FrontPage {
    /// Serves the page in front of these routes.
    pub(super) fn wrap<E: Endpoint>(self, routes: E) -> WithFrontPage<E> {
        WithFrontPage { page: self, routes }
    }

    /// Returns the path and the description of each page. Paths are relative, for a proxy that adds a prefix.
    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let mut links = vec![("health", "Status")];
        if let Self::Everything { demo } = self {
            links.splice(
                0..0,
                [
                    ("docs/protocol", "The WebSocket protocol"),
                    ("asyncapi.json", "The WebSocket protocol as AsyncAPI"),
                    ("docs", "The HTTP API"),
                    ("openapi.json", "The HTTP API as OpenAPI"),
                ],
            );
            links.extend(demo.then_some(("demo/", "Demo")));
        }
        links
    }

    fn response(&self) -> Response {
        if matches!(self, Self::Demo) {
            // Not permanent: another gateway on the same address may have no demo.
            return Response::builder()
                .status(StatusCode::TEMPORARY_REDIRECT)
                .header(header::LOCATION, "demo/")
                .finish();
        }
        let items = self.links().into_iter().map(|(path, text)| format!("<li><a href=\"{path}\">{text}</a></li>\n"));
        let body = format!("{BEGIN}{}</ul>\n</html>\n", items.collect::<String>());
        let page = Response::builder().content_type("text/html; charset=utf-8");
        page.header(header::CONTENT_SECURITY_POLICY, POLICY).body(body)
    }
}

/// Routes with a page at `/`.
pub(super) struct WithFrontPage<E> {
    page: FrontPage,
    routes: E,
}

impl<E: Endpoint> Endpoint for WithFrontPage<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        match (request.uri().path(), request.method()) {
            ("/", &(Method::GET | Method::HEAD)) => Ok(self.page.response()),
            ("/", _) => Err(MethodNotAllowedError.into()),
            _ => self.routes.call(request).await.map(IntoResponse::into_response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_for_clients_lists_the_status_only() {
        let page = FrontPage::Health.response().into_body().into_string().await.unwrap();
        assert_eq!(page.matches("href=").count(), 1);
        assert!(page.contains("<a href=\"health\">Status</a>"), "{page}");
    }
}
