//! What backend services are told of sessions: opened once, closed once.

use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, UserId};
use serde::Serialize;

use super::Event;
use crate::bus::routing::encode_word;

/// A session that began.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenedBody<'a> {
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a DeviceId>,
}

/// A session that ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClosedBody<'a> {
    session_id: &'a SessionId,
    code: u16,
    duration_ms: u64,
}

/// `session.opened.<userId>`
pub(super) fn opened(user: &UserId, session: &SessionId, device: Option<&DeviceId>, at: Timestamp) -> Event {
    let body = OpenedBody { session_id: session, device_id: device };
    event("opened", user, session, at, &body)
}

/// `session.closed.<userId>` of a session that began at a time.
pub(super) fn closed(user: &UserId, session: &SessionId, since: Timestamp, code: CloseCode, at: Timestamp) -> Event {
    let duration_ms = at.millis().saturating_sub(since.millis());
    event("closed", user, session, at, &ClosedBody { session_id: session, code: code.0, duration_ms })
}

fn event(what: &str, user: &UserId, session: &SessionId, at: Timestamp, body: &impl Serialize) -> Event {
    Event {
        id: format!("{what}-{session}").into(),
        key: format!("session.{what}.{}", encode_word(user.as_str())).into(),
        at,
        // Texts and numbers can always be written as JSON.
        body: serde_json::to_vec(body).unwrap_or_default().into(),
    }
}
