//! WebSocket close codes and the advice that each carries.

use std::time::Duration;

/// Why a connection was closed (RFC 6455, section 7.4; 4000 to 4999 are ours).
///
/// The ranges carry the advice: 44xx is like HTTP 4xx, 45xx like 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

/// Whether a client may come back by itself after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// At once, with jitter.
    AtOnce,
    /// With exponential backoff.
    Backoff,
    /// Not before this time has passed, or the `retryAfterMs` that came with an error.
    After(Duration),
    /// Only with a fresh token.
    WithFreshToken,
    /// Not by itself.
    Never,
}

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        impl CloseCode {
            $($(#[doc = $doc])+ pub const $name: CloseCode = CloseCode($code);)+

            /// Every code that the gateway uses or a client may see, with its name and what it means.
            pub const KNOWN: &'static [(CloseCode, &'static str, &'static str)] =
                &[$((CloseCode($code), stringify!($name), concat!($($doc),+))),+];

            /// What the codes mean, without their names, which a browser would download for nothing.
            const MEANINGS: &'static [(u16, &'static str)] = &[$(($code, concat!($($doc),+))),+];
        }
    };
}

close_codes! {
    /// Closed by the client.
    NORMAL = 1000,
    /// The node drains.
    GOING_AWAY = 1001,
    /// A broken frame.
    PROTOCOL_ERROR = 1002,
    /// A binary frame: the protocol is JSON text.
    UNSUPPORTED_DATA = 1003,
    /// The connection was lost: no close frame came (never sent on the wire).
    ABNORMAL = 1006,
    /// Text that is not UTF-8.
    INVALID_PAYLOAD = 1007,
    /// A frame or message over the limit.
    MESSAGE_TOO_BIG = 1009,
    /// A fault of the gateway.
    INTERNAL_ERROR = 1011,
    /// The node restarts.
    SERVICE_RESTART = 1012,
    /// The node is full, or cannot check or admit the client now.
    TRY_AGAIN_LATER = 1013,
    /// Too many invalid messages: 20 in 10 s.
    INVALID_MESSAGES = 4400,
    /// Not authenticated in time, or the token is bad or has expired.
    UNAUTHORIZED = 4401,
    /// Disconnected or blocked by an operator.
    DISCONNECTED = 4403,
    /// Replaced by a newer session of the same user.
    REPLACED = 4409,
    /// Refused beside an existing session of the user.
    SESSION_LIMIT = 4423,
    /// Rate limited 100 times in 10 s.
    RATE_LIMITED = 4429,
    /// Disconnected by an operator who asks the client to come back.
    RECONNECT_REQUESTED = 4500,
    /// No frame came within the heartbeat timeout.
    HEARTBEAT_TIMEOUT = 4504,
    /// The client reads too slowly: its queue overflowed.
    SLOW_CONSUMER = 4508,
}

impl CloseCode {
    /// Returns what the code means, for people; `None` for a code that this version does not know.
    pub fn meaning(self) -> Option<&'static str> {
        let known = Self::MEANINGS.iter().find(|(code, _)| *code == self.0);
        known.map(|(_, meaning)| meaning.trim_start())
    }

    /// What a client does about reconnecting after this code, also one that it does not know.
    pub fn reconnect(self) -> Reconnect {
        match self.0 {
            1001 | 1012 => Reconnect::AtOnce,
            1000 | 1002 | 1003 | 1007 | 1009 => Reconnect::Never,
            4401 => Reconnect::WithFreshToken,
            4423 => Reconnect::After(Duration::from_secs(5)),
            4429 => Reconnect::After(Duration::from_secs(30)),
            4400..=4499 => Reconnect::Never,
            _ => Reconnect::Backoff,
        }
    }
}

impl std::fmt::Display for Reconnect {
    /// The advice in a few words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtOnce => f.write_str("yes, at once with jitter"),
            Self::Backoff => f.write_str("yes, with backoff"),
            Self::After(wait) => {
                write!(f, "yes, after {} s or the `retryAfterMs` of the error before it", wait.as_secs())
            }
            Self::WithFreshToken => f.write_str("only with a fresh token"),
            Self::Never => f.write_str("no"),
        }
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl std::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_known_codes_mean() {
        assert_eq!(CloseCode::NORMAL.meaning(), Some("Closed by the client."));
        assert_eq!(CloseCode(4477).meaning(), None);
    }

    #[test]
    fn unknown_codes_follow_their_range() {
        assert_eq!(CloseCode(4477).reconnect(), Reconnect::Never);
        assert_eq!(CloseCode(4599).reconnect(), Reconnect::Backoff);
        assert_eq!(CloseCode(1014).reconnect(), Reconnect::Backoff);
    }
}
