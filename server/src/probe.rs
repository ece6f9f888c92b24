//! Health probes: what orchestrators ask (`/health/live`, `/health/ready`), answered from what is known, without waiting.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A question of an orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process is alive.
    Live,
    /// Whether the node takes new connections.
    Ready,
}

/// The answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// 200 or 503.
    pub status: StatusCode,
    /// The status in a word.
    pub word: &'static str,
}

impl Probe {
    /// The longest start of a request that [`Probe::of_request`] looks at.
    pub(crate) const START: usize = "HEAD /health/ready ".len();

    /// The probe at a path.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/health/live" => Some(Self::Live),
            "/health/ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// The probe that a request begins with, as far as it has come.
    pub(crate) fn of_request(start: &[u8]) -> Option<Self> {
        let start = std::str::from_utf8(start).ok()?;
        let target = start.strip_prefix("GET ").or_else(|| start.strip_prefix("HEAD "))?;
        let end = target.find([' ', '?'])?;
        Self::of_path(target.get(..end)?)
    }
}

impl Probed {
    /// The answer, which ends the connection: the next probe finds a socket of its own.
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
    fn a_probe_is_known_by_the_start_of_its_request() {
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
