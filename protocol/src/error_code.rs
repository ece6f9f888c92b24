//! The codes of `error` messages.

use crate::open_enum::open_enum;

open_enum! {
    /// The reason why a command failed. An `error` never closes the connection by itself.
    pub enum ErrorCode {
        /// The frame is not JSON, or nests deeper than 64 levels.
        InvalidJson = "invalid_json",
        /// A field is missing or outside its bounds; `details` names it.
        InvalidMessage = "invalid_message",
        /// No command has this `type`.
        UnknownType = "unknown_type",
        /// No service has this name, or the service has no such topic.
        UnknownService = "unknown_service",
        /// The service has no such call.
        UnknownMethod = "unknown_method",
        /// The message, or the log entry that it would create, exceeds `maxMessageBytes`.
        MessageTooLarge = "message_too_large",
        /// The same id was used before with other content; nothing was stored.
        Conflict = "conflict",
        /// There is no valid identity.
        Unauthorized = "unauthorized",
        /// The token has expired; authenticate again.
        TokenExpired = "token_expired",
        /// The identity has no permission for this.
        Forbidden = "forbidden",
        /// The session already has `limits.subscriptions` subscriptions.
        SubscriptionLimit = "subscription_limit",
        /// The user has another session, and the policy refuses new ones.
        SessionLimit = "session_limit",
        /// Too many commands; try again after `retryAfterMs`.
        RateLimited = "rate_limited",
        /// Not decided or confirmed in time; the command may still take effect, except for a call, which was not made. Try again after `retryAfterMs`.
        Unavailable = "unavailable",
        /// The backend of the service refused the call; `details` has its `status`, `code` and `message`.
        CallFailed = "call_failed",
        /// The backend of the service got the call, and it is not known whether it was carried out; `details.reason` says why. Repeat it only with the same `callId`.
        CallUnknown = "call_unknown",
        /// An internal error of the gateway; its log contains `details.errorId`.
        Internal = "internal",
    }
}

impl ErrorCode {
    /// Returns whether the same command may succeed when it is sent again later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::SessionLimit | Self::TokenExpired)
    }
}
