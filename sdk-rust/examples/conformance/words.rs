//! The state of a client, in the words of all SDKs.

use realtime_gateway_sdk::{Client, Position, State};
use serde_json::{Value, json};

use super::output::{emit, error_value};

/// Reports each change of the state of a client, and of the number of its pending notifications.
pub(crate) async fn report(name: String, client: Client) {
    let (mut states, mut pending) = (client.state(), client.notifications().pending());
    // The task must not keep the client alive.
    drop(client);
    let mut was_connected_or_failed = false;
    loop {
        tokio::select! {
            changed = states.changed() => {
                if changed.is_err() {
                    return;
                }
                let state = states.borrow_and_update().clone();
                emit(&line(&name, &state, was_connected_or_failed));
                was_connected_or_failed |= state.is_connected() || matches!(state, State::Waiting(Some(_)));
            }
            changed = pending.changed() => {
                let count = *pending.borrow_and_update();
                if changed.is_ok() && let Some(count) = count {
                    emit(&json!({"event": "pending", "client": name, "count": count}));
                }
            }
        }
    }
}

fn line(name: &str, state: &State, reconnects: bool) -> Value {
    let trying = if reconnects { "reconnecting" } else { "connecting" };
    let (status, error) = match state {
        State::Idle => ("idle", None),
        State::Connected(_) => ("online", None),
        State::Expiring(_, error) => ("online", Some(error)),
        State::Waiting(Some(error)) => ("reconnecting", Some(error)),
        State::Closed(error) => match error.close_code().map(|code| code.0) {
            Some(1000) => ("closed", None),
            Some(4401) => ("unauthorized", Some(error)),
            Some(4409) => ("replaced", Some(error)),
            _ => ("failed", Some(error)),
        },
        _ => (trying, None),
    };
    let mut line = json!({"event": "state", "client": name, "status": status});
    if let Some(error) = error {
        line["error"] = error_value(error);
    }
    line
}

/// Returns a position as JSON.
pub(crate) fn position_value(position: Option<&Position>) -> Value {
    position.map_or(Value::Null, |position| json!({"offset": position.offset(), "epoch": position.epoch()}))
}
