//! Generates docs/metrics.md from the list of metrics: a table for each area, the meaning of the labels, and the alerts
//! that query a metric.

use std::fmt::Write as _;

use gateway::metrics::{Family, Kind};

/// What the page says before the tables, in Markdown. Its links lead from docs/.
const INTRODUCTION: &str = include_str!("introduction.txt");

/// The areas of the page, each with the beginnings (after `gateway_`) of the names in it. The last area takes all other
/// metrics.
const AREAS: [(&str, &[&str]); 7] = [
    ("Connections and sessions", &["connection", "session", "subscriptions", "closes", "client", "draining"]),
    (
        "Messages and delivery",
        &["messages", "command", "call", "delivery", "errors", "rate", "recoveries", "bytes", "socket"],
    ),
    ("Memory and slow clients", &["slow", "outbound", "memory"]),
    ("Security", &["auth", "permission", "security"]),
    ("Nodes, broker and outbox", &["hub", "cluster", "epoch", "bus", "dead", "outbox", "webhook"]),
    ("Store and notifications", &["store", "pending", "notifications", "deletion"]),
    ("Process", &[""]),
];

/// The labels: the metric without `gateway_`, the label, and its values.
pub(crate) const LABELS: [(&str, &str, &str); 29] = [
    ("build_info", "version", "the version of the gateway"),
    ("build_info", "commit", "the commit that it was built from, or `unknown`"),
    ("client_info", "name", "the name that the client library sends, or `other` beyond 100 different clients"),
    ("client_info", "version", "the version that the client library sends, or `other`"),
    (
        "connections_total",
        "outcome",
        "`upgraded`, or why the connection was refused: `bad_handshake`, `unauthorized`, `blocked`, `unavailable`, \
         `origin_refused`, `address_full`, `throttled`, `memory_full`, `node_full`",
    ),
    ("subscriptions_active", "service", "`notifications`, `clan_chat`, or the name of a service of your own"),
    (
        "messages_received_total",
        "type",
        "the type of the command, as in [protocol.md](protocol.md#messages-from-clients)",
    ),
    (
        "messages_sent_total",
        "type",
        "the type of the message, as in [protocol.md](protocol.md#messages-from-the-gateway)",
    ),
    ("command_duration_seconds", "type", "the type of the command"),
    ("publication_decisions_total", "service", "the service"),
    ("publication_decisions_total", "outcome", "`allowed`, `refused`, or `unavailable` without a usable answer"),
    ("calls_total", "service", "the service"),
    ("calls_total", "outcome", "`succeeded`, or the error code, as in [protocol.md](protocol.md#error-codes)"),
    ("webhook_events_total", "webhook", "the name of the webhook"),
    (
        "webhook_events_total",
        "outcome",
        "`taken`; `repeated` (to be sent again, once for each attempt); `refused`, `expired` and `overflow` (dead \
         letters); `deleted` (dead letters beyond `max_dead`)",
    ),
    ("webhook_waiting", "webhook", "the name of the webhook"),
    ("webhook_dead", "webhook", "the name of the webhook"),
    ("errors_total", "code", "the error code, as in [protocol.md](protocol.md#error-codes)"),
    ("closes_total", "code", "the close code, as in [protocol.md](protocol.md#close-codes)"),
    (
        "rate_limited_total",
        "limit",
        "`messages` (commands that send or query), `control` (subscribing, acknowledging, authenticating), `http_key` \
         (requests with an API key), `http_address` (other requests)",
    ),
    (
        "recoveries_total",
        "outcome",
        "for a subscription that requests recovery `recovered` or `unrecoverable`; for a reset of a live subscription \
         the reason: `epoch_changed`, `trimmed`, `lost`",
    ),
    (
        "auth_failures_total",
        "reason",
        "`invalid`, `expired`, `blocked`, `throttled`, `unavailable` (could not be checked)",
    ),
    (
        "permission_requests_total",
        "outcome",
        "`allowed`, `denied`, `failed` (no usable answer in time), `not_sent` (`permissions.max_in_flight` others did not \
         end in time)",
    ),
    (
        "security_events_total",
        "kind",
        "`refused_token`, `refused_origin`, `throttled_address`, `forbidden_command`, `revoked_user`",
    ),
    ("bus_published_total", "outcome", "`confirmed`; `unroutable` (no queue wants the event); `refused` by the broker"),
    (
        "bus_consumed_total",
        "outcome",
        "`stored`; `refused` (sent to the dead letters); `returned` (delivered again later, when the store is ready)",
    ),
    (
        "dead_lettered_total",
        "reason",
        "`invalid_json`, `invalid_message`, `unknown_key`, `unknown_service`, `message_too_large`, `conflict`, `internal`, \
         `refused`",
    ),
    (
        "notifications_dropped_total",
        "reason",
        "`expired` (its time to live has ended), `max_pending` (the user had `notifications.max_pending` others)",
    ),
    ("store_duration_seconds", "operation", "`append`, `notify`, `notify_all`, `acknowledge`, `read`, `heads`"),
];

/// Returns the page in Markdown.
pub(crate) fn metrics_page(families: &[Family], rules: &str) -> String {
    let alerts = alerts(rules);
    let mut text = INTRODUCTION.to_owned();
    let mut left: Vec<&Family> = families.iter().collect();
    for (title, beginnings) in AREAS {
        let is_here = |family: &Family| {
            let name = short_name(family);
            beginnings.iter().any(|beginning| name.starts_with(beginning))
        };
        let (here, elsewhere): (Vec<&Family>, Vec<&Family>) = left.into_iter().partition(|family| is_here(family));
        left = elsewhere;
        let _ = write!(text, "\n## {title}\n\n| metric | type | meaning | alerts |\n| --- | --- | --- | --- |\n");
        for family in here {
            text.push_str(&row(family, &alerts));
        }
    }
    text.push_str("\n## Labels\n\n| metric | label | values |\n| --- | --- | --- |\n");
    for (metric, label, values) in LABELS {
        let _ = writeln!(text, "| `gateway_{metric}` | `{label}` | {values} |");
    }
    text
}

/// Returns the name without the prefix `gateway_`, as [`LABELS`] has it.
pub(crate) fn short_name(family: &Family) -> &str {
    family.name.strip_prefix("gateway_").unwrap_or(&family.name)
}

fn row(family: &Family, alerts: &[(String, String)]) -> String {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let name = match family.labels.join(", ") {
        labels if labels.is_empty() => family.name.clone(),
        labels => format!("{}{{{labels}}}", family.name),
    };
    let queries = |query: &str| {
        let series = ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name));
        let mut words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| series.iter().any(|name| name == word))
    };
    let links: Vec<_> = alerts
        .iter()
        .filter(|(_, query)| queries(query))
        .map(|(alert, _)| format!("[{alert}](operations.md#{})", alert.to_lowercase()))
        .collect();
    format!("| `{name}` | {kind} | {} | {} |\n", family.help.trim_end_matches('.'), links.join(", "))
}

/// Returns the alerts of the rules: the name and the query of each.
fn alerts(rules: &str) -> Vec<(String, String)> {
    let after_name = rules.split("- alert: ").skip(1);
    let parts = after_name.filter_map(|rule| {
        let (name, rest) = rule.split_once('\n')?;
        let (_, query) = rest.split_once("expr: ")?;
        Some((name.trim().to_owned(), query.split("labels:").next().unwrap_or_default().to_owned()))
    });
    parts.collect()
}
