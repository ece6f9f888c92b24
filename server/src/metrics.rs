//! The metrics of the gateway. The handles are looked up once, when the metrics are created.

mod families;
mod rates;
mod requests;
mod subscriptions;
mod webhooks;

use std::{collections::HashSet, time::Duration};

use parking_lot::Mutex;
use prometheus::{Encoder, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};
use realtime_gateway_protocol::{ClientMessage, CloseCode, ErrorCode, ResetReason, ServerMessage};

use self::families::{Counters, Histograms, Maker};
pub use self::{
    families::{Family, Kind},
    rates::Rates,
    webhooks::WebhookMetrics,
};
use crate::{
    auth::AuthError,
    telemetry::{self, SecurityEvent, SecurityKind},
};

/// The maximum number of client names and versions that are counted separately. Others count as `other`.
const CLIENTS: usize = 100;

/// All metrics, by their names without the prefix `gateway_`.
#[expect(missing_docs, reason = "each field is described by the help text that it is registered with")]
pub struct Metrics {
    registry: Registry,
    families: Vec<Family>,
    pub connections_active: IntGauge,
    pub connections_limit: IntGauge,
    pub connections_total: IntCounterVec,
    pub connection_duration_seconds: Histogram,
    pub sessions_active: IntGauge,
    pub sessions_replaced_total: IntCounter,
    pub subscriptions_active: IntGaugeVec,
    pub messages_received_total: Counters,
    pub messages_sent_total: Counters,
    pub bytes_received_total: IntCounter,
    pub bytes_sent_total: IntCounter,
    pub socket_writes_total: IntCounter,
    pub errors_total: Counters,
    pub closes_total: Counters,
    pub auth_failures_total: IntCounterVec,
    pub security_events_total: Counters,
    pub command_duration_seconds: Histograms,
    pub delivery_latency_seconds: Histogram,
    pub outbound_queue_bytes: IntGauge,
    pub slow_consumers_total: IntCounter,
    pub ephemeral_dropped_total: IntCounter,
    pub rate_limited_total: IntCounterVec,
    pub recoveries_total: IntCounterVec,
    pub hub_gap_reads_total: IntCounter,
    pub epoch_resets_total: IntCounter,
    pub cluster_connected: IntGauge,
    pub cluster_reconnects_total: IntCounter,
    pub bus_connected: IntGauge,
    pub bus_reconnects_total: IntCounter,
    pub bus_published_total: IntCounterVec,
    pub bus_consumed_total: IntCounterVec,
    pub dead_lettered_total: IntCounterVec,
    pub bus_unroutable_total: IntCounter,
    pub outbox_entries: IntGauge,
    pub outbox_oldest_seconds: IntGauge,
    pub outbox_overflowed_total: IntCounter,
    pub store_up: IntGauge,
    pub store_bytes: IntGauge,
    pub store_used_bytes: IntGauge,
    pub store_limit_bytes: IntGauge,
    pub store_free_ratio: Gauge,
    pub store_refusing_writes: IntGauge,
    pub store_idempotency_keys: IntGauge,
    pub store_compactions_total: IntCounter,
    pub store_duration_seconds: Histograms,
    pub store_damaged_entries_total: IntCounter,
    pub pending_notifications: IntGauge,
    pub notifications_dropped_total: IntCounterVec,
    pub notifications_escalated_total: IntCounter,
    pub deletion_paused: IntGauge,
    pub draining: IntGauge,
    calls_total: IntCounterVec,
    publication_decisions_total: IntCounterVec,
    pub webhooks: WebhookMetrics,
    call_duration_seconds: Histogram,
    permission_requests_total: IntCounterVec,
    permission_request_duration_seconds: Histogram,
    pub memory_budget_bytes: IntGauge,
    pub memory_used_bytes: IntGauge,
    pub memory_closed_total: IntCounter,
    log_lines_dropped_total: IntCounter,
    client_info: IntGaugeVec,
    clients: Mutex<HashSet<(String, String)>>,
    notification_subscriptions: IntGauge,
    clan_subscriptions: IntGauge,
    /// The message rates of the last minute, for `/health/websocket`.
    pub rates: Rates,
}

impl Metrics {
    /// Creates the metrics in a new registry.
    ///
    /// # Errors
    /// When two metrics have the same name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let make = Maker::new(&registry)?;
        let build = make.gauges("build_info", "The running build", &["version", "commit"])?;
        let commit = option_env!("GATEWAY_COMMIT").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), commit]).set(1);
        let subscriptions_active = make.gauges("subscriptions_active", "Current subscriptions", &["service"])?;
        let errors: Vec<&str> = ErrorCode::KNOWN.iter().map(ErrorCode::as_str).collect();
        let closes: Vec<String> = CloseCode::KNOWN.iter().map(|(code, ..)| code.to_string()).collect();
        let closes: Vec<&str> = closes.iter().map(String::as_str).collect();
        let metrics = Self {
            connections_active: make.gauge("connections_active", "Open WebSocket connections")?,
            connections_limit: make.gauge("connections_limit", "The value of limits.connections")?,
            connections_total: make.counters("connections_total", "Connections by outcome", "outcome")?,
            connection_duration_seconds: make.long("connection_duration_seconds", "Duration of the connections that have ended")?,
            sessions_active: make.gauge("sessions_active", "Current sessions")?,
            sessions_replaced_total: make.counter("sessions_replaced_total", "Sessions replaced by a newer one")?,
            notification_subscriptions: subscriptions_active.with_label_values(&["notifications"]),
            clan_subscriptions: subscriptions_active.with_label_values(&["clan_chat"]),
            subscriptions_active,
            messages_received_total: make.known(
                "messages_received_total",
                "Messages from clients",
                "type",
                ClientMessage::TYPES,
            )?,
            messages_sent_total: make.known(
                "messages_sent_total",
                "Messages written to clients",
                "type",
                ServerMessage::TYPES,
            )?,
            bytes_received_total: make.counter("bytes_received_total", "Bytes read from clients")?,
            bytes_sent_total: make.counter("bytes_sent_total", "Bytes written to clients")?,
            socket_writes_total: make
                .counter("socket_writes_total", "Writes to clients' sockets, each of one or more frames")?,
            errors_total: make.known("errors_total", "Errors sent to clients", "code", &errors)?,
            closes_total: make.known("closes_total", "Connections closed, by close code", "code", &closes)?,
            auth_failures_total: make.counters("auth_failures_total", "Rejected tokens", "reason")?,
            security_events_total: make.known(
                "security_events_total",
                "Rejected tokens and origins, throttled addresses, forbidden commands and blocked users",
                "kind",
                &SecurityKind::ALL.map(SecurityKind::name),
            )?,
            command_duration_seconds: make.timed(
                "command_duration_seconds",
                "Time from decoding a command to its reply",
                "type",
                ClientMessage::TYPES,
            )?,
            delivery_latency_seconds: make
                .short("delivery_latency_seconds", "Time that a message waits on this node, from its encoding to the first write to a socket")?,
            outbound_queue_bytes: make.gauge("outbound_queue_bytes", "Bytes in the outbound queues of clients")?,
            slow_consumers_total: make
                .counter("slow_consumers_total", "Connections closed because they read too slowly")?,
            ephemeral_dropped_total: make
                .counter("ephemeral_dropped_total", "Typing indicators and events that slow clients were not sent")?,
            rate_limited_total: make.counters(
                "rate_limited_total",
                "Commands and HTTP requests refused by rate limits",
                "limit",
            )?,
            recoveries_total: make.counters("recoveries_total", "Recoveries and resets of subscriptions", "outcome")?,
            hub_gap_reads_total: make.counter("hub_gap_reads_total", "Reads of the log because an append notice was missing")?,
            epoch_resets_total: make.counter("epoch_resets_total", "Subscriptions reset by a new epoch")?,
            cluster_connected: make.gauge(
                "cluster_connected",
                "Whether messages of other nodes arrive; 1 if the process has the store to itself",
            )?,
            cluster_reconnects_total: make
                .counter("cluster_reconnects_total", "Reconnections to the channel between nodes")?,
            bus_connected: make.gauge("bus_connected", "Whether the broker is connected; 1 if there is none")?,
            bus_reconnects_total: make.counter("bus_reconnects_total", "Reconnections to the broker")?,
            bus_published_total: make.counters("bus_published_total", "Events published to the broker", "outcome")?,
            bus_consumed_total: make.counters("bus_consumed_total", "Events consumed from the broker", "outcome")?,
            dead_lettered_total: make.counters("dead_lettered_total", "Events of backend services that were sent to the dead letters", "reason")?,
            bus_unroutable_total: make.counter("bus_unroutable_total", "Events that matched no queue")?,
            outbox_entries: make.gauge("outbox_entries", "Events in the outbox that wait for the broker")?,
            outbox_oldest_seconds: make.gauge("outbox_oldest_seconds", "Age of the oldest event in the outbox")?,
            outbox_overflowed_total: make
                .counter("outbox_overflowed_total", "Events that were not stored because the outbox held outbox.max_entries")?,
            store_up: make.gauge("store_up", "Whether the store serves writes")?,
            store_bytes: make.gauge("store_bytes", "Bytes of disk or memory that the store occupies")?,
            store_used_bytes: make.gauge("store_used_bytes", "Bytes that count against store.max_bytes")?,
            store_limit_bytes: make.gauge("store_limit_bytes", "store.max_bytes, or 0 without a limit")?,
            store_free_ratio: make.ratio(
                "store_free_ratio",
                "Free share of the file system of the data file, or of the maxmemory of Redis; 1 if it is unknown",
            )?,
            store_refusing_writes: make.gauge(
                "store_refusing_writes",
                "Whether new messages and notifications are refused because the store has no space",
            )?,
            store_idempotency_keys: make.gauge(
                "store_idempotency_keys",
                "Stored idempotency keys and notification ids; with Redis every key that has an expiry",
            )?,
            store_compactions_total: make.counter("store_compactions_total", "Compactions of the data file")?,
            store_damaged_entries_total: make
                .counter("store_damaged_entries_total", "Stored rows that were found damaged or missing, each counted once")?,
            store_duration_seconds: make.timed(
                "store_duration_seconds",
                "Duration of store operations",
                "operation",
                &["append", "notify", "notify_all", "acknowledge", "read", "heads"],
            )?,
            pending_notifications: make
                .gauge("pending_notifications", "Notifications that are not acknowledged")?,
            notifications_dropped_total: make.counters(
                "notifications_dropped_total",
                "Notifications dropped before they were acknowledged",
                "reason",
            )?,
            notifications_escalated_total: make
                .counter("notifications_escalated_total", "Notifications that were not acknowledged in time")?,
            deletion_paused: make
                .gauge("deletion_paused", "Whether deletion is paused because the clock has jumped")?,
            draining: make.gauge("draining", "Whether the node shuts down gracefully")?,
            calls_total: make.counters_of("calls_total", "Calls to the backends of services", &["service", "outcome"])?,
            publication_decisions_total: make.counters_of(
                "publication_decisions_total",
                "Decisions of the backends of services about publications",
                &["service", "outcome"],
            )?,
            webhooks: WebhookMetrics::new(&make)?,
            call_duration_seconds: make.short("call_duration_seconds", "Duration of calls to the backends of services")?,
            permission_requests_total: make.counters("permission_requests_total", "Requests to permissions.url", "outcome")?,
            permission_request_duration_seconds: make
                .short("permission_request_duration_seconds", "Duration of requests to permissions.url")?,
            memory_budget_bytes: make.gauge("memory_budget_bytes", "The memory budget (limits.outbound_total)")?,
            memory_used_bytes: make.gauge(
                "memory_used_bytes",
                "Memory held for clients: queues, full send buffers, unfinished messages and handshakes",
            )?,
            memory_closed_total: make.counter(
                "memory_closed_total",
                "Connections closed with 4508 because all connections together exceeded limits.outbound_total",
            )?,
            log_lines_dropped_total: make.counter(
                "log_lines_dropped_total",
                "Log lines of the process that were dropped because standard error was not read or could not be written",
            )?,
            client_info: make.gauges("client_info", "Client libraries that have connected", &["name", "version"])?,
            clients: Mutex::default(),
            rates: Rates::default(),
            families: make.families(),
            registry: registry.clone(),
        };
        Ok(metrics)
    }

    /// Returns every family, including those without a series so far.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// Renders the metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        let dropped = &self.log_lines_dropped_total;
        dropped.inc_by(telemetry::dropped_lines().saturating_sub(dropped.get()));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics could not be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Counts a message that a client sent.
    pub fn received(&self, type_name: &str) {
        self.messages_received_total.of(type_name).inc();
    }

    /// Counts messages that were written to a client's socket. Each is given as the index of its type in
    /// [`ServerMessage::TYPES`].
    pub fn written(&self, types: impl Iterator<Item = usize>) {
        // Consecutive messages usually have the same type, so count each run with one atomic addition.
        let (mut run, mut current) = (0, 0);
        for kind in types {
            if kind != current {
                self.messages_sent_total.add_at(current, run);
                (run, current) = (0, kind);
            }
            run += 1;
        }
        self.messages_sent_total.add_at(current, run);
    }

    /// Samples the counters for the rates of the last minute. Called once a second.
    pub fn sample_rates(&self) {
        self.rates.sample(self.messages_received_total.sum(), self.messages_sent_total.sum());
    }

    /// Counts an `error` that was sent.
    pub fn error(&self, code: &ErrorCode) {
        self.errors_total.of(code.as_str()).inc();
    }

    /// Counts a rejected token.
    pub fn auth_failure(&self, error: &AuthError) {
        let reason = match error {
            AuthError::Invalid(_) => "invalid",
            AuthError::Expired => "expired",
            AuthError::Throttled(_) => "throttled",
            AuthError::Unavailable => "unavailable",
            AuthError::Blocked { .. } => "blocked",
        };
        self.auth_failures_total.with_label_values(&[reason]).inc();
    }

    /// Counts a security event and logs it as sampled by `telemetry/security.rs`.
    pub fn security_event(&self, event: SecurityEvent<'_>) {
        self.security_events_total.of(event.kind.name()).inc();
        telemetry::log_security(event);
    }

    /// Records the duration of a command.
    pub fn command_took(&self, type_name: &str, time: Duration) {
        self.command_duration_seconds.of(type_name).observe(time.as_secs_f64());
    }

    /// Records the duration of a store operation.
    pub fn store_took(&self, operation: &str, time: Duration) {
        self.store_duration_seconds.of(operation).observe(time.as_secs_f64());
    }

    /// Counts a subscription that requested recovery, by its outcome.
    pub fn recovery(&self, recovered: bool) {
        let outcome = if recovered { "recovered" } else { "unrecoverable" };
        self.recoveries_total.with_label_values(&[outcome]).inc();
    }

    /// Counts a reset of subscriptions that could not continue without a gap.
    pub fn reset(&self, reason: &ResetReason) {
        if *reason == ResetReason::EpochChanged {
            self.epoch_resets_total.inc();
        }
        self.recoveries_total.with_label_values(&[reason.as_str()]).inc();
    }

    /// Counts notifications that were dropped before they were acknowledged.
    pub fn notifications_dropped(&self, reason: &str, count: u64) {
        if count > 0 {
            self.notifications_dropped_total.with_label_values(&[reason]).inc_by(count);
        }
    }

    /// Sets the number of reconnections to the channel between nodes since the start.
    pub fn cluster_reconnects(&self, count: u64) {
        self.cluster_reconnects_total.inc_by(count.saturating_sub(self.cluster_reconnects_total.get()));
    }

    /// Sets the number of events since the start that were left out of the outbox.
    pub fn outbox_overflowed(&self, count: u64) {
        self.outbox_overflowed_total.inc_by(count.saturating_sub(self.outbox_overflowed_total.get()));
    }

    /// Sets the number of stored rows since the start that were found damaged or missing.
    pub fn damaged_rows(&self, count: u64) {
        self.store_damaged_entries_total.inc_by(count.saturating_sub(self.store_damaged_entries_total.get()));
    }

    /// Sets the number of compactions of the data file since the start.
    pub fn compactions(&self, count: u64) {
        self.store_compactions_total.inc_by(count.saturating_sub(self.store_compactions_total.get()));
    }

    /// Records the client library of a session. The number of label values is limited, because clients choose the text.
    pub fn client(&self, name: &str, version: &str) {
        let fits = name.len() <= 64 && version.len() <= 64;
        let mut clients = self.clients.lock();
        let key = (name.to_owned(), version.to_owned());
        let known = clients.contains(&key) || (fits && clients.len() < CLIENTS && clients.insert(key));
        let labels = if known { [name, version] } else { ["other", "other"] };
        self.client_info.with_label_values(&labels).set(1);
    }
}
