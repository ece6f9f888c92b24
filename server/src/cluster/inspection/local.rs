//! Answers the questions of an inspection for this node.

use std::{collections::BTreeMap, sync::Arc};

use realtime_gateway_protocol::UserId;

use super::{Answer, MAX_ITEMS, Question, SessionSubscriptions, SubscriptionSeen};
use crate::{
    delivery::hub::Hub,
    session::{Holder, Session, Sessions},
    topic::Topic,
};

/// The parts of this node that know what sessions are subscribed to.
pub(super) struct LocalInspector {
    pub(super) sessions: Arc<Sessions>,
    pub(super) hub: Arc<Hub>,
}

impl LocalInspector {
    /// Returns the answer of this node. `None` for a topic that is not valid.
    pub(super) fn answer(&self, question: &Question) -> Option<Answer> {
        Some(match question {
            Question::Subscriptions { user_id } => {
                let sessions = self.sessions.table().of_user(user_id);
                Answer::Subscriptions(sessions.iter().map(|session| subscriptions_of(session)).collect())
            }
            Question::Topics { after, limit } => {
                Answer::Topics(self.hub.subscribed_topics(after.as_deref(), (*limit).min(MAX_ITEMS + 1)))
            }
            Question::Subscribers { topic, after, limit } => self.subscribers(&topic.parse().ok()?, after, *limit),
        })
    }

    fn subscribers(&self, topic: &Topic, after: &Option<UserId>, limit: usize) -> Answer {
        let users = self.hub.subscribers(topic);
        let count = users.len() as u64;
        let mut sessions = BTreeMap::new();
        for user in users {
            *sessions.entry(user).or_insert(0) += 1;
        }
        let is_after = |user: &UserId| after.as_ref().is_none_or(|after| user > after);
        let page = sessions.into_iter().filter(|(user, _)| is_after(user)).take(limit.min(MAX_ITEMS + 1));
        Answer::Subscribers(page.collect(), count)
    }
}

fn subscriptions_of(session: &Session) -> SessionSubscriptions {
    let (client, server) = (session.topics_of(Holder::Client), session.topics_of(Holder::Server));
    let mut topics: Vec<&Topic> = client.iter().chain(&server).collect();
    topics.sort();
    topics.dedup();
    let seen = |topic: &Topic| SubscriptionSeen {
        topic: topic.to_string(),
        by_client: client.contains(topic),
        by_server: server.contains(topic),
    };
    let subscriptions = topics.into_iter().map(seen).collect();
    SessionSubscriptions { session: session.id().clone(), subscriptions }
}
