//! What the gateway makes of the response of a backend.

use std::time::Duration;

use realtime_gateway_protocol::{RawJson, decode_answer};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{BackendFailure, UnknownReason};
use crate::json_object::from_object;

/// The largest successful response that is read, in bytes. Its data has to fit into a message for the client.
const MAX_BYTES: usize = 240 * 1024;
/// The largest body of a refusal that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;
/// The longest `code` and `message` of a refusal that are passed on, in characters.
const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 1_000;
/// The longest `Retry-After` that is passed on.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The body of a successful response.
#[derive(Deserialize)]
struct Success {
    // Without this function, the data `null` would be read as absent data.
    #[serde(default, deserialize_with = "present")]
    data: Option<RawJson>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<RawJson>, D::Error> {
    RawJson::deserialize(deserializer).map(Some)
}

/// Whether a client may subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeAnswer {
    /// Whether it may.
    pub allowed: bool,
    /// For how many seconds this holds. Afterwards the backend is asked again.
    pub ttl_seconds: Option<u64>,
}

/// The body of a refusal.
#[derive(Default)]
struct Refusal {
    code: Option<String>,
    message: Option<String>,
}

/// Returns the failure of a request that got no response.
pub(super) fn failure(error: &reqwest::Error) -> BackendFailure {
    if error.is_connect() {
        BackendFailure::NotDone { retry_after: super::RETRY_AFTER }
    } else if error.is_timeout() {
        BackendFailure::Unknown(UnknownReason::Timeout)
    } else {
        BackendFailure::Unknown(UnknownReason::Connection)
    }
}

/// Returns the body of a successful response; `None` for 204. `retry_after` is what its `Retry-After` says.
///
/// # Errors
/// The failure that the status or the body means.
pub(super) async fn success(
    response: Response,
    retry_after: Option<Duration>,
) -> Result<Option<Vec<u8>>, BackendFailure> {
    match response.status() {
        StatusCode::NO_CONTENT => Ok(None),
        status if status.is_success() => body(response, MAX_BYTES).await.map(Some),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let retry_after = retry_after.map_or(super::RETRY_AFTER, |wait| wait.min(MAX_RETRY_AFTER));
            Err(BackendFailure::NotDone { retry_after })
        }
        status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            Err(refusal(status, response).await)
        }
        _ => Err(BackendFailure::Unknown(UnknownReason::Status)),
    }
}

/// The body of a refusal over a broker.
#[derive(Deserialize)]
struct ErrorReply {
    error: Map<String, Value>,
}

/// Returns the body of a successful reply over a broker; `None` for an empty one.
///
/// # Errors
/// [`BackendFailure::Refused`] for `{"error": {"code", "message"}}`, [`UnknownReason::TooLarge`].
pub(super) fn reply(body: &[u8]) -> Result<Option<Vec<u8>>, BackendFailure> {
    if body.len() > MAX_BYTES {
        return Err(BackendFailure::Unknown(UnknownReason::TooLarge));
    }
    if let Some(ErrorReply { error }) = from_object(body) {
        return Err(Refusal::of(&error).into_failure(None));
    }
    Ok((!body.is_empty()).then(|| body.to_vec()))
}

/// Returns the `data` of a body. It is sent to clients, so the body follows the rules for the text and the depth of messages.
///
/// # Errors
/// [`UnknownReason::InvalidResponse`].
pub(super) fn data(body: &[u8]) -> Result<RawJson, BackendFailure> {
    let body = std::str::from_utf8(body).map_err(|_| invalid())?;
    let success: Success = decode_answer(body).map_err(|_| invalid())?;
    success.data.ok_or_else(invalid)
}

/// Returns the answer to the question whether a client may subscribe.
///
/// # Errors
/// [`UnknownReason::InvalidResponse`].
pub(super) fn subscribe_answer(body: &[u8]) -> Result<SubscribeAnswer, BackendFailure> {
    from_object(body).ok_or_else(invalid)
}

fn invalid() -> BackendFailure {
    BackendFailure::Unknown(UnknownReason::InvalidResponse)
}

/// Reads a refusal. A body that cannot be read does not make it less certain.
async fn refusal(status: StatusCode, response: Response) -> BackendFailure {
    let body = body(response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
    let refusal = from_object(&body).as_ref().map(Refusal::of).unwrap_or_default();
    refusal.into_failure(Some(status.as_u16()))
}

impl Refusal {
    /// Reads what can be used of an object. `detail` is that of a problem document (RFC 9457).
    fn of(members: &Map<String, Value>) -> Self {
        let text = |name| members.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { code: text("code"), message: text("message").or_else(|| text("detail")) }
    }

    /// Returns the refusal with texts that fit into a message for the client.
    fn into_failure(self, status: Option<u16>) -> BackendFailure {
        let code = self.code.filter(|code| !code.is_empty()).map(|code| shortened(&code, MAX_CODE));
        let default = || status.map_or_else(|| "refused".to_owned(), |status| format!("http_{status}"));
        BackendFailure::Refused {
            status,
            code: code.unwrap_or_else(default),
            message: self.message.map(|message| shortened(&message, MAX_MESSAGE)),
        }
    }
}

fn shortened(text: &str, characters: usize) -> String {
    // U+0000 is in no message of the gateway.
    text.chars().filter(|character| *character != '\0').take(characters).collect()
}

async fn body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, BackendFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_while_reading(&error))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(BackendFailure::Unknown(UnknownReason::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failure_while_reading(error: &reqwest::Error) -> BackendFailure {
    let reason = if error.is_timeout() { UnknownReason::Timeout } else { UnknownReason::Connection };
    BackendFailure::Unknown(reason)
}
