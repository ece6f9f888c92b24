//! Health probes of orchestrators (`/health/live`, `/health/ready`), answered from known state without waiting.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A health probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/health/live`: whether the process is alive.
    Live,
    /// `/health/ready`: whether the node accepts new connections.
    Ready,
}

/// The response to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// 200 if the node passes the probe, 503 otherwise.
    pub status: StatusCode,
    /// The status as a word, such as `ok`.
    pub word: &'static str,
}

impl Probe {
    /// The most bytes at the start of a request that [`Probe::of_request`] needs.
    pub(crate) const START: usize = "HEAD /health/ready ".len();

    /// Returns the probe that is served at a path.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/health/live" => Some(Self::Live),
            "/health/ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// Returns the probe that the first bytes of a request ask for, if any.
    pub(crate) fn of_request(start: &[u8]) -> Option<Self> {
        let start = std::str::from_utf8(start).ok()?;
        let target = start.strip_prefix("GET ").or_else(|| start.strip_prefix("HEAD "))?;
        let end = target.find([' ', '?'])?;
        Self::of_path(target.get(..end)?)
    }
}

impl Probed {
    /// Returns the response. It closes the connection, so that the next probe gets a new socket, which the accept
    /// thread serves.
    pub(crate) fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{{\"status\":\"{}\"}}", self.word)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_probes_by_the_start_of_a_request() {
        assert_eq!(Probe::of_request(b"GET /health/live HTT"), Some(Probe::Live));
        assert_eq!(Probe::of_request(b"HEAD /health/ready "), Some(Probe::Ready));
        assert_eq!(Probe::of_request(b"GET /health/ready?a"), Some(Probe::Ready));
        for other in
            ["GET /health HTTP/1.", "GET /health/readyz ", "POST /health/live ", "GET /health/live", "", "\u{e9}"]
        {
            assert_eq!(Probe::of_request(other.as_bytes()), None, "{other}");
        }
    }
}
