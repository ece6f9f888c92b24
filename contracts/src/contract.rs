//! The model of a contract: a service with its topics and calls.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use realtime_gateway_protocol::{ServiceName, TopicName};

use crate::{
    ContractError, DataType, MemberName, Schema,
    pattern::{ParameterValues, TopicPattern},
    section::KeyLines,
};

/// A declared service.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The name of the service.
    pub name: ServiceName,
    /// The title for documents.
    pub title: Option<String>,
    /// The types of the data.
    pub schema: Schema,
    /// The kinds of topics, by name.
    pub topics: BTreeMap<MemberName, DeclaredTopic>,
    /// The calls, by name.
    pub calls: BTreeMap<MemberName, Call>,
    /// The path of the contract file.
    pub file: PathBuf,
    pub(crate) lines: KeyLines,
}

/// A kind of topics.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTopic {
    /// The names of its topics.
    pub pattern: TopicPattern,
    /// The type of what is stored and delivered.
    pub event: DataType,
    /// What clients may publish. `None` when only backend services publish.
    pub publish: Option<PublishRule>,
    /// Who may subscribe, and read history and presence.
    pub subscribe: Policy,
    /// How long entries are kept.
    pub history: TopicHistory,
    /// Whether the topic has presence.
    pub presence: TopicPresence,
}

/// What clients may publish to a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishRule {
    /// The type of the data that clients send. Unless `allow` is [`Policy::Backend`], it is the type of the event or a
    /// branch of it.
    pub data: DataType,
    /// Who may publish.
    pub allow: Policy,
}

/// Who may use a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Users with a grant: a claim of the token, or the permission service.
    Grants,
    /// Any authenticated user.
    User,
    /// The users whom the backend of the service allows.
    Backend,
}

impl Policy {
    /// Returns the word for the policy in a contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grants => "grants",
            Self::User => "user",
            Self::Backend => "backend",
        }
    }
}

/// Who may use a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPolicy {
    /// Users with a grant: a claim of the token, or the permission service.
    Grants,
    /// Any authenticated user.
    User,
}

/// How long the entries of a topic are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicHistory {
    /// Entries are stored. A missing bound is that of the gateway (`history.*`).
    Kept {
        /// The maximum number of entries.
        max_entries: Option<u64>,
        /// The maximum age of an entry.
        max_age: Option<Duration>,
    },
    /// Events are delivered to current subscribers only and not stored.
    Off,
}

/// Whether a topic has presence, and the type of `presenceData`.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicPresence {
    /// No presence.
    Off,
    /// Presence without data.
    On,
    /// Presence with data of this type.
    WithData(DataType),
}

/// A call: a request to the backend of the service, and its response.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The type of the request's data.
    pub request: DataType,
    /// The type of the response's data.
    pub response: DataType,
    /// Who may call it.
    pub allow: CallPolicy,
}

/// The properties of a gateway that decide whether it can serve a contract.
#[derive(Debug, Clone, Copy)]
pub struct Deployment {
    /// Whether the service has a backend (`backend.url`).
    pub has_backend: bool,
    /// `history.limit_entries`: the maximum of `history.max_entries` of a topic.
    pub max_history_entries: u64,
}

impl Contract {
    /// Returns the kind of a topic and the values of its parameters, or `None` when no pattern matches.
    pub fn topic<'a>(
        &'a self,
        topic: &'a TopicName,
    ) -> Option<(&'a MemberName, &'a DeclaredTopic, ParameterValues<'a>)> {
        // At most one pattern matches, because no first literal is a prefix of another.
        self.topics
            .iter()
            .find_map(|(name, declared)| declared.pattern.values(topic.as_str()).map(|values| (name, declared, values)))
    }

    /// Returns the kind of a topic, or `None` when no pattern matches.
    pub fn kind_of_topic(&self, topic: &TopicName) -> Option<&DeclaredTopic> {
        self.topics.values().find(|declared| declared.pattern.matches(topic.as_str()))
    }

    /// Checks that a gateway can serve the contract.
    ///
    /// # Errors
    /// A [`ContractError`] with the first key that the gateway does not support.
    pub fn check(&self, deployment: &Deployment) -> Result<(), ContractError> {
        for (name, topic) in &self.topics {
            if let TopicHistory::Kept { max_entries: Some(entries), .. } = topic.history
                && entries > deployment.max_history_entries
            {
                let limit = deployment.max_history_entries;
                let problem = format!("is {entries}, over the limit of this gateway, history.limit_entries ({limit})");
                return Err(self.error(&format!("topics.{name}.history.max_entries"), problem));
            }
        }
        match self.needs_backend() {
            Some(key) if !deployment.has_backend => {
                let problem = format!("needs a backend: set services.{}.backend.url in gateway.toml", self.name);
                Err(self.error(&key, problem))
            }
            _ => Ok(()),
        }
    }

    /// Returns the first key that only a backend can serve, such as `calls.cancel`.
    pub fn needs_backend(&self) -> Option<String> {
        let topics = self.topics.iter().find_map(|(name, topic)| {
            let publish = topic.publish.as_ref().is_some_and(|publish| publish.allow == Policy::Backend);
            let subscribe = topic.subscribe == Policy::Backend;
            let key = if subscribe { "subscribe" } else { "publish" };
            (publish || subscribe).then(|| format!("topics.{name}.{key}"))
        });
        topics.or_else(|| self.calls.keys().next().map(|name| format!("calls.{name}")))
    }

    /// Returns an error about a key of the contract. `problem` is the end of a sentence that starts with the key.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> ContractError {
        ContractError {
            file: self.file.clone(),
            line: Some(self.lines.line(key)),
            key: Some(key.to_owned()),
            problem: problem.into(),
        }
    }
}
