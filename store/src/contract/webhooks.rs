//! Webhooks: events that wait for a receiver over HTTP, and those that it did not take. An event is written in the same
//! step as the change that it reports, once for each webhook that takes it, so a slow receiver delays no other.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;

use super::{Event, EventSource, OutboxEntry, PageLimit, StoreError};

/// The name of a webhook: `[a-z][a-z0-9_]{0,31}`, without `__`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookName(Arc<str>);

impl WebhookName {
    /// The largest number of characters.
    const MAX_LENGTH: usize = 32;

    /// Creates a name. Returns `None` if the text is none.
    pub fn new(name: &str) -> Option<Self> {
        let is_valid = name.len() <= Self::MAX_LENGTH
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.contains("__");
        is_valid.then(|| Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first words of routing keys, such as `notification.*` or `service.orders`. It covers everything below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPattern(Arc<str>);

impl EventPattern {
    /// Creates a pattern of words that are separated by dots. The word `*` stands for any one word. Returns `None` for a
    /// text with a word that no routing key can have.
    pub fn new(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            word == "*"
                || !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte))
        };
        text.split('.').all(is_word).then(|| Self(text.into()))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a routing key begins with these words.
    pub fn covers(&self, key: &str) -> bool {
        let mut words = key.split('.');
        self.0.split('.').all(|word| words.next().is_some_and(|other| word == "*" || word == other))
    }

    /// Returns the pattern as a pattern of Lua, for a routing key that is followed by a dot.
    pub(crate) fn lua(&self) -> String {
        let mut pattern = String::from("^");
        for word in self.0.split('.') {
            match word {
                "*" => pattern.push_str("[^.]*"),
                word => word.chars().for_each(|character| {
                    if !character.is_ascii_alphanumeric() {
                        pattern.push('%');
                    }
                    pattern.push(character);
                }),
            }
            pattern.push_str("%.");
        }
        pattern
    }
}

/// Whose events a webhook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSources {
    /// Events that clients have caused.
    Clients,
    /// Those, and events that backend services have caused.
    ClientsAndBackends,
}

/// Which events a webhook takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookFilter {
    /// The webhook.
    pub webhook: WebhookName,
    /// The events, by their routing keys.
    pub events: Vec<EventPattern>,
    /// By whom the events are caused.
    pub sources: EventSources,
}

impl WebhookFilter {
    /// Returns whether the webhook takes an event.
    pub fn takes(&self, event: &Event) -> bool {
        let is_of_source = event.source == EventSource::Client || self.sources == EventSources::ClientsAndBackends;
        is_of_source && self.events.iter().any(|pattern| pattern.covers(&event.key))
    }
}

/// An event that waits for the receiver of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// The event. Its sequence is the position among the events of this webhook.
    pub entry: OutboxEntry,
    /// Since when it waits: the time of the event, or when it was replayed.
    pub since: Timestamp,
    /// How often it was sent, as [`Webhooks::keep_attempts`] has recorded.
    pub attempts: u32,
}

/// How often a waiting event was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// The sequence of the waiting event.
    pub sequence: u64,
    /// The number of times.
    pub attempts: u32,
}

/// Why an event was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadReason {
    /// The receiver refused it.
    Refused,
    /// It waited for longer than `retry_for`.
    Expired,
    /// More than `max_waiting` events waited.
    Overflow,
}

impl DeadReason {
    /// Returns the word that the HTTP API, metrics and stores use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Overflow => "overflow",
        }
    }

    /// Returns the reason of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Refused, Self::Expired, Self::Overflow].into_iter().find(|reason| reason.as_str() == word)
    }
}

/// An event to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The sequence of the waiting event.
    pub sequence: u64,
    /// The reason.
    pub reason: DeadReason,
    /// How often it was sent.
    pub attempts: u32,
}

/// What becomes of waiting events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The sequences of events that the receiver has taken.
    pub taken: Vec<u64>,
    /// Events that become dead letters.
    pub dead: Vec<Death>,
    /// The maximum number of dead letters. Beyond it the oldest are deleted.
    pub max_dead: u64,
    /// The time.
    pub at: Timestamp,
}

/// The result of a settlement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// The number of dead letters that were deleted because of `max_dead`.
    pub deleted: u64,
}

/// A dead letter: an event that the receiver of a webhook did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEvent {
    /// The event.
    pub entry: OutboxEntry,
    /// Why it was given up.
    pub reason: DeadReason,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was given up.
    pub failed_at: Timestamp,
}

/// The number of events of a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookStatus {
    /// The number of waiting events.
    pub waiting: u64,
    /// The number of dead letters.
    pub dead: u64,
}

/// The waiting events and dead letters of each webhook. One node at a time sends those of a webhook, in order.
///
/// Events are written only for webhooks that are [set](Webhooks::set_webhooks). What was written earlier for another
/// webhook stays.
#[async_trait]
pub trait Webhooks {
    /// Replaces the webhooks for which events are written.
    fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>);

    /// Acquires or renews the lease of a webhook. Returns true if this node, and no other, may send its events for
    /// `ttl`. A store that only one process uses always returns true.
    async fn lease_webhook(&self, webhook: &WebhookName, ttl: Duration) -> Result<bool, StoreError>;

    /// Releases the lease of a webhook, so that another node need not wait until it expires.
    async fn release_webhook(&self, _webhook: &WebhookName) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the oldest waiting events. If there are none, waits for events up to `wait`.
    async fn read_webhook(
        &self,
        webhook: &WebhookName,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<Vec<WaitingEvent>, StoreError>;

    /// Remembers how often waiting events were sent, so that another node, or this one after a restart, continues the
    /// count. Events that do not wait any more are ignored.
    async fn keep_attempts(&self, webhook: &WebhookName, attempts: &[Attempts]) -> Result<(), StoreError>;

    /// Removes waiting events, and keeps those that are given up as dead letters. Events that do not wait any more are
    /// ignored. A dead letter with the id of an earlier one replaces it.
    async fn settle_webhook(&self, webhook: &WebhookName, settlement: Settlement) -> Result<Settled, StoreError>;

    /// Returns the number of events of a webhook.
    async fn webhook_status(&self, webhook: &WebhookName) -> Result<WebhookStatus, StoreError>;

    /// Returns the oldest dead letters after the one with an id. Returns `None` if there is none with this id.
    async fn read_dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, StoreError>;

    /// Deletes dead letters by the ids of their events. Returns how many there were.
    async fn remove_dead(&self, webhook: &WebhookName, ids: &[Arc<str>]) -> Result<u64, StoreError>;

    /// Makes dead letters waiting events again, after those that wait, since the time `at`. Returns how many there were.
    async fn replay_dead(&self, webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_covers_everything_below_its_words() {
        let covers = |pattern: &str, key: &str| EventPattern::new(pattern).unwrap().covers(key);
        assert!(covers("chat.message", "chat.message.clan1") && covers("chat", "chat.message.clan1"));
        assert!(covers("notification.*", "notification.acked.u") && covers("*.*.u", "notification.acked.u"));
        assert!(covers("service.orders", "service.orders.order-42"));
        assert!(!covers("service.orders", "service.orders2.x") && !covers("chat.message", "chat"));
        assert!(!covers("session.opened.a", "session.opened.ab") && !covers("chat.message.a.b", "chat.message.a"));
    }

    #[test]
    fn pattern_and_name_refuse_other_characters() {
        for text in ["", "chat.", ".chat", "chat..x", "chat message", "chat.#", "a*"] {
            assert_eq!(EventPattern::new(text), None, "{text}");
        }
        for name in ["", "Shop", "1a", "a-b", "a__b", &"a".repeat(33)] {
            assert_eq!(WebhookName::new(name), None, "{name}");
        }
        assert!(WebhookName::new("shop_2").is_some());
    }

    #[test]
    fn lua_pattern_escapes_characters_with_a_meaning() {
        assert_eq!(EventPattern::new("session.*.a-b%2E").unwrap().lua(), "^session%.[^.]*%.a%-b%%2E%.");
    }
}
