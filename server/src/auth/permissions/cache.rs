//! Caches the decisions of a service. The oldest ones are evicted first.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Instant,
};

use super::decisions::{Decision, Verdict};

/// The decisions of a service about queries.
pub(super) struct Cache<Q> {
    decisions: HashMap<Arc<Q>, Decision>,
    /// In the order in which the queries were first sent.
    order: VecDeque<Arc<Q>>,
    capacity: usize,
}

impl<Q: Eq + Hash> Cache<Q> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { decisions: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(super) fn get(&self, query: &Q, now: Instant) -> Option<Decision> {
        self.decisions.get(query).filter(|decision| now < decision.cached_until).cloned()
    }

    /// Returns a grant that has expired, but remains valid while the service is unavailable.
    pub(super) fn stale(&mut self, query: &Q, now: Instant) -> Option<&mut Decision> {
        self.decisions
            .get_mut(query)
            .filter(|decision| decision.verdict == Verdict::Allowed && now < decision.stale_until)
    }

    /// Removes a decision that a newer one contradicts.
    pub(super) fn remove(&mut self, query: &Q) {
        if self.decisions.remove(query).is_some() {
            self.order.retain(|known| **known != *query);
        }
    }

    pub(super) fn insert(&mut self, query: Q, decision: Decision) {
        if let Some(known) = self.decisions.get_mut(&query) {
            *known = decision;
            return;
        }
        if self.decisions.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.decisions.remove(&oldest);
        }
        let query = Arc::new(query);
        self.order.push_back(Arc::clone(&query));
        self.decisions.insert(query, decision);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::permissions::query::{PermissionKey, tests};

    fn query(user: &str) -> PermissionKey {
        tests::query(&tests::identity(user, &[]), "s", None, &[]).key
    }

    fn verdict(allowed: bool) -> Verdict {
        if allowed { Verdict::Allowed } else { Verdict::Denied(None) }
    }

    #[test]
    fn decisions_expire_and_the_oldest_are_evicted() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let decision = |allowed| Decision {
            verdict: verdict(allowed),
            cached_until: later,
            recheck_at: later,
            stale_until: later,
            failures: 0,
        };
        let mut cache = Cache::new(2);
        for user in ["a", "b", "a", "c"] {
            cache.insert(query(user), decision(user == "c"));
        }
        assert_eq!(cache.get(&query("a"), now), None, "evicted by c");
        assert!(cache.get(&query("b"), now).is_some());
        assert!(cache.get(&query("c"), now).unwrap().verdict == Verdict::Allowed);
        assert_eq!(cache.get(&query("c"), later), None, "expired");
        assert_eq!((cache.decisions.len(), cache.order.len()), (2, 2));
        cache.remove(&query("c"));
        assert_eq!((cache.decisions.len(), cache.order.len()), (1, 1));
    }

    #[test]
    fn only_grants_remain_valid_during_the_grace_period() {
        let now = Instant::now();
        let [cached_until, stale_until] = [1, 9].map(|seconds| now + Duration::from_secs(seconds));
        let mut cache = Cache::new(2);
        for (user, allowed) in [("granted", true), ("refused", false)] {
            cache.insert(
                query(user),
                Decision {
                    verdict: verdict(allowed),
                    cached_until,
                    recheck_at: cached_until,
                    stale_until,
                    failures: 0,
                },
            );
        }
        assert_eq!(cache.get(&query("granted"), cached_until), None);
        assert!(cache.stale(&query("granted"), cached_until).is_some());
        assert!(cache.stale(&query("granted"), stale_until).is_none());
        assert!(cache.stale(&query("refused"), cached_until).is_none());
    }
}
