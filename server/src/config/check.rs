//! Checks the values and their combinations. Each error is one line that says what to change.

use std::time::Duration;

use gateway_store::redis::check_url;

use super::{
    Config, ConfigError, PermissionSource, Store,
    draft::Draft,
    origin::AllowedOrigin,
    providers, webhook_secret,
    webhooks::{self, Webhook},
};

/// The minimum length of a secret: that of the hash of HS256 (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// The maximum of `permissions.stale_grace`.
const MAX_STALE_GRACE: Duration = Duration::from_secs(24 * 3600);
/// The minimum of `store.max_bytes`.
const MIN_STORE_BYTES: u64 = 1024 * 1024;
/// The maximum of `store.min_free_percent`.
const MAX_FREE_PERCENT: u16 = 50;
/// The `limits.message_bytes` above which messages of the gateway could exceed the 256 KiB of the protocol.
const SAFE_MESSAGE_BYTES: usize = 192 * 1024;

/// Returns whether a node id may contain this character. Node ids are used in URLs, queue names and logs.
pub(super) fn in_node_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Rejects a configuration that cannot work or is not safe.
pub(super) fn errors(draft: &Draft) -> Result<(), ConfigError> {
    let config = &draft.config;
    let rules = [
        addresses(config),
        keys(config),
        providers::errors(&config.auth, config.dev),
        versions(config),
        names(config),
        permissions(draft),
        numbers(config),
        escalation(config),
        space(&config.store),
    ];
    rules.into_iter().collect::<Result<(), String>>().map_err(ConfigError::Rule)
}

/// Returns warnings about values that work but may not be intended.
pub(super) fn notices(draft: &Draft) -> Vec<String> {
    let config = &draft.config;
    let drain = &config.drain;
    let found = [
        (
            drain.grace < drain.delay.saturating_add(drain.spread),
            "drain.grace is shorter than drain.delay and drain.spread together: sessions are closed in less time than drain.spread",
        ),
        (
            config.limits.message_bytes > SAFE_MESSAGE_BYTES,
            "limits.message_bytes is over 192KiB: what is pushed may be over the 256KiB that clients expect at most",
        ),
        (
            draft.permission_url.is_some() && !matches!(config.permissions.source, PermissionSource::Http(_)),
            "permissions.url is set, but not used: permissions.source is not `http`",
        ),
        (
            escalates_for_nothing(config),
            "notifications.escalate_after is set, but there is no bus.url, and no webhook takes `notification.unacked`",
        ),
        (config.store.url.0 == "memory", "store.url is `memory`: everything is forgotten when the process ends"),
        (
            config.refuses_metrics(),
            "listen is open to other machines, and neither internal.listen nor metrics.token is set: /metrics is \
             refused with 403; set metrics.token, which Prometheus sends as a bearer token, or internal.listen",
        ),
        (
            config.auth.api_keys.is_empty(),
            "no API key is configured (auth.api_keys): every request to /api/v1 is refused with 401; \
             `gateway key new` creates a key",
        ),
    ];
    let found = found.into_iter().filter_map(|(holds, notice)| holds.then_some(notice));
    let unencrypted = if config.dev { Vec::new() } else { webhooks::unencrypted(&config.webhooks) };
    let found = found.map(str::to_owned).chain(config.keys_without_scopes()).chain(unencrypted);
    found.chain(providers::notices(config)).collect()
}

fn addresses(config: &Config) -> Result<(), String> {
    let all = [Some(config.listen), config.internal_listen];
    match all.into_iter().flatten().find(|address| !address.ip().is_loopback()) {
        Some(address) if config.dev => {
            Err(format!("--dev listens on loopback only, and {address} is not: listen on 127.0.0.1 or leave --dev out"))
        }
        _ if config.internal_listen == Some(config.listen) && config.listen.port() != 0 => {
            Err("internal.listen and listen are the same: give internal.listen another port".into())
        }
        _ => Ok(()),
    }
}

fn keys(config: &Config) -> Result<(), String> {
    let auth = &config.auth;
    let has_keys = !auth.jwt_secrets.is_empty() || !auth.jwt_public_keys.is_empty();
    if !has_keys && auth.jwks_url.is_none() && auth.oidc_issuers.is_empty() {
        return Err("no key verifies tokens: set auth.jwt_secret \
                    (GATEWAY_AUTH__JWT_SECRET=\"$(openssl rand -base64 48)\"), auth.jwt_public_keys, \
                    auth.oidc_issuer or auth.jwks_url, or try it out with --dev"
            .into());
    }
    if !config.dev && auth.jwt_secrets.iter().any(|secret| secret.0.len() < MIN_SECRET_BYTES) {
        return Err(format!(
            "a secret of auth.jwt_secret or auth.jwt_secrets is shorter than {MIN_SECRET_BYTES} bytes: \
             make one with `openssl rand -base64 48`"
        ));
    }
    if auth.jwks_url.as_ref().is_some_and(|url| !is_http(url)) {
        return Err("auth.jwks_url is not an http:// or https:// URL".into());
    }
    if auth.leeway > Duration::from_secs(300) {
        return Err("auth.leeway is over 5m: set the clocks instead".into());
    }
    let mut names: Vec<_> = auth.api_keys.iter().map(|key| &key.name).collect();
    names.sort();
    names.dedup();
    if names.len() < auth.api_keys.len() {
        return Err("auth.api_keys has two keys of one name: give each its own".into());
    }
    Ok(())
}

fn versions(config: &Config) -> Result<(), String> {
    let is_broker = |url: &str| {
        let rest = url.trim().strip_prefix("amqp://").or_else(|| url.trim().strip_prefix("amqps://"));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    if !config.bus.is_embedded() && !config.bus.url.0.split(',').all(is_broker) {
        return Err(
            "bus.url is neither `embedded` nor a list of URLs such as amqp://user:password@host:5672/vhost".into()
        );
    }
    let store = config.store.url.0.as_str();
    if config.store.is_shared() {
        return check_url(store).map_err(|problem| format!("store.url cannot be used: {problem}"));
    }
    match store.strip_prefix("redb:") {
        Some("") => Err("store.url has no path: write redb:./data/gateway.redb".into()),
        None if store != "memory" => Err("store.url is none of redb:PATH, redis://HOST and memory".into()),
        _ => Ok(()),
    }
}

fn names(config: &Config) -> Result<(), String> {
    let node = &config.node_id;
    if node.is_empty() || node.len() > 64 || !node.chars().all(in_node_id) {
        return Err("node_id is not 1 to 64 letters, digits, `-`, `_` or `.`".into());
    }
    for (key, prefix) in [("bus.prefix", &config.bus.prefix), ("store.prefix", &config.store.prefix)] {
        if prefix.is_empty() || prefix.len() > 32 || !prefix.chars().all(in_node_id) {
            return Err(format!("{key} is not 1 to 32 letters, digits, `-`, `_` or `.`"));
        }
    }
    match config.origins_allowed.iter().find(|origin| AllowedOrigin::parse(origin).is_none()) {
        Some(origin) => Err(format!(
            "origins.allowed has {origin:?}: write https://app.example.com or https://*.example.com, with a port \
             where it is not the usual one, and without a path"
        )),
        None => Ok(()),
    }
}

fn permissions(draft: &Draft) -> Result<(), String> {
    let config = &draft.config;
    for (index, secret) in config.permissions.secrets.iter().enumerate() {
        webhook_secret::check(&secret.0)
            .map_err(|problem| format!("permissions.secret, entry {}: {problem}", index + 1))?;
    }
    match &config.permissions.source {
        PermissionSource::AllowAll if !config.dev => {
            Err("permissions.source `allow_all` is for --dev only: use `claims` or `http`".into())
        }
        PermissionSource::Http(url) if !is_http(&url.0) => {
            Err("permissions.url is not an http:// or https:// URL".into())
        }
        _ if config.permissions.stale_grace > MAX_STALE_GRACE => {
            Err("permissions.stale_grace is over 24h: a permission that was withdrawn could hold as long".into())
        }
        _ => Ok(()),
    }
}

fn numbers(config: &Config) -> Result<(), String> {
    let (limits, sessions) = (&config.limits, &config.sessions);
    if config.heartbeat.timeout <= config.heartbeat.interval {
        return Err("heartbeat.timeout is not longer than heartbeat.interval: every quiet connection would be \
                    closed; twice the interval is a good value"
            .into());
    }
    let at_least_one = [
        ("sessions.max_per_user", sessions.max_per_user),
        ("sessions.max_devices", sessions.max_devices),
        ("limits.connections", limits.connections),
        ("limits.connections_per_ip", limits.connections_per_ip),
        ("limits.connects_per_ip_per_minute", limits.connects_per_ip_per_minute),
        ("limits.messages_per_second", limits.messages_per_second as usize),
        ("limits.burst", limits.burst as usize),
        ("limits.subscriptions", limits.subscriptions),
        ("limits.calls_in_flight", limits.calls_in_flight),
        ("limits.http_per_ip_per_second", limits.http_per_ip_per_second as usize),
        ("limits.http_per_key_per_second", limits.http_per_key_per_second as usize),
        ("limits.bad_tokens_per_ip_per_minute", limits.bad_tokens_per_ip_per_minute as usize),
        ("permissions.max_in_flight", config.permissions.max_in_flight),
        ("bus.prefetch", usize::from(config.bus.prefetch)),
        ("outbox.max_entries", usize::try_from(config.outbox_max_entries).unwrap_or(usize::MAX)),
        ("history.limit_entries", usize::try_from(config.history.limit_entries).unwrap_or(usize::MAX)),
        ("history.max_entries", usize::try_from(config.history.max_entries).unwrap_or(usize::MAX)),
        ("notifications.max_pending", usize::try_from(config.notifications.max_pending).unwrap_or(usize::MAX)),
    ];
    if let Some((key, _)) = at_least_one.iter().find(|(_, number)| *number == 0) {
        return Err(format!("{key} is 0: nothing would be let through; the least is 1"));
    }
    if config.loops.is_some_and(|loops| !(1..=256).contains(&loops)) {
        return Err("loops is not 1 to 256; leave it out for the number of cores minus one".into());
    }
    let at_least_a_kibibyte = [
        ("limits.message_bytes", limits.message_bytes),
        ("limits.outbound_queue", limits.outbound_queue),
        ("limits.http_body", limits.http_body),
        ("limits.unauthenticated_message_bytes", limits.unauthenticated_message_bytes),
    ];
    if let Some((key, _)) = at_least_a_kibibyte.iter().find(|(_, bytes)| *bytes < 1024) {
        return Err(format!("{key} is under 1KiB"));
    }
    if limits.outbound_total.is_some_and(|total| total < limits.outbound_queue) {
        return Err(
            "limits.outbound_total is smaller than limits.outbound_queue, which is for one client: raise it, or \
                    leave it out for a quarter of the memory"
                .into(),
        );
    }
    let not_zero = [
        ("heartbeat.interval", config.heartbeat.interval),
        ("auth.timeout", config.auth.timeout),
        ("permissions.timeout", config.permissions.timeout),
        ("limits.handshake_timeout", limits.handshake_timeout),
        ("limits.http_idle_timeout", limits.http_idle_timeout),
        ("history.max_age", config.history.max_age),
        ("notifications.ttl", config.notifications.ttl),
        ("drain.grace", config.drain.grace),
    ];
    match not_zero.iter().find(|(_, time)| time.is_zero()) {
        Some((key, _)) => Err(format!("{key} is 0s: give it some time")),
        None => Ok(()),
    }
}

fn escalation(config: &Config) -> Result<(), String> {
    match config.notifications.escalate_after {
        Some(time) if time.is_zero() => {
            Err("notifications.escalate_after is 0s: give it some time, or leave it out for none".into())
        }
        Some(time) if time >= config.notifications.ttl => {
            Err("notifications.escalate_after is not below notifications.ttl: notifications would end before".into())
        }
        _ => Ok(()),
    }
}

/// Returns whether notifications are escalated by default, and nothing takes the events.
fn escalates_for_nothing(config: &Config) -> bool {
    let is_taken = |webhook: &Webhook| webhook.events.iter().any(|pattern| pattern.covers("notification.unacked.u"));
    config.notifications.escalate_after.is_some() && config.bus.is_embedded() && !config.webhooks.values().any(is_taken)
}

fn space(store: &Store) -> Result<(), String> {
    if store.max_bytes.is_some_and(|bytes| bytes > 0 && bytes < MIN_STORE_BYTES) {
        return Err(
            "store.max_bytes is under 1MiB, which an empty data file takes: raise it, or set 0 for no limit".into()
        );
    }
    if store.min_free_percent > MAX_FREE_PERCENT {
        return Err(format!(
            "store.min_free_percent is over {MAX_FREE_PERCENT}: new messages would be refused with most of the space free"
        ));
    }
    Ok(())
}

pub(super) fn is_http(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}
