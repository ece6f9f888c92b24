//! Cross-origin requests of a developer's own pages: loopback origins and `null`, on `/dev` and `/health` only.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::Response;

use crate::upgrade::origin::is_loopback;

/// Lets pages of this machine in (Fetch standard, section 3.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Loopback;

impl Loopback {
    /// Whether a page of this origin may read answers.
    pub(super) fn admits(self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| origin == "null" || is_loopback(origin))
    }

    /// Marks an answer that a page may read; every answer says that it depends on who asks.
    pub(super) fn mark(self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if self.admits(&origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// Whether pages may ask for this path at all.
pub(super) fn is_shared(path: &str) -> bool {
    ["/dev", "/health"]
        .iter()
        .any(|shared| path.strip_prefix(shared).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The answer to a browser that asks first.
pub(super) fn preflight() -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
