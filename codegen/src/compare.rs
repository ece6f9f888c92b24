//! The comparison of two contracts: which changes break clients that were written for the older one.

mod keywords;
mod members;
mod schemas;
mod words;

use std::fmt;

use gateway_contracts::{Call, CallPolicy, Contract, DataType, DeclaredTopic, Policy, TopicHistory, TopicPresence};

use schemas::{Comparison, Direction};

/// A difference between an older and a newer contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key of the contract, such as `topics.order.pattern`, or the JSON pointer into the schema. It is that of the
    /// older contract for what the newer one does not have.
    pub place: String,
    /// For a change of the schema, the key of the contract that uses the type, such as `topics.order.event`.
    pub used_by: Option<String>,
    /// What has changed, as a sentence without a full stop.
    pub text: String,
    /// Whether clients that were written for the older contract may fail.
    pub is_breaking: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_breaking { "breaking" } else { "compatible" };
        write!(f, "{kind}: `{}`", self.place)?;
        if let Some(key) = &self.used_by {
            write!(f, " (`{key}`)")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Returns every difference between an older contract and a newer one, in the order of the older contract. Titles and
/// descriptions are not compared, and neither are types that no topic and no call uses.
pub fn compare(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Changes { old, new, found: Vec::new() };
    if old.name != new.name {
        changes.add("name", format!("the name of the service went from {} to {}", old.name, new.name), true);
    }
    for (name, topic) in &old.topics {
        let key = format!("topics.{name}");
        match new.topics.get(name) {
            Some(newer) => changes.topic(&key, topic, newer),
            None => changes.add(&key, "the topic was removed".to_owned(), true),
        }
    }
    for name in new.topics.keys().filter(|name| !old.topics.contains_key(*name)) {
        changes.add(&format!("topics.{name}"), "the topic was added".to_owned(), false);
    }
    for (name, call) in &old.calls {
        let key = format!("calls.{name}");
        match new.calls.get(name) {
            Some(newer) => changes.call(&key, call, newer),
            None => changes.add(&key, "the call was removed".to_owned(), true),
        }
    }
    for name in new.calls.keys().filter(|name| !old.calls.contains_key(*name)) {
        changes.add(&format!("calls.{name}"), "the call was added".to_owned(), false);
    }
    changes.found
}

/// The changes that were found.
struct Changes<'a> {
    old: &'a Contract,
    new: &'a Contract,
    found: Vec<Change>,
}

impl Changes<'_> {
    fn add(&mut self, place: &str, text: String, is_breaking: bool) {
        self.found.push(Change { place: place.to_owned(), used_by: None, text, is_breaking });
    }

    fn topic(&mut self, key: &str, old: &DeclaredTopic, new: &DeclaredTopic) {
        if old.pattern != new.pattern {
            let text = format!("the pattern went from {} to {}", old.pattern, new.pattern);
            self.add(&format!("{key}.pattern"), text, true);
        }
        self.policy(&format!("{key}.subscribe"), old.subscribe, new.subscribe);
        self.history(&format!("{key}.history"), old.history, new.history);
        self.presence(&format!("{key}.presence"), &old.presence, &new.presence);
        let replayed = new.history != TopicHistory::Off;
        let direction = Direction { sent: false, received: true, replayed };
        self.data(&format!("{key}.event"), &old.event, &new.event, direction);
        let key = format!("{key}.publish");
        match (&old.publish, &new.publish) {
            (None, None) => {}
            (Some(_), None) => self.add(&key, "clients may no longer publish".to_owned(), true),
            (None, Some(_)) => self.add(&key, "clients may publish".to_owned(), false),
            (Some(old), Some(new)) => {
                self.policy(&format!("{key}.allow"), old.allow, new.allow);
                self.data(&key, &old.data, &new.data, Direction::SENT);
            }
        }
    }

    fn call(&mut self, key: &str, old: &Call, new: &Call) {
        let policy = |allow: CallPolicy| match allow {
            CallPolicy::Grants => Policy::Grants,
            CallPolicy::User => Policy::User,
        };
        self.policy(&format!("{key}.allow"), policy(old.allow), policy(new.allow));
        self.data(&format!("{key}.request"), &old.request, &new.request, Direction::SENT);
        self.data(&format!("{key}.response"), &old.response, &new.response, Direction::RECEIVED);
    }

    fn policy(&mut self, key: &str, old: Policy, new: Policy) {
        if old != new {
            // Grants and backends allow different users, so that only `user` allows all of the others.
            let is_stricter = new != Policy::User;
            self.add(key, format!("it went from {} to {}", old.word(), new.word()), is_stricter);
        }
    }

    fn history(&mut self, key: &str, old: TopicHistory, new: TopicHistory) {
        match (old, new) {
            _ if old == new => {}
            (_, TopicHistory::Off) => self.add(key, "the topic no longer has a history".to_owned(), true),
            // Apps get `event` instead of `ephemeral_event`, which they do not expect.
            (TopicHistory::Off, _) => {
                let text = "the topic has a history, so that its events are no longer ephemeral";
                self.add(key, text.to_owned(), true);
            }
            _ => self.add(key, "entries are kept for another time or number".to_owned(), false),
        }
    }

    fn presence(&mut self, key: &str, old: &TopicPresence, new: &TopicPresence) {
        match (old, new) {
            (TopicPresence::WithData(old), TopicPresence::WithData(new)) => {
                self.data(key, old, new, Direction { sent: true, received: true, replayed: false });
            }
            (TopicPresence::WithData(_), TopicPresence::On) => {
                self.add(key, "presence no longer has data".to_owned(), true);
            }
            (TopicPresence::Off, TopicPresence::Off) | (TopicPresence::On, TopicPresence::On) => {}
            (_, TopicPresence::Off) => self.add(key, "the topic no longer has presence".to_owned(), true),
            (_, TopicPresence::On) => self.add(key, "the topic has presence".to_owned(), false),
            (_, TopicPresence::WithData(_)) => self.add(key, "presence has data".to_owned(), false),
        }
    }

    /// Compares the types of a key.
    fn data(&mut self, key: &str, old: &DataType, new: &DataType, direction: Direction) {
        let mut comparison = Comparison::new(&self.old.schema, &self.new.schema, direction);
        comparison.types(old.name(), new.name());
        for found in comparison.into_found() {
            // A type that is used twice is reported once.
            let earlier = self.found.iter_mut().find(|change| change.place == found.place && change.text == found.text);
            match earlier {
                None => self.found.push(Change { used_by: Some(key.to_owned()), ..found }),
                Some(earlier) if found.is_breaking && !earlier.is_breaking => {
                    *earlier = Change { used_by: Some(key.to_owned()), ..found };
                }
                Some(_) => {}
            }
        }
    }
}
