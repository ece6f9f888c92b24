//! Answers of a backend service, up to a bound: the oldest are removed first.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::callback::{Answer, Question};

/// The answers of a backend service.
pub(super) struct Cache {
    answers: HashMap<Arc<Question>, Answer>,
    /// In the order in which the questions were first asked.
    order: VecDeque<Arc<Question>>,
    capacity: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { answers: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<Answer> {
        self.answers.get(question).copied().filter(|answer| now < answer.until)
    }

    /// A grant whose time has run out, and that holds while the service cannot be asked.
    pub(super) fn stale(&mut self, question: &Question, now: Instant) -> Option<&mut Answer> {
        self.answers.get_mut(question).filter(|answer| answer.allowed && now < answer.holds_until)
    }

    /// Removes an answer that a later one contradicts.
    pub(super) fn remove(&mut self, question: &Question) {
        if self.answers.remove(question).is_some() {
            self.order.retain(|known| **known != *question);
        }
    }

    pub(super) fn insert(&mut self, question: Question, answer: Answer) {
        if let Some(known) = self.answers.get_mut(&question) {
            *known = answer;
            return;
        }
        if self.answers.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        let question = Arc::new(question);
        self.order.push_back(Arc::clone(&question));
        self.answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use realtime_gateway_protocol::{ClanId, UserId};

    use super::*;
    use crate::{auth::Action, topic::Topic};

    fn question(user: &str) -> Question {
        let topic = Topic::Clan(ClanId::new("c").unwrap());
        Question { user: UserId::new(user).unwrap(), action: Action::Read, topic }
    }

    #[test]
    fn answers_hold_until_their_end_and_the_oldest_make_room() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let answer = |allowed| Answer { allowed, until: later, ask_at: later, holds_until: later, failures: 0 };
        let mut cache = Cache::new(2);
        for user in ["a", "b", "a", "c"] {
            cache.insert(question(user), answer(user == "c"));
        }
        assert_eq!(cache.get(&question("a"), now), None, "made room for c");
        assert!(cache.get(&question("b"), now).is_some());
        assert!(cache.get(&question("c"), now).unwrap().allowed);
        assert_eq!(cache.get(&question("c"), later), None, "its end");
        assert_eq!((cache.answers.len(), cache.order.len()), (2, 2));
        cache.remove(&question("c"));
        assert_eq!((cache.answers.len(), cache.order.len()), (1, 1));
    }

    #[test]
    fn only_a_grant_holds_beyond_its_end_and_not_beyond_the_grace() {
        let now = Instant::now();
        let [until, holds_until] = [1, 9].map(|seconds| now + Duration::from_secs(seconds));
        let mut cache = Cache::new(2);
        for (user, allowed) in [("granted", true), ("refused", false)] {
            cache.insert(question(user), Answer { allowed, until, ask_at: until, holds_until, failures: 0 });
        }
        assert_eq!(cache.get(&question("granted"), until), None);
        assert!(cache.stale(&question("granted"), until).is_some());
        assert!(cache.stale(&question("granted"), holds_until).is_none());
        assert!(cache.stale(&question("refused"), until).is_none());
    }
}
