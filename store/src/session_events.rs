//! Events about sessions for backend services. Each session is reported as opened once and as closed once.

use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, UserId, routing::encode_word};
use serde::Serialize;

use super::{Event, EventSource};

/// The body of `session.opened.<userId>`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenedBody<'a> {
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a DeviceId>,
}

/// The body of `session.closed.<userId>`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClosedBody<'a> {
    session_id: &'a SessionId,
    code: u16,
    duration_ms: u64,
}

/// Returns the event `session.opened.<userId>`.
pub(super) fn opened(user: &UserId, session: &SessionId, device: Option<&DeviceId>, at: Timestamp) -> Event {
    let body = OpenedBody { session_id: session, device_id: device };
    event("opened", user, session, at, &body)
}

/// Returns the event `session.closed.<userId>` of a session that was opened at the time `since`.
pub(super) fn closed(user: &UserId, session: &SessionId, since: Timestamp, code: CloseCode, at: Timestamp) -> Event {
    let duration_ms = at.millis().saturating_sub(since.millis());
    event("closed", user, session, at, &ClosedBody { session_id: session, code: code.0, duration_ms })
}

fn event(what: &str, user: &UserId, session: &SessionId, at: Timestamp, body: &impl Serialize) -> Event {
    Event {
        id: format!("{what}-{session}").into(),
        key: format!("session.{what}.{}", encode_word(user.as_str())).into(),
        at,
        // Strings and numbers can always be encoded as JSON.
        body: serde_json::to_vec(body).unwrap_or_default().into(),
        source: EventSource::Client,
    }
}
