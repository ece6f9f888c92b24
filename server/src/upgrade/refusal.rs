//! Why there is no upgrade, as an answer: RFC 9457 problem details with the protocol's error code.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use realtime_gateway_protocol::ErrorCode;

/// An HTTP answer instead of an upgrade.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    message: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    /// How it is counted.
    pub(super) outcome: &'static str,
}

impl Refusal {
    /// A request that is no handshake.
    pub(super) fn new(status: StatusCode, message: &'static str) -> Self {
        Self::coded(status, ErrorCode::InvalidMessage, message)
    }

    /// A handshake that is refused.
    pub(super) fn coded(status: StatusCode, code: ErrorCode, message: &'static str) -> Self {
        Self { status, code, message, headers: Vec::new(), outcome: "bad_handshake" }
    }

    /// With one header more.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Counted as this.
    pub(super) fn outcome(self, outcome: &'static str) -> Self {
        Self { outcome, ..self }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response<Bytes> {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.message,
        });
        let mut response = Response::new(Bytes::from(problem.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in &self.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        response
    }
}
