//! Counts the requests to services outside of the gateway: calls, and decisions about publications and permissions.

use std::{fmt, time::Duration};

use super::Metrics;
use crate::auth::{PermissionObserver, PermissionOutcome};

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Counts a command or connection that was refused by a rate limit.
    pub fn rate_limited(&self, limit: &str) {
        self.rate_limited_total.with_label_values(&[limit]).inc();
    }

    /// Counts a call that has ended. The outcome is `succeeded` or the code of the error.
    pub fn call_ended(&self, service: &str, outcome: &str, time: Duration) {
        self.calls_total.with_label_values(&[service, outcome]).inc();
        self.call_duration_seconds.observe(time.as_secs_f64());
    }

    /// Counts a decision of a backend about a publication: `allowed`, `refused` or `unavailable`.
    pub fn publication_decided(&self, service: &str, outcome: &str) {
        self.publication_decisions_total.with_label_values(&[service, outcome]).inc();
    }
}

impl PermissionObserver for Metrics {
    fn permission_request_ended(&self, outcome: PermissionOutcome, time: Duration) {
        self.permission_requests_total.with_label_values(&[outcome.as_str()]).inc();
        self.permission_request_duration_seconds.observe(time.as_secs_f64());
    }

    fn permission_request_not_sent(&self) {
        self.permission_requests_total.with_label_values(&["not_sent"]).inc();
    }
}
