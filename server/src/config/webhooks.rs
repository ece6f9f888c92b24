//! Webhooks: the sections `[webhooks.NAME]`, receivers of events over HTTP.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use gateway_store::{EventPattern, EventSources, WebhookFilter, WebhookName};
use realtime_gateway_protocol::backend::{Flow, KINDS};

use super::Secret;

/// The allowed values of `timeout`.
const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// The shortest and the longest `retry_for`.
const RETRY_FOR: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
/// The largest `max_batch`.
const MAX_BATCH: usize = 1_000;
/// The largest number of webhooks. Each event is compared with the patterns of all of them.
const MAX_WEBHOOKS: usize = 32;

/// A webhook, `webhooks.NAME.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The URL of every request.
    pub url: Secret,
    /// The file with the secrets that sign requests, one a line.
    pub secret_file: PathBuf,
    /// The events that are sent.
    pub events: Vec<EventPattern>,
    /// Whose events are sent.
    pub sources: EventSources,
    /// The maximum number of events in one request.
    pub max_batch: usize,
    /// The time limit of a request.
    pub timeout: Duration,
    /// For how long an event is sent again, counted from the event.
    pub retry_for: Duration,
    /// The maximum number of events that wait.
    pub max_waiting: u64,
    /// The maximum number of dead letters.
    pub max_dead: u64,
}

/// Returns which events the store writes for webhooks.
pub fn filters(webhooks: &BTreeMap<WebhookName, Webhook>) -> Arc<[WebhookFilter]> {
    let filter = |(name, webhook): (&WebhookName, &Webhook)| WebhookFilter {
        webhook: name.clone(),
        events: webhook.events.clone(),
        sources: webhook.sources,
    };
    webhooks.iter().map(filter).collect()
}

/// The keys of a section `[webhooks.NAME]` while the layers are merged.
#[derive(Debug, Clone)]
pub(super) struct WebhookDraft {
    pub(super) url: Option<Secret>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) events: Vec<String>,
    pub(super) backend_events: bool,
    pub(super) max_batch: usize,
    pub(super) timeout: Duration,
    pub(super) retry_for: Duration,
    pub(super) max_waiting: u64,
    pub(super) max_dead: u64,
}

impl Default for WebhookDraft {
    fn default() -> Self {
        Self {
            url: None,
            secret_file: None,
            events: Vec::new(),
            backend_events: false,
            max_batch: 100,
            timeout: Duration::from_secs(15),
            retry_for: Duration::from_secs(24 * 3600),
            max_waiting: 1_000_000,
            max_dead: 100_000,
        }
    }
}

/// Checks the sections and returns the webhooks. The error is a sentence that names the key.
pub(super) fn complete(drafts: &BTreeMap<WebhookName, WebhookDraft>) -> Result<BTreeMap<WebhookName, Webhook>, String> {
    if drafts.len() > MAX_WEBHOOKS {
        return Err(format!(
            "there are more than {MAX_WEBHOOKS} sections [webhooks.NAME]: let one receiver distribute"
        ));
    }
    let webhook = |(name, draft): (&WebhookName, &WebhookDraft)| {
        draft.complete().map(|webhook| (name.clone(), webhook)).map_err(|problem| format!("webhooks.{name}.{problem}"))
    };
    drafts.iter().map(webhook).collect()
}

/// Returns a warning for each webhook whose events go unencrypted to an address that is not private.
pub(super) fn unencrypted(webhooks: &BTreeMap<WebhookName, Webhook>) -> Vec<String> {
    let is_exposed = |(_, webhook): &(&WebhookName, &Webhook)| {
        webhook.url.0.strip_prefix("http://").is_some_and(|rest| !is_private_host(host(rest)))
    };
    let warning = |(name, _)| {
        format!(
            "webhooks.{name}.url is http: and not a loopback or private address, so anyone on the way can read the events: use https:"
        )
    };
    webhooks.iter().filter(is_exposed).map(warning).collect()
}

/// Returns the host of a URL without its scheme.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether a host is a loopback or private address, or a name that is used within a private network.
fn is_private_host(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => {
            let host = host.to_ascii_lowercase();
            !host.contains('.') || [".localhost", ".local", ".internal", ".svc"].iter().any(|end| host.ends_with(end))
        }
    }
}

impl WebhookDraft {
    /// Checks the keys. The error is a sentence that starts with the rest of a key.
    fn complete(&self) -> Result<Webhook, String> {
        let Some(url) = self.url.clone() else {
            return Err("url is not set: name the http:// or https:// URL that takes the events".into());
        };
        if !super::check::is_http(&url.0) || host(url.0.split_once("://").map_or("", |(_, rest)| rest)).is_empty() {
            return Err("url is not an http:// or https:// URL".into());
        }
        let Some(secret_file) = self.secret_file.clone() else {
            return Err("secret_file is not set: requests are signed, so that the receiver can trust them".into());
        };
        if self.events.is_empty() {
            return Err("events is not set: list what is sent, such as [\"chat.message\", \"notification.*\"]".into());
        }
        let events = self.events.iter().map(|text| pattern(text)).collect::<Result<_, _>>()?;
        if !(1..=MAX_BATCH).contains(&self.max_batch) {
            return Err(format!("max_batch is not 1 to {MAX_BATCH}"));
        }
        if !TIMEOUT.contains(&self.timeout) {
            return Err("timeout is not 100ms to 60s".into());
        }
        if !RETRY_FOR.contains(&self.retry_for) {
            return Err("retry_for is not 1s to 30d".into());
        }
        if self.max_waiting == 0 {
            return Err("max_waiting is 0: every event would become a dead letter; the least is 1".into());
        }
        let sources = if self.backend_events { EventSources::ClientsAndBackends } else { EventSources::Clients };
        Ok(Webhook {
            url,
            secret_file,
            events,
            sources,
            max_batch: self.max_batch,
            timeout: self.timeout,
            retry_for: self.retry_for,
            max_waiting: self.max_waiting,
            max_dead: self.max_dead,
        })
    }
}

/// Reads a pattern of `events`. The error is a sentence that starts with the key.
fn pattern(text: &str) -> Result<EventPattern, String> {
    let Some(pattern) = EventPattern::new(text) else {
        return Err(format!(
            "events has {text:?}, which is not the first words of a routing key: separate words by dots, write * for \
             any one word, and encode other characters than letters, digits, `_` and `-` as %XX"
        ));
    };
    if is_possible(text) {
        return Ok(pattern);
    }
    let distance = |known: &String| strsim::damerau_levenshtein(known, text);
    let nearest = beginnings().min_by_key(distance).unwrap_or_default();
    Err(format!("events has {text:?}, which no event matches; the nearest known one is {nearest:?}"))
}

/// Returns whether a pattern covers some event: its words fit to a routing key, and there are not more of them.
fn is_possible(text: &str) -> bool {
    KINDS.iter().filter(|kind| kind.flow == Flow::Outbound).any(|kind| {
        let mut words = kind.key.split('.');
        text.split('.')
            .all(|word| words.next().is_some_and(|known| word == "*" || known.starts_with('{') || known == word))
    })
}

/// Returns the words of each kind of event before its first identifier.
fn beginnings() -> impl Iterator<Item = String> {
    let fixed = |key: &'static str| key.split('.').take_while(|word| !word.starts_with('{')).collect::<Vec<_>>();
    KINDS.iter().filter(|kind| kind.flow == Flow::Outbound).map(move |kind| fixed(kind.key).join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(events: &[&str]) -> WebhookDraft {
        WebhookDraft {
            url: Some(Secret("https://api.example.com/hooks".into())),
            secret_file: Some("secret".into()),
            events: events.iter().map(|text| (*text).to_owned()).collect(),
            ..WebhookDraft::default()
        }
    }

    #[test]
    fn accepts_patterns_of_every_kind_of_event() {
        let webhook = draft(&["chat", "*.message.c", "notification.*", "session.opened", "service.orders.order-42"]);
        let webhook = webhook.complete().unwrap();
        assert_eq!((webhook.max_batch, webhook.timeout.as_secs(), webhook.events.len()), (100, 15, 5));
        assert_eq!(webhook.sources, EventSources::Clients);
    }

    #[test]
    fn refuses_values_that_cannot_work_and_names_the_key() {
        let secs = Duration::from_secs;
        let good = || draft(&["chat"]);
        for (draft, problem) in [
            (WebhookDraft { url: None, ..good() }, "url is not set"),
            (WebhookDraft { url: Some(Secret("ftp://x".into())), ..good() }, "url is not an http"),
            (WebhookDraft { url: Some(Secret("https:///x".into())), ..good() }, "url is not an http"),
            (WebhookDraft { secret_file: None, ..good() }, "secret_file is not set"),
            (draft(&[]), "events is not set"),
            (draft(&["chat message"]), "events has \"chat message\", which is not the first words"),
            (
                draft(&["chat.mesage"]),
                "events has \"chat.mesage\", which no event matches; the nearest known one is \"chat.message\"",
            ),
            (draft(&["service.orders.a.b"]), "events has \"service.orders.a.b\", which no event matches"),
            (WebhookDraft { max_batch: 0, ..good() }, "max_batch is not 1 to 1000"),
            (WebhookDraft { max_batch: 1_001, ..good() }, "max_batch is not 1 to 1000"),
            (WebhookDraft { timeout: secs(61), ..good() }, "timeout is not 100ms to 60s"),
            (WebhookDraft { retry_for: secs(0), ..good() }, "retry_for is not 1s to 30d"),
            (WebhookDraft { max_waiting: 0, ..good() }, "max_waiting is 0"),
        ] {
            let error = draft.complete().unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn warns_about_unencrypted_events_to_other_networks() {
        for (url, is_exposed) in [
            ("http://127.0.0.1:80/x", false),
            ("http://u:p@[::1]/x", false),
            ("http://10.1.2.3", false),
            ("http://orders:8080/hook", false),
            ("http://orders.shop.svc:8080", false),
            ("https://example.com", false),
            ("http://example.com", true),
            ("http://8.8.8.8:80/", true),
            ("http://[2001:db8::1]/", true),
        ] {
            let draft = WebhookDraft { url: Some(Secret(url.into())), ..draft(&["chat"]) };
            let name = WebhookName::new("shop").unwrap();
            let webhooks = BTreeMap::from([(name, draft.complete().unwrap())]);
            assert_eq!(unencrypted(&webhooks).len(), usize::from(is_exposed), "{url}");
        }
    }
}
