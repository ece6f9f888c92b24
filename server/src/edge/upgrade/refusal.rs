//! The response to a refused request: problem details (RFC 9457) with an error code of the protocol, in the same format
//! as the HTTP API.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use realtime_gateway_protocol::ErrorCode;

use super::origin::ORIGIN_REFUSED;
use crate::telemetry::{SecurityEvent, SecurityKind};

/// The reason why no WebSocket is opened, as an HTTP response.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    detail: Cow<'static, str>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    retry_after: Option<Duration>,
    /// The label in `connections_total`.
    pub(crate) outcome: &'static str,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), header: None, retry_after: None, outcome: "bad_handshake" }
    }

    pub(crate) fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidMessage, detail)
    }

    pub(crate) fn unauthorized(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let scheme = HeaderValue::from_static("Bearer");
        Self::new(StatusCode::UNAUTHORIZED, code, detail).with(header::WWW_AUTHENTICATE, scheme).outcome("unauthorized")
    }

    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>, after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, detail).after(after)
    }

    /// Creates the refusal for a token that cannot be verified now, because the keys are unavailable.
    pub(crate) fn token_unchecked() -> Self {
        Self::unavailable("the token cannot be checked now; try again", Duration::from_secs(1)).outcome("unavailable")
    }

    /// Creates the refusal for an address or API key that has exceeded a limit.
    pub(crate) fn too_many(detail: &'static str, after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, detail).after(after)
    }

    /// Adds a header to the response.
    pub(crate) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// Sets the label in `connections_total`.
    pub(crate) fn outcome(self, outcome: &'static str) -> Self {
        Self { outcome, ..self }
    }

    /// Returns the security event for a refusal of this address. Returns `None` for client errors, and where the event
    /// is counted elsewhere.
    pub(crate) fn security_event(&self, address: IpAddr) -> Option<SecurityEvent<'static>> {
        let (kind, reason) = match self.outcome {
            ORIGIN_REFUSED => (SecurityKind::RefusedOrigin, "its origin is not allowed"),
            "address_full" => (SecurityKind::ThrottledAddress, "it has too many connections"),
            "throttled" => (SecurityKind::ThrottledAddress, "it connects too often"),
            _ => return None,
        };
        Some(SecurityEvent { kind, address: Some(address), user: None, reason })
    }

    /// Sets the time to wait before a retry. The `Retry-After` header rounds it up to whole seconds.
    fn after(self, after: Duration) -> Self {
        let seconds = HeaderValue::from(after.as_millis().div_ceil(1000).max(1) as u64);
        Self { retry_after: Some(after), ..self }.with(header::RETRY_AFTER, seconds)
    }

    /// Returns the response for hyper to send.
    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.extend(self.header.as_deref().cloned());
        response
    }

    /// Returns the response as bytes, for a socket from which no request was read.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.body();
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut text = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             connection: close\r\n",
            self.status.as_u16(),
            body.len()
        );
        if let Some((name, value)) = self.header.as_deref() {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        text += "\r\n";
        text += &body;
        text.into_bytes()
    }

    fn body(&self) -> String {
        let mut body = serde_json::json!({
            "type": format!("/docs/protocol#error-{}", self.code),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let (Some(after), Some(body)) = (self.retry_after, body.as_object_mut()) {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            body.insert("retryAfterMs".to_owned(), millis.into());
        }
        body.to_string()
    }
}
