//! The outcomes of a request that did not succeed.

use std::time::Duration;

use realtime_gateway_protocol::RawJson;
use serde_json::json;

/// Why a request has no result, and with that whether the backend may have acted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendFailure {
    /// The backend did not act: a bound was reached, no connection could be made, or it answered 429 or 503.
    #[error("the backend cannot be reached, is overloaded, or has too many requests")]
    NotDone {
        /// After how long a client may try again.
        retry_after: Duration,
    },
    /// The backend refused the request, over HTTP with a 4xx status.
    #[error("the backend refused the request ({code})")]
    Refused {
        /// The HTTP status. `None` over a broker.
        status: Option<u16>,
        /// The `code` of the body, or `http_<status>`.
        code: String,
        /// The `message` or `detail` of the body, if it has one.
        message: Option<String>,
    },
    /// The backend may have acted.
    #[error("the backend gave no usable response: {}", .0.as_str())]
    Unknown(UnknownReason),
}

/// Why it is not known whether a backend has acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// There was no response in time.
    Timeout,
    /// The connection was lost.
    Connection,
    /// The status was neither a success nor a refusal.
    Status,
    /// The response was too large.
    TooLarge,
    /// The response was not what the contract says.
    InvalidResponse,
}

impl UnknownReason {
    /// Returns `details.reason` of the error for the client.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::InvalidResponse => "invalid_response",
        }
    }
}

/// Returns the `details` of the error for a client that a backend has refused: `status`, `code` and `message`.
pub fn refusal_details(status: Option<u16>, code: &str, message: Option<&str>) -> Option<RawJson> {
    let mut details = json!({ "code": code, "message": message });
    if let (Some(status), Some(members)) = (status, details.as_object_mut()) {
        members.insert("status".into(), status.into());
    }
    RawJson::encode(&details).ok()
}
