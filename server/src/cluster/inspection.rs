//! Inspection: asks every node what its sessions are subscribed to. A question and its answers are control messages, so
//! they need no connection between nodes.

mod local;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ErrorCode, SessionId, UserId};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::timeout};

use self::local::LocalInspector;
use crate::{
    command_error::CommandError,
    confirmation::in_time,
    delivery::hub::Hub,
    node::Node,
    runtime::tasks::Tasks,
    session::Sessions,
    store::{ControlMessage, Store},
    topic::Topic,
};

/// How long the answers of other nodes are awaited.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// The number of questions of this node that may wait for answers at a time.
const MAX_WAITING: usize = 16;
/// The number of answers that may wait to be read.
const MAX_NODES: usize = 256;
/// The maximum number of items in an answer.
pub(crate) const MAX_ITEMS: usize = 200;

/// A question to every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(crate) enum Question {
    /// The subscriptions of a user's sessions.
    Subscriptions {
        /// The user.
        user_id: UserId,
    },
    /// The topics that have subscribers, in the order of their names.
    Topics {
        /// The page begins after this topic.
        after: Option<String>,
        /// The maximum number of topics.
        limit: usize,
    },
    /// The users who are subscribed to a topic, in the order of their ids.
    Subscribers {
        /// The topic.
        topic: String,
        /// The page begins after this user.
        after: Option<UserId>,
        /// The maximum number of users.
        limit: usize,
    },
}

/// The answer of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "items", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The sessions of the user on the node.
    Subscriptions(Vec<SessionSubscriptions>),
    /// Topics, with the number of their subscribers on the node.
    Topics(Vec<(String, u64)>),
    /// Users, with the number of their sessions on the node that are subscribed, and the number of all subscribed sessions
    /// of the node.
    Subscribers(Vec<(UserId, u64)>, u64),
}

/// The subscriptions of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionSubscriptions {
    /// The session.
    pub(crate) session: SessionId,
    /// The subscriptions, in the order of their topics.
    pub(crate) subscriptions: Vec<SubscriptionSeen>,
}

/// A subscription of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubscriptionSeen {
    /// The topic.
    pub(crate) topic: String,
    /// Whether the client has subscribed.
    pub(crate) by_client: bool,
    /// Whether the server has subscribed the session.
    pub(crate) by_server: bool,
}

/// The answers of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    answers: Vec<Answer>,
    /// The nodes that did not answer in time.
    pub(crate) missing: Vec<String>,
}

/// The parts that [`Inspector`] works with.
pub(crate) struct InspectorParts {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) tasks: Tasks,
}

/// Asks all nodes, and answers the questions of others.
pub(crate) struct Inspector {
    local: LocalInspector,
    /// The questions of this node that wait for answers.
    waiting: Mutex<HashMap<String, mpsc::Sender<(String, String)>>>,
    node: Arc<Node>,
    store: Arc<dyn Store>,
    tasks: Tasks,
}

/// Removes a question when it is dropped.
struct Waiting<'a> {
    inspector: &'a Inspector,
    question: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inspector.waiting.lock().remove(&self.question);
    }
}

impl Inspector {
    /// Creates an inspector.
    pub(crate) fn new(parts: InspectorParts) -> Self {
        let InspectorParts { node, store, sessions, hub, tasks } = parts;
        Self { local: LocalInspector { sessions, hub }, waiting: Mutex::default(), node, store, tasks }
    }

    /// Returns the subscriptions of a user's sessions on all nodes.
    ///
    /// # Errors
    /// `rate_limited` when too many questions wait, `unavailable` when the store does not answer in time.
    pub(crate) async fn subscriptions(
        &self,
        user: &UserId,
    ) -> Result<(HashMap<SessionId, Vec<SubscriptionSeen>>, Vec<String>), CommandError> {
        let Answers { answers, missing } = self.ask(Question::Subscriptions { user_id: user.clone() }).await?;
        let sessions = answers.into_iter().filter_map(|answer| match answer {
            Answer::Subscriptions(sessions) => Some(sessions),
            _ => None,
        });
        Ok((sessions.flatten().map(|found| (found.session, found.subscriptions)).collect(), missing))
    }

    /// Returns a page of the topics that have subscribers on any node, with the number of subscribed sessions.
    ///
    /// # Errors
    /// As [`Inspector::subscriptions`].
    pub(crate) async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<String>, CommandError> {
        let limit = limit.min(MAX_ITEMS);
        // One item more shows whether there is another page.
        let Answers { answers, missing } = self.ask(Question::Topics { after, limit: limit + 1 }).await?;
        let topics = answers.into_iter().filter_map(|answer| match answer {
            Answer::Topics(topics) => Some(topics),
            _ => None,
        });
        Ok(Page::merge(topics, limit, missing))
    }

    /// Returns a page of the users who are subscribed to a topic on any node, with the number of their sessions, and the
    /// number of all subscribed sessions.
    ///
    /// # Errors
    /// As [`Inspector::subscriptions`].
    pub(crate) async fn subscribers(
        &self,
        topic: &Topic,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Page<UserId>, u64), CommandError> {
        let limit = limit.min(MAX_ITEMS);
        let question = Question::Subscribers { topic: topic.to_string(), after, limit: limit + 1 };
        let Answers { answers, missing } = self.ask(question).await?;
        let mut count = 0;
        let mut pages = Vec::new();
        for answer in answers {
            if let Answer::Subscribers(users, sessions) = answer {
                count += sessions;
                pages.push(users);
            }
        }
        Ok((Page::merge(pages, limit, missing), count))
    }

    /// Handles the question of another node.
    pub(super) fn answer(self: &Arc<Self>, request: String, reply_to: String, question: &str) {
        // A later version may ask other questions. The other node does not wait for this one then.
        let answer = serde_json::from_str(question).ok().and_then(|question| self.local.answer(&question));
        let answer = answer.and_then(|answer| serde_json::to_string(&answer).ok()).unwrap_or_default();
        let (this, node) = (self.clone(), self.node.name.id.to_string());
        self.tasks.spawn_until_stopped(async move {
            let message = ControlMessage::Inspected { request, node, answer };
            if let Err(error) = in_time(this.store.post(&reply_to, &message)).await {
                tracing::debug!(%error, "the answer to a question of another node was not sent");
            }
        });
    }

    /// Handles the answer of another node.
    pub(super) fn answered(&self, request: &str, node: String, answer: String) {
        if let Some(waiting) = self.waiting.lock().get(request) {
            // The asker may have given up just now, or there are more answers than nodes.
            let _ = waiting.try_send((node, answer));
        }
    }

    async fn ask(&self, question: Question) -> Result<Answers, CommandError> {
        let text = serde_json::to_string(&question).map_err(CommandError::internal)?;
        let request = uuid::Uuid::now_v7().to_string();
        let (sender, mut received) = mpsc::channel(MAX_NODES);
        let _waiting = {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= MAX_WAITING {
                let message = "too many questions about all nodes at a time; try again";
                return Err(CommandError::retry(ErrorCode::RateLimited, message, Duration::from_secs(1)));
            }
            waiting.insert(request.clone(), sender);
            Waiting { inspector: self, question: request.clone() }
        };
        let own = &self.node.name.id;
        let nodes = in_time(self.store.nodes()).await?;
        let mut missing: Vec<String> = nodes.into_iter().map(|node| node.id).filter(|id| **id != **own).collect();
        missing.dedup();
        for node in &missing {
            let (request, reply_to, question) = (request.clone(), own.to_string(), text.clone());
            in_time(self.store.post(node, &ControlMessage::Inspect { request, reply_to, question })).await?;
        }
        let mut answers: Vec<Answer> = self.local.answer(&question).into_iter().collect();
        let gather = async {
            while !missing.is_empty() {
                let Some((node, answer)) = received.recv().await else { return };
                if let Ok(answer) = serde_json::from_str(&answer)
                    && let Some(position) = missing.iter().position(|other| *other == node)
                {
                    missing.swap_remove(position);
                    answers.push(answer);
                }
            }
        };
        // Nodes that have not answered are named to the caller.
        let _ = timeout(ANSWER_TIME, gather).await;
        missing.sort();
        Ok(Answers { answers, missing })
    }
}

/// A page of items with a count for each.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The items, in order, with their counts over all nodes.
    pub(crate) items: Vec<(T, u64)>,
    /// Whether there are more items after them.
    pub(crate) more: bool,
    /// The nodes that did not answer in time.
    pub(crate) missing: Vec<String>,
}

impl<T: Ord> Page<T> {
    /// Merges the pages of all nodes, each of which has the first items of its node.
    fn merge(pages: impl IntoIterator<Item = Vec<(T, u64)>>, limit: usize, missing: Vec<String>) -> Self {
        let mut merged = BTreeMap::new();
        for (item, count) in pages.into_iter().flatten() {
            *merged.entry(item).or_insert(0) += count;
        }
        let more = merged.len() > limit;
        Self { items: merged.into_iter().take(limit).collect(), more, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_pages_in_order_and_adds_counts() {
        let page = Page::merge([vec![("a", 1), ("c", 2)], vec![("b", 1), ("c", 3)]], 2, vec![]);
        assert_eq!((page.items, page.more), (vec![("a", 1), ("b", 1)], true));
        let page = Page::merge([vec![("a", 1), ("c", 2)], vec![("c", 3)]], 2, vec![]);
        assert_eq!((page.items, page.more), (vec![("a", 1), ("c", 5)], false));
    }

    #[test]
    fn question_and_answer_survive_as_text() {
        let question = Question::Subscribers { topic: "clan:c".into(), after: None, limit: 3 };
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        let answer = Answer::Subscribers(vec![(UserId::new("a").unwrap(), 2)], 7);
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    }
}
