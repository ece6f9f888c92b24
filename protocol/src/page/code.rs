//! The sections of the error codes and close codes: the cause of each, and what to do.

use super::block::Block;
use crate::{CloseCode, ErrorCode, Reconnect};

/// The part about error codes.
pub(super) fn error_codes() -> Vec<Block> {
    let row = |code: &ErrorCode| {
        let again = if code.is_retryable() { "yes" } else { "no" };
        vec![format!("[`{code}`](#error-{code})"), again.to_owned()]
    };
    let mut blocks = vec![
        Block::part("error-codes", "Error codes"),
        Block::Paragraph(
            "An [`error`](#server-error) is the reply to a command that failed, or reports another error. It never closes the \
             connection by itself, and its `message` is for people. A client treats a code that it does not know like \
             `internal`."
                .to_owned(),
        ),
        Block::Table(vec!["code", "may the same command succeed later?"], ErrorCode::KNOWN.iter().map(row).collect()),
    ];
    for code in ErrorCode::KNOWN {
        let (why, what) = error(code);
        blocks.push(Block::section(format!("error-{code}"), format!("`{code}`")));
        blocks.push(Block::Paragraph(format!("**Why:** {why}")));
        blocks.push(Block::Paragraph(format!("**What to do:** {what}")));
    }
    blocks
}

/// The part about close codes.
pub(super) fn close_codes() -> Vec<Block> {
    let row = |(code, _, meaning): &(CloseCode, &str, &str)| {
        vec![format!("[{code}](#close-{code})"), meaning.trim().to_owned(), code.reconnect().to_string()]
    };
    let mut blocks = vec![
        Block::part("close-codes", "Close codes"),
        Block::Paragraph(format!(
            "The gateway defines the codes from 4000; RFC 6455, section 7.4, defines the others. The ranges carry the \
             advice: 44xx corresponds to HTTP 4xx (do not reconnect automatically), 45xx to HTTP 5xx (reconnect with \
             backoff and recover). {}",
            CloseCode::RANGES_IN_WORDS
        )),
        Block::Table(
            vec!["code", "meaning", "may the client reconnect automatically?"],
            CloseCode::KNOWN.iter().map(row).collect(),
        ),
    ];
    for (code, name, meaning) in CloseCode::KNOWN {
        let (why, what) = close(*code).unwrap_or((meaning.trim(), "Follow the advice of the range of the code."));
        let name = name.to_lowercase().replace('_', " ");
        blocks.push(Block::section(format!("close-{code}"), format!("{code}: {name}")));
        blocks.push(Block::Paragraph(format!("**Why:** {why}")));
        blocks.push(Block::Paragraph(format!("**What to do:** {what}")));
        blocks.push(Block::Paragraph(format!("**Reconnect:** {}", advice(code.reconnect()))));
    }
    blocks
}

fn advice(reconnect: Reconnect) -> String {
    let text = reconnect.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Returns the cause of an error and what to do. The match has no wildcard arm, so that a new code requires a text.
fn error(code: &ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::InvalidJson => (
            "The frame is not one JSON value, or objects and arrays nest deeper than 64 levels. No part of it was read, so the error has no `requestId`.",
            "Fix the sender: write every frame with a JSON encoder. The same frame fails again, and 20 such frames in 10 s close the connection with [4400](#close-4400).",
        ),
        ErrorCode::InvalidMessage => (
            "A field is missing, has the wrong type or is outside its bounds; or the frame is JSON, but not an object with a `type`. `details.field` names the field, such as `recover.offset`.",
            "Fix the sender with the table of the message on this page. The same command fails again, and 20 such messages in 10 s close the connection with [4400](#close-4400).",
        ),
        ErrorCode::UnknownType => (
            "No command has this `type`. Types are in snake_case. The gateway may be older than the client.",
            "Check the spelling. To use a newer command only if the gateway supports it, check `connected.features`.",
        ),
        ErrorCode::UnknownService => (
            "No service of this gateway has this name, or the service has no such topic.",
            "Compare with `connected.services`, and with the configuration of the gateway.",
        ),
        ErrorCode::UnknownMethod => (
            "The service has no call of this name.",
            "Compare with the contract of the service. The gateway may have an older one than the client.",
        ),
        ErrorCode::CallFailed => (
            "The backend of the service refused the call. `details.status` is its HTTP status, `details.code` its code (`http_409` when it gave none), and `details.message` its text.",
            "Act on `details.code`, which the backend team documents. The same call fails again as long as its cause exists.",
        ),
        ErrorCode::CallUnknown => (
            "The call was sent, and the backend may have carried it out. `details.reason` is `timeout`, `connection`, `status` (neither success nor refusal), `too_large` (over 240 KiB) or `invalid_response`.",
            "Ask the backend for the outcome, or repeat the call with the same `callId`, by which a backend recognises the repeat.",
        ),
        ErrorCode::MessageTooLarge => (
            "The log entry that the message would create exceeds `connected.maxMessageBytes`.",
            "Send less, or store the data elsewhere and send a link to it.",
        ),
        ErrorCode::Conflict => (
            "The same `clientMessageId` (from a backend service: `id`) was used before with other content on this topic, or for this user. The first message is unchanged, and this one was not stored.",
            "Give every new message a unique id, such as a UUID. Repeat a message only with the same content: white space and the order of members in JSON do not matter.",
        ),
        ErrorCode::Unauthorized => (
            "There is no valid identity: no token was sent yet, or it is malformed, not signed with a known key, not yet valid, or issued for another audience; or `authenticate` has another `sub` than before.",
            "Fetch a new token from your backend and send [`authenticate`](#client-authenticate). If new tokens are rejected too, compare key, issuer and audience with the gateway's configuration.",
        ),
        ErrorCode::TokenExpired => (
            "The token has expired. An existing session still receives messages for 10 s, its commands are refused, and then the connection is closed with [4401](#close-4401). The connection of a client that authenticates with an expired token is closed immediately.",
            "Send [`authenticate`](#client-authenticate) with a new token, then repeat the command. Better, renew the token at 80 % of its lifetime, which ends at `expiresAt`.",
        ),
        ErrorCode::Forbidden => (
            "The identity is valid, but has no permission: its token or the permission service does not grant the clan, the topic or the action. Or an operator has blocked the user or this token: `details.until` is the end of the block, and close code [4403](#close-4403) follows.",
            "Do not repeat the command. If the user should have the permission, fix the claims of the token or the answer of the permission service, and authenticate again.",
        ),
        ErrorCode::SubscriptionLimit => (
            "The session already has `connected.limits.subscriptions` subscriptions.",
            "Unsubscribe from topics that are not needed at the moment, then subscribe again.",
        ),
        ErrorCode::SessionLimit => (
            "This user has another session, and the gateway is configured to refuse new ones. Close code [4423](#close-4423) follows.",
            "Inform the user about the other session. Try again after `retryAfterMs`, or give each device a `deviceId`, so that it replaces its previous session.",
        ),
        ErrorCode::RateLimited => (
            "Commands were sent faster than `connected.limits` allow. After 100 such refusals in 10 s the connection is closed with [4429](#close-4429).",
            "Wait for `retryAfterMs`, then send the command again. Limit the rate to `connected.limits`.",
        ),
        ErrorCode::Unavailable => (
            "The store, the permission service or the identity provider did not answer in time, so the gateway cannot decide or confirm at the moment. The command may still take effect. The connection of a client without a session is then closed with [1013](#close-1013).",
            "Repeat the command after `retryAfterMs`, with growing delays while it fails. Repeat `chat` and `publish` with the same `clientMessageId`, so that nothing is sent twice. Keep the token: it was not rejected.",
        ),
        ErrorCode::Internal => (
            "An internal error of the gateway. Its log contains `details.errorId` and the cause.",
            "Report the `errorId` to the operator of the gateway. Do not repeat the command in a loop.",
        ),
        ErrorCode::Other(_) => ("A later version of the gateway defines this code.", "Treat it like `internal`."),
    }
}

/// Returns the cause of a close code and what to do, or `None` for a code that the gateway does not use. A test checks
/// that every known code has a text.
fn close(code: CloseCode) -> Option<(&'static str, &'static str)> {
    Some(match code {
        CloseCode::NORMAL => (
            "The client closed the connection, and this is the answer. The gateway never closes a connection with this code by itself, but a proxy or load balancer may.",
            "Nothing, if your client requested it. Otherwise the connection is lost like any other: connect again with growing delays, and subscribe with `recover`.",
        ),
        CloseCode::GOING_AWAY => (
            "The node shuts down or moves its clients. A [`reconnect`](#server-reconnect) was usually sent before.",
            "Connect again; the load balancer selects another node. Subscribe with `recover`, so that nothing is missed.",
        ),
        CloseCode::PROTOCOL_ERROR => (
            "A frame violated RFC 6455: it was not masked, had a reserved bit, was an invalid control frame, or had too many fragments.",
            "Fix or replace the WebSocket library, or the proxy in between.",
        ),
        CloseCode::UNSUPPORTED_DATA => {
            ("A binary frame was received. The protocol uses JSON text.", "Send text frames: in a browser, a string.")
        }
        CloseCode::ABNORMAL => (
            "The connection ended without a close frame: the network failed, a proxy closed an idle connection, or a node crashed. This code is never sent; a WebSocket library reports it.",
            "Connect again and subscribe with `recover`. If it occurs at regular intervals, raise the idle timeout of the proxy above the heartbeat interval.",
        ),
        CloseCode::INVALID_PAYLOAD => {
            ("A text frame was not UTF-8.", "Fix the sender: encode as UTF-8, and never split a character.")
        }
        CloseCode::MESSAGE_TOO_BIG => (
            "A message exceeded `connected.maxMessageBytes`.",
            "Send less. The same message would close the next connection too.",
        ),
        CloseCode::INTERNAL_ERROR => (
            "An internal error of the gateway, which its log contains.",
            "Connect again and subscribe with `recover`. If it repeats, report the time and the session id to the operator.",
        ),
        CloseCode::SERVICE_RESTART => (
            "The node restarts. Commands in progress were finished and answered.",
            "Connect again immediately, with a random delay of up to about a second, and subscribe with `recover`.",
        ),
        CloseCode::TRY_AGAIN_LATER => (
            "The gateway cannot admit the client at the moment: the node is full, or the store or the identity provider does not answer. An `error` [`unavailable`](#error-unavailable) was sent before.",
            "Connect again with the same token and growing delays. Operators: check `/health`; if the node is full, add nodes or raise `limits.connections`.",
        ),
        CloseCode::INVALID_MESSAGES => (
            "20 messages in 10 s could not be read ([`invalid_json`](#error-invalid_json), [`invalid_message`](#error-invalid_message), [`unknown_type`](#error-unknown_type)).",
            "Fix the sender: the reply to each of them was an `error` with the problem.",
        ),
        CloseCode::UNAUTHORIZED => (
            "No token was received within 10 s, the token is invalid, or it expired and no new one was received. An `error` with the reason was sent before.",
            "Fetch a new token, then connect again. The same token would be rejected again.",
        ),
        CloseCode::DISCONNECTED => (
            "An operator or the backend ended the session, for example after a sign-out, or has blocked the user or this token. A blocked client without a session was sent the `error` [`forbidden`](#error-forbidden) before.",
            "Inform the user. Connect again only when the user requests it; during a block the connection is closed again.",
        ),
        CloseCode::REPLACED => (
            "The same user connected elsewhere, in a newer tab or on another device, and the newest session wins.",
            "Inform the user, and connect again only when the user requests it: two clients that both reconnect would replace each other indefinitely.",
        ),
        CloseCode::SESSION_LIMIT => (
            "The user has another session, and the gateway is configured to refuse new ones.",
            "Wait for the `retryAfterMs` of the [`session_limit`](#error-session_limit) that was sent before. With a `deviceId`, a device replaces its previous session immediately.",
        ),
        CloseCode::RATE_LIMITED => (
            "100 commands in 10 s were refused with [`rate_limited`](#error-rate_limited): the client ignores `retryAfterMs`. Or the token is invalid, and more than 20 other invalid tokens were sent from the client's address within a minute.",
            "Wait for 30 s, or for the `retryAfterMs` of the preceding error, and fix the client: limit its rate to `connected.limits`, and let it fetch a new token.",
        ),
        CloseCode::RECONNECT_REQUESTED => (
            "An operator or the backend asks the client to reconnect, for example after a change of permissions.",
            "Connect again and subscribe with `recover`.",
        ),
        CloseCode::HEARTBEAT_TIMEOUT => (
            "No frame was received for 60 s, not even the answer to a ping: the network is unavailable, or the device was suspended.",
            "Connect again and subscribe with `recover`. A client that cannot detect pings should send [`ping`](#client-ping).",
        ),
        CloseCode::SLOW_CONSUMER => (
            "The outbound queue of this client exceeded `limits.outbound_queue`, because the client reads more slowly than messages arrive. Or the buffers of all clients together exceeded `limits.outbound_total`, and this client was among those that did not read.",
            "Connect again and subscribe with `recover`, which replays the missed messages at the client's pace. Read the socket continuously, and process messages in another task.",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_has_an_explanation() {
        for (code, name, _) in CloseCode::KNOWN {
            assert!(close(*code).is_some(), "{code} {name}");
        }
    }
}
