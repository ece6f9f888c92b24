//! Every error code and every close code: why it comes, and what to do.

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
            "An [`error`](#server-error) answers a command that was refused, or tells of a fault. It never closes the \
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
        Block::Paragraph(
            "Codes from 4000 are the gateway's own, the others are those of RFC 6455, section 7.4. The ranges carry \
             the advice: 44xx is like HTTP 4xx (do not come back by yourself), 45xx is like 5xx (come back with backoff \
             and recover). Of a code that is not listed, 4400 to 4499 say no, and all others yes, with backoff."
                .to_owned(),
        ),
        Block::Table(
            vec!["code", "meaning", "may the client reconnect by itself?"],
            CloseCode::KNOWN.iter().map(row).collect(),
        ),
    ];
    for (code, name, meaning) in CloseCode::KNOWN {
        let (why, what) = close(*code).unwrap_or((meaning.trim(), "Follow the advice of its range."));
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

/// Why an error comes, and what to do. The match has no arm for the rest, so that a new code needs its own.
fn error(code: &ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::InvalidJson => (
            "The frame is not one JSON value, or objects and arrays nest deeper than 64 levels. Nothing of it was read, so the error carries no `requestId`.",
            "Mend the sender: write every frame with a JSON encoder. The same frame fails again, and 20 such frames in 10 s close the connection with [4400](#close-4400).",
        ),
        ErrorCode::InvalidMessage => (
            "A field is missing, of the wrong kind or outside its bounds; or the frame is JSON, but not an object with a `type`. `details.field` names the field, such as `recover.offset`.",
            "Mend the sender with the table of the message on this page. The same command fails again, and 20 such messages in 10 s close the connection with [4400](#close-4400).",
        ),
        ErrorCode::UnknownType => (
            "No command has this `type`. Types are in snake_case; perhaps the gateway is older than the client.",
            "Look for a typing error. To use a newer command where the gateway has it, look in `connected.features`.",
        ),
        ErrorCode::UnknownService => (
            "No service of this gateway has this name, or the service has no such topic.",
            "Compare with `connected.services`, and with the configuration of the gateway.",
        ),
        ErrorCode::MessageTooLarge => (
            "The entry that the message would make is over `connected.maxMessageBytes`.",
            "Send less, or put the bulk elsewhere and send a link to it.",
        ),
        ErrorCode::Conflict => (
            "The same `clientMessageId` (from a backend service: `id`) was used before with other content on this topic, or for this user. The first message stays as it is, and nothing was stored of this one.",
            "Give every new message an id of its own, such as a UUID. Repeat a message only as it was: white space and the order of members in JSON do not count.",
        ),
        ErrorCode::Unauthorized => (
            "There is no valid identity: no token has come yet, or it is malformed, not signed by a known key, not yet valid, or meant for somebody else; or `authenticate` named another `sub` than before.",
            "Fetch a new token from your backend and send [`authenticate`](#client-authenticate). If new tokens are refused too, compare key, issuer and audience with the gateway's configuration.",
        ),
        ErrorCode::TokenExpired => (
            "The token's life has ended. On a session messages still arrive for 10 s, commands are refused, and then the connection is closed with [4401](#close-4401). A client that authenticates with such a token is closed immediately.",
            "Send [`authenticate`](#client-authenticate) with a fresh token, then repeat the command. Better, renew at 80 % of the token's life, which `expiresAt` tells.",
        ),
        ErrorCode::Forbidden => (
            "The identity is valid, but may not do this: its token or the permission service does not grant the clan, the topic or the action. Or an operator blocks the user or this token: `details.until` says until when, and close code [4403](#close-4403) follows.",
            "Do not repeat it. If the user should have the permission, mend the claims of the token or the answer of the permission service, and authenticate again.",
        ),
        ErrorCode::SubscriptionLimit => (
            "The session already has `connected.limits.subscriptions` subscriptions.",
            "Unsubscribe from what is not on the screen, then subscribe again.",
        ),
        ErrorCode::SessionLimit => (
            "Another session of this user is live, and the gateway is set to refuse the new one. Close code [4423](#close-4423) follows.",
            "Tell the user that they are connected elsewhere. Try again after `retryAfterMs`, or give each device a `deviceId`, so that it replaces its own predecessor.",
        ),
        ErrorCode::RateLimited => (
            "Commands came faster than `connected.limits` allow. After 100 such refusals in 10 s the connection is closed with [4429](#close-4429).",
            "Wait for `retryAfterMs`, then send the command again; pace yourself by `connected.limits`.",
        ),
        ErrorCode::Unavailable => (
            "The store, the permission service or the identity provider did not answer in time, so that the gateway cannot decide or confirm now. What was sent may still appear. A client that has no session yet is then closed with [1013](#close-1013).",
            "Repeat it after `retryAfterMs`, and with growing waits while that fails; `chat` and `publish` with the same `clientMessageId`, so that nothing is sent twice. Keep the token: it was not refused.",
        ),
        ErrorCode::Internal => (
            "A fault of the gateway. `details.errorId` stands in its log beside the cause.",
            "Report the `errorId` to those who run the gateway. Do not repeat the command in a loop.",
        ),
        ErrorCode::Other(_) => ("A later version of the gateway has this code.", "Treat it like `internal`."),
    }
}

/// Why a connection is closed, and what to do; none for a code that is not the gateway's (a test asks for all).
fn close(code: CloseCode) -> Option<(&'static str, &'static str)> {
    Some(match code {
        CloseCode::NORMAL => ("The client closed the connection.", "Nothing: it is what you asked for."),
        CloseCode::GOING_AWAY => (
            "The node is being stopped or emptied. A [`reconnect`](#server-reconnect) usually came before.",
            "Connect again; a balancer leads to another node. Subscribe with `recover`, and nothing is missed.",
        ),
        CloseCode::PROTOCOL_ERROR => (
            "A frame broke the rules of RFC 6455: not masked, a reserved bit, a bad control frame, too many fragments.",
            "Mend or replace the WebSocket library, or the proxy between.",
        ),
        CloseCode::UNSUPPORTED_DATA => {
            ("A binary frame came. The protocol is JSON text.", "Send text frames: in a browser, a string.")
        }
        CloseCode::ABNORMAL => (
            "The connection ended without a close frame: the network failed, a proxy cut an idle connection, a node died. It is never sent; a WebSocket library reports it.",
            "Connect again and subscribe with `recover`. If it comes at regular times, raise the idle timeout of the proxy over the heartbeat.",
        ),
        CloseCode::INVALID_PAYLOAD => {
            ("A text frame was not UTF-8.", "Mend the sender: encode as UTF-8, and never cut inside a character.")
        }
        CloseCode::MESSAGE_TOO_BIG => (
            "A message was over `connected.maxMessageBytes`.",
            "Send less. The same message would close the next connection too.",
        ),
        CloseCode::INTERNAL_ERROR => (
            "A fault of the gateway, which stands in its log.",
            "Connect again and subscribe with `recover`. If it repeats, report the time and the session to those who run it.",
        ),
        CloseCode::SERVICE_RESTART => (
            "The node restarts. Commands in flight were finished and answered.",
            "Connect again at once, at a random moment within a second or so, and subscribe with `recover`.",
        ),
        CloseCode::TRY_AGAIN_LATER => (
            "The gateway cannot let the client in now: the node is full, or the store or the identity provider does not answer. An `error` [`unavailable`](#error-unavailable) came before.",
            "Connect again with the same token and growing waits. For those who run it: look at `/health`; of a full node, add nodes or raise `limits.connections`.",
        ),
        CloseCode::INVALID_MESSAGES => (
            "20 messages in 10 s could not be read ([`invalid_json`](#error-invalid_json), [`invalid_message`](#error-invalid_message), [`unknown_type`](#error-unknown_type)).",
            "Mend the sender: each of them was answered by an `error` that says what was wrong.",
        ),
        CloseCode::UNAUTHORIZED => (
            "No token came within 10 s, the token is bad, or it expired and no fresh one came. An `error` that says which came before.",
            "Fetch a fresh token, then connect again. With the same token it would happen again.",
        ),
        CloseCode::DISCONNECTED => (
            "An operator or the backend ended the session, such as after a sign-out, or keeps the user or this token out. After a block, `error` [`forbidden`](#error-forbidden) came before unless the session was live.",
            "Tell the user. Connect again only when the user asks for it; while a block holds, it ends the same way.",
        ),
        CloseCode::REPLACED => (
            "The same user connected elsewhere, in a newer tab or on another device, and the newest session wins.",
            "Tell the user, and connect again only when they ask for it: two clients that both come back replace each other for ever.",
        ),
        CloseCode::SESSION_LIMIT => (
            "The user has a live session elsewhere, and the gateway is set to refuse the new one.",
            "Wait for the `retryAfterMs` of the [`session_limit`](#error-session_limit) that came before; a `deviceId` lets a device replace its own predecessor at once.",
        ),
        CloseCode::RATE_LIMITED => (
            "100 commands in 10 s were refused with [`rate_limited`](#error-rate_limited): the client ignores `retryAfterMs`. Or the token is bad, as over 20 others from the client's address within a minute were.",
            "Wait for 30 s, or for the `retryAfterMs` of the error before it, and fix the client: pace it by `connected.limits`, and let it fetch a fresh token.",
        ),
        CloseCode::RECONNECT_REQUESTED => (
            "An operator or the backend asks the client to connect anew, such as after a change of permissions.",
            "Connect again and subscribe with `recover`.",
        ),
        CloseCode::HEARTBEAT_TIMEOUT => (
            "No frame came for 60 s, not even the answer to a ping: the network is gone, or the device slept.",
            "Connect again and subscribe with `recover`. A client that cannot see pings sends [`ping`](#client-ping).",
        ),
        CloseCode::SLOW_CONSUMER => (
            "More was waiting for this client than `limits.outbound_queue` holds: it reads more slowly than messages come. Or all clients together made the node hold more than `limits.outbound_total`, and this one was among those that did not read.",
            "Connect again and subscribe with `recover`, which replays what was missed at the client's own pace. Read the socket and work elsewhere.",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_is_explained() {
        for (code, name, _) in CloseCode::KNOWN {
            assert!(close(*code).is_some(), "{code} {name}");
        }
    }
}
