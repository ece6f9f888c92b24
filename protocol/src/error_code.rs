//! The codes that an `error` message carries.

use crate::open_enum::open_enum;

open_enum! {
    /// Why a command was refused. An `error` never closes the connection by itself.
    pub enum ErrorCode {
        /// The frame is not JSON, or nests deeper than 64 levels.
        InvalidJson = "invalid_json",
        /// A field is missing or outside its bounds; `details` names it.
        InvalidMessage = "invalid_message",
        /// No command has this `type`.
        UnknownType = "unknown_type",
        /// No service has this name, or the service has no such topic.
        UnknownService = "unknown_service",
        /// The message, or the entry that it would make, is over `maxMessageBytes`.
        MessageTooLarge = "message_too_large",
        /// The same id was used before with other content; nothing was stored.
        Conflict = "conflict",
        /// There is no valid identity.
        Unauthorized = "unauthorized",
        /// The token's life has ended: authenticate again.
        TokenExpired = "token_expired",
        /// The identity may not do this.
        Forbidden = "forbidden",
        /// The session has `limits.subscriptions` already.
        SubscriptionLimit = "subscription_limit",
        /// Another session of the user is live, and the policy is to refuse the new one.
        SessionLimit = "session_limit",
        /// Too many commands; try again after `retryAfterMs`.
        RateLimited = "rate_limited",
        /// Not decided or confirmed in time; what was sent may still appear. Try again after `retryAfterMs`.
        Unavailable = "unavailable",
        /// A fault of the gateway; `details.errorId` stands in its log.
        Internal = "internal",
    }
}

impl ErrorCode {
    /// Whether the same command may succeed when it is sent again later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::SessionLimit | Self::TokenExpired)
    }
}
