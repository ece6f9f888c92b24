//! Counts the requests to the permission service.

use std::{fmt, time::Duration};

use super::Metrics;
use crate::auth::{PermissionObserver, PermissionOutcome};

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
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
