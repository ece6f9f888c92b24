//! The table of WebSocket close codes: name, meaning and reconnect advice. [`document`] writes it as JSON.

mod document;

use std::{ops::RangeInclusive, time::Duration};

pub use document::close_code_document;
pub(crate) use document::properties;

/// The reason why a connection was closed (RFC 6455, section 7.4). The gateway defines the codes 4000 to 4999.
///
/// The range of a code carries the advice: 44xx corresponds to HTTP 4xx, 45xx to HTTP 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

/// Whether and when a client should reconnect after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Immediately, with jitter.
    AtOnce,
    /// With exponential backoff.
    Backoff,
    /// After this time, or after the `retryAfterMs` of the preceding error.
    After(Duration),
    /// Only with a new token.
    WithFreshToken,
    /// Not automatically.
    Never,
}

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal => $reconnect:expr,)+) => {
        impl CloseCode {
            $($(#[doc = $doc])+ pub const $name: CloseCode = CloseCode($code);)+

            /// Every code that the gateway uses or a client may see, with its name and its meaning.
            pub const KNOWN: &'static [(CloseCode, &'static str, &'static str)] =
                &[$((CloseCode($code), stringify!($name), concat!($($doc),+))),+];

            /// The meanings without the names, which would only enlarge the WebAssembly build of the SDK.
            const MEANINGS: &'static [(u16, &'static str)] = &[$(($code, concat!($($doc),+))),+];

            /// Returns the reconnect advice of a code in the table.
            fn listed_advice(self) -> Option<Reconnect> {
                match self.0 {
                    $($code => Some($reconnect),)+
                    _ => None,
                }
            }
        }
    };
}

close_codes! {
    /// Closed without a problem, by the client or by a proxy.
    NORMAL = 1000 => Reconnect::Backoff,
    /// The node shuts down.
    GOING_AWAY = 1001 => Reconnect::AtOnce,
    /// A malformed frame.
    PROTOCOL_ERROR = 1002 => Reconnect::Never,
    /// A binary frame; the protocol uses JSON text.
    UNSUPPORTED_DATA = 1003 => Reconnect::Never,
    /// The connection was lost without a close frame (never sent on the wire).
    ABNORMAL = 1006 => Reconnect::Backoff,
    /// Text that is not UTF-8.
    INVALID_PAYLOAD = 1007 => Reconnect::Never,
    /// A frame or message exceeds the limit.
    MESSAGE_TOO_BIG = 1009 => Reconnect::Never,
    /// An internal error of the gateway.
    INTERNAL_ERROR = 1011 => Reconnect::Backoff,
    /// The node restarts.
    SERVICE_RESTART = 1012 => Reconnect::AtOnce,
    /// The node is full, or cannot authenticate or admit the client at the moment.
    TRY_AGAIN_LATER = 1013 => Reconnect::Backoff,
    /// Too many invalid messages: 20 in 10 s.
    INVALID_MESSAGES = 4400 => Reconnect::Never,
    /// Not authenticated in time, or the token is invalid or has expired.
    UNAUTHORIZED = 4401 => Reconnect::WithFreshToken,
    /// Disconnected or blocked by an operator.
    DISCONNECTED = 4403 => Reconnect::Never,
    /// Replaced by a newer session of the same user.
    REPLACED = 4409 => Reconnect::Never,
    /// Refused because of an existing session of the user.
    SESSION_LIMIT = 4423 => Reconnect::After(Duration::from_secs(5)),
    /// Rate limited 100 times in 10 s.
    RATE_LIMITED = 4429 => Reconnect::After(Duration::from_secs(30)),
    /// Disconnected by an operator who asks the client to reconnect.
    RECONNECT_REQUESTED = 4500 => Reconnect::Backoff,
    /// No frame was received within the heartbeat timeout.
    HEARTBEAT_TIMEOUT = 4504 => Reconnect::Backoff,
    /// The client reads too slowly, and its queue overflowed.
    SLOW_CONSUMER = 4508 => Reconnect::Backoff,
}

impl CloseCode {
    /// Returns the meaning of the code for people, or `None` for a code that this version does not know.
    pub fn meaning(self) -> Option<&'static str> {
        let known = Self::MEANINGS.iter().find(|(code, _)| *code == self.0);
        known.map(|(_, meaning)| meaning.trim_start())
    }

    /// The advice for codes that are not in the table: that of the first range that contains the code.
    const RANGES: [(RangeInclusive<u16>, Reconnect); 2] =
        [(4400..=4499, Reconnect::Never), (1000..=4999, Reconnect::Backoff)];

    /// [`Self::RANGES`] in words.
    pub(crate) const RANGES_IN_WORDS: &str =
        "For a code that is not listed, 4400 to 4499 mean no, and all others yes, with backoff.";

    /// Returns the reconnect advice of the code. The advice for unknown codes follows their range.
    pub fn reconnect(self) -> Reconnect {
        self.listed_advice().unwrap_or_else(|| {
            let range = Self::RANGES.into_iter().find(|(range, _)| range.contains(&self.0));
            range.map_or(Reconnect::Backoff, |(_, advice)| advice)
        })
    }
}

impl Reconnect {
    /// Returns the word for the advice in the generated documents. The delay of [`Self::After`] is not part of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "immediately",
            Self::Backoff => "backoff",
            Self::After(_) => "after",
            Self::WithFreshToken => "with_new_token",
            Self::Never => "never",
        }
    }
}

impl std::fmt::Display for Reconnect {
    /// Writes the advice in a few words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtOnce => f.write_str("yes, immediately with jitter"),
            Self::Backoff => f.write_str("yes, with backoff"),
            Self::After(wait) => {
                write!(f, "yes, after {} s or the `retryAfterMs` of the error before it", wait.as_secs())
            }
            Self::WithFreshToken => f.write_str("only with a new token"),
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
    fn returns_meaning_of_known_codes() {
        assert_eq!(CloseCode::NORMAL.meaning(), Some("Closed without a problem, by the client or by a proxy."));
        assert_eq!(CloseCode(4477).meaning(), None);
    }

    #[test]
    fn returns_reconnect_advice_of_known_codes() {
        assert_eq!(CloseCode::NORMAL.reconnect(), Reconnect::Backoff);
        assert_eq!(CloseCode::GOING_AWAY.reconnect(), Reconnect::AtOnce);
        assert_eq!(CloseCode::MESSAGE_TOO_BIG.reconnect(), Reconnect::Never);
        assert_eq!(CloseCode::UNAUTHORIZED.reconnect(), Reconnect::WithFreshToken);
        assert_eq!(CloseCode::SESSION_LIMIT.reconnect(), Reconnect::After(Duration::from_secs(5)));
        assert_eq!(CloseCode::SLOW_CONSUMER.reconnect(), Reconnect::Backoff);
    }

    #[test]
    fn reconnect_advice_of_unknown_codes_follows_their_range() {
        assert_eq!(CloseCode(4477).reconnect(), Reconnect::Never);
        assert_eq!(CloseCode(4599).reconnect(), Reconnect::Backoff);
        assert_eq!(CloseCode(1014).reconnect(), Reconnect::Backoff);
    }
}
