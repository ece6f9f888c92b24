//! Reports the requests to the permission service, for metrics, which are a layer above.

use std::{fmt::Debug, time::Duration};

/// The outcome of a request to the permission service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionOutcome {
    /// The service allowed the action.
    Allowed,
    /// The service denied the action.
    Denied,
    /// There was no usable answer in time.
    Failed,
}

impl PermissionOutcome {
    /// Returns the value of the label `outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Receives what became of requests to the permission service. Decisions from the cache are no requests.
pub trait PermissionObserver: Debug + Send + Sync {
    /// A request has ended.
    fn permission_request_ended(&self, outcome: PermissionOutcome, time: Duration);

    /// A request was not sent, because `permissions.max_in_flight` others did not end in time.
    fn permission_request_not_sent(&self);
}
