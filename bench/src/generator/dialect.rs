//! What the compared servers speak: how a client connects, subscribes and publishes.

use std::fmt::Write as _;

use memchr::memmem::find;

use crate::token::token;

/// The protocol of a server, on top of WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The floor's: the path names the topics of a subscriber, and a message begins with the number of its topic.
    Floor,
    /// The gateway's JSON, with a token for each client.
    Gateway,
    /// The gateway's JSON without tokens and without the greeting `connected`.
    PlainGateway,
    /// Centrifugo's JSON.
    Centrifugo,
}

/// What a message of the server means while a client connects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The client may go on.
    Confirmed,
    /// The server refuses it.
    Refused,
    /// Nothing.
    Other,
}

impl Dialect {
    /// Returns the HTTP request of a client. `topics` are those of a subscriber; a publisher has none.
    pub(super) fn request(self, host: &str, user: &str, topics: Option<(u32, u32)>) -> String {
        let path = match (self, topics) {
            (Self::Floor, Some((first, count))) => format!("/sub/{first}/{count}"),
            (Self::Floor, None) => "/pub".to_owned(),
            (Self::Gateway, _) => format!("/ws?token={}", token(user)),
            (Self::PlainGateway, _) => format!("/?user={user}"),
            (Self::Centrifugo, _) => "/connection/websocket".to_owned(),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    /// Returns what a client sends first, if anything.
    pub(super) fn hello(self) -> Option<&'static str> {
        (self == Self::Centrifugo).then_some(r#"{"id":1,"connect":{}}"#)
    }

    /// Returns whether the server greets a client before it may subscribe.
    pub(super) fn greets(self) -> bool {
        matches!(self, Self::Gateway | Self::Centrifugo)
    }

    /// Returns the message that subscribes to a topic, if the request has not done that.
    pub(super) fn subscribe(self, topic: &str) -> Option<String> {
        match self {
            Self::Floor => None,
            Self::Gateway | Self::PlainGateway => {
                Some(format!(r#"{{"type":"subscribe_clan_chat","clanId":"{topic}"}}"#))
            }
            Self::Centrifugo => Some(format!(r#"{{"id":2,"subscribe":{{"channel":"{topic}"}}}}"#)),
        }
    }

    /// Returns what a message means for a client that waits for the greeting or for the confirmation of a subscription.
    pub(super) fn reply(self, text: &[u8]) -> Reply {
        let confirmations: &[&str] = match self {
            Self::Floor => &[],
            Self::Gateway | Self::PlainGateway => &[r#""type":"connected""#, r#""type":"subscription_confirmed""#],
            Self::Centrifugo => &[r#""connect":"#, r#""subscribe":"#],
        };
        if Self::is_error(text) {
            return Reply::Refused;
        }
        let is_one = confirmations.iter().any(|confirmation| find(text, confirmation.as_bytes()).is_some());
        if is_one { Reply::Confirmed } else { Reply::Other }
    }

    /// Returns whether a message refuses what a client has sent.
    pub(super) fn is_error(text: &[u8]) -> bool {
        find(text, br#""error""#).is_some()
    }

    /// Writes the message that publishes to a topic. The content needs no escapes.
    pub(super) fn publish(self, message: &mut String, topic: u32, name: &str, content: &str) {
        message.clear();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Floor => write!(message, "{topic} {content}"),
            Self::Gateway | Self::PlainGateway => {
                write!(message, r#"{{"type":"chat","clanId":"{name}","content":"{content}"}}"#)
            }
            Self::Centrifugo => {
                write!(message, r#"{{"id":3,"publish":{{"channel":"{name}","data":{{"m":"{content}"}}}}}}"#)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_replies_of_each_server() {
        let cases = [
            (Dialect::Gateway, r#"{"type":"connected","userId":"a"}"#, Reply::Confirmed),
            (Dialect::Gateway, r#"{"type":"subscription_confirmed","clanId":"a"}"#, Reply::Confirmed),
            (Dialect::Gateway, r#"{"type":"error","code":"forbidden"}"#, Reply::Refused),
            (Dialect::PlainGateway, r#"{"type":"chat","clanId":"a"}"#, Reply::Other),
            (Dialect::Centrifugo, r#"{"id":1,"connect":{"client":"x"}}"#, Reply::Confirmed),
            (Dialect::Centrifugo, r#"{"id":2,"error":{"code":103}}"#, Reply::Refused),
            (Dialect::Centrifugo, "{}", Reply::Other),
        ];
        for (dialect, text, expected) in cases {
            assert_eq!(dialect.reply(text.as_bytes()), expected, "{dialect:?}: {text}");
        }
    }

    #[test]
    fn only_the_gateway_gets_a_token() {
        let request = |dialect: Dialect| dialect.request("127.0.0.1:1", "user1", Some((0, 1)));
        assert!(request(Dialect::Gateway).starts_with("GET /ws?token=ey"));
        assert!(request(Dialect::Floor).starts_with("GET /sub/0/1 "));
        assert!(!request(Dialect::PlainGateway).contains("token"));
        assert!(Dialect::Floor.request("h", "u", None).starts_with("GET /pub "));
    }
}
