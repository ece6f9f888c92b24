//! TEMPORARY
use crate::{auth::AuthError, topic::Topic};
use prometheus::{IntCounter, IntGauge};
use realtime_gateway_protocol::{ErrorCode, ResetReason};
use std::time::Duration;
#[allow(missing_docs)]
pub struct Metrics {
    pub hub_gap_reads_total: IntCounter,
    pub draining: IntGauge,
    pub sessions_active: IntGauge,
    pub sessions_replaced_total: IntCounter,
}
#[allow(missing_docs)]
impl Metrics {
    pub fn subscription_began(&self, _: &Topic) {}
    pub fn subscription_ended(&self, _: &Topic) {}
    pub fn epoch_reset(&self, _: &ResetReason) {}
    pub fn notifications_dropped(&self, _: &'static str, _: usize) {}
    pub fn store_append(&self, _: Duration) {}
    pub fn auth_failure(&self, _: &AuthError) {}
    pub fn rate_limited(&self, _: &'static str) {}
    pub fn error(&self, _: &ErrorCode) {}
    pub fn received(&self, _: &'static str) {}
    pub fn command_took(&self, _: &'static str, _: Duration) {}
    pub fn client(&self, _: &str, _: &str) {}
}
