//! Cross-origin requests of pages that a developer runs locally: loopback origins and `null`, for `/dev` and `/health`
//! only.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::Response;

use crate::config::origin::Origin;

/// Allows pages from loopback origins (Fetch standard, section 3.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Loopback;

impl Loopback {
    /// Returns whether pages of this origin may read responses.
    pub(super) fn admits(self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| origin == "null" || Origin::is_loopback_text(origin))
    }

    /// Adds the CORS headers. `Vary` is set on every response, because it depends on the origin of the request.
    pub(super) fn mark(self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if self.admits(&origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// Returns whether the path is available to pages of other origins.
pub(super) fn is_shared(path: &str) -> bool {
    ["/dev", "/health"]
        .iter()
        .any(|shared| path.strip_prefix(shared).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Returns the response to a preflight request.
pub(super) fn preflight() -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
