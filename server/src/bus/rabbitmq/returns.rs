//! Finds out which published events the broker has returned because no queue is bound for them.
//!
//! RabbitMQ sends `basic.return` before the `basic.ack` of the same event. lapin attaches the oldest return that it holds
//! to the next confirmation that completes. Where one acknowledgement covers several events, that is often the
//! confirmation of another event. So a return is matched with its event by the event's id.

use std::{collections::HashSet, sync::Arc};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use crate::bus::broker::{Outcome, Settled};

/// An event that was published and waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    /// The tag of the publication.
    pub(super) tag: u64,
    /// The event's id, which is the `message_id` of the publication.
    pub(super) id: Arc<str>,
}

/// Returns a completed confirmation together with all others that have completed. A confirmation must not be interpreted alone:
/// the return of its event may have come with one that completed before it and is read after it.
pub(super) fn completed_with<T>(first: T, confirming: &mut FuturesUnordered<BoxFuture<'static, T>>) -> Vec<T> {
    let mut completed = vec![first];
    while let Some(next) = confirming.next().now_or_never().flatten() {
        completed.push(next);
    }
    completed
}

/// A confirmation that has completed.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) event: Published,
    pub(super) answer: Answer,
    /// The id of the returned event that came with it.
    pub(super) carried: Option<Box<str>>,
}

/// What the broker answered to a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `basic.ack`: it has the event, or has returned it.
    Acknowledged,
    /// `basic.nack`: it does not accept the event.
    Refused,
}

/// The returns of one channel.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// Returned events whose own confirmation has not completed.
    returned: HashSet<Box<str>>,
    /// Acknowledged events that carried the return of another event. Their own return may still come with a later
    /// confirmation, as long as `returned` holds an event: lapin holds at most one return for each of those.
    undecided: Vec<Published>,
}

impl Returns {
    /// Takes all confirmations that have completed since the last call, in any order. Returns the events of which it is
    /// known now what became of them.
    pub(super) fn settle(&mut self, completed: Vec<Completed>) -> Vec<Settled> {
        let mut settled = Vec::with_capacity(completed.len());
        let mut settle = |event: &Published, outcome| settled.push(Settled { tag: event.tag, outcome });
        for id in completed.iter().filter_map(|completed| completed.carried.as_deref()) {
            match self.undecided.iter().position(|event| *event.id == *id) {
                Some(index) => settle(&self.undecided.swap_remove(index), Outcome::Unroutable),
                None => drop(self.returned.insert(id.into())),
            }
        }
        for Completed { event, answer, carried } in completed {
            let was_returned = self.returned.remove(&*event.id);
            match (answer, was_returned, carried) {
                (Answer::Refused, ..) => settle(&event, Outcome::Refused),
                (Answer::Acknowledged, true, _) => settle(&event, Outcome::Unroutable),
                (Answer::Acknowledged, false, None) => settle(&event, Outcome::Routed),
                (Answer::Acknowledged, false, Some(_)) => self.undecided.push(event),
            }
        }
        if self.returned.is_empty() {
            self.undecided.drain(..).for_each(|event| settle(&event, Outcome::Routed));
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn event(number: usize) -> Published {
        Published { tag: number as u64, id: format!("event-{number}").into() }
    }

    fn completed(number: usize, carried: Option<usize>) -> Completed {
        let carried = carried.map(|number| event(number).id.as_ref().into());
        Completed { event: event(number), answer: Answer::Acknowledged, carried }
    }

    /// Returns the tags of the events that have reached a queue.
    fn routed_of(settled: &[Settled]) -> Vec<u64> {
        settled.iter().filter(|settled| settled.outcome == Outcome::Routed).map(|settled| settled.tag).collect()
    }

    fn settle<const N: usize>(returns: &mut Returns, confirmations: [(usize, Option<usize>); N]) -> Vec<u64> {
        let completed = confirmations.map(|(number, carried)| completed(number, carried)).into();
        routed_of(&returns.settle(completed))
    }

    #[test]
    fn matches_a_return_that_came_with_the_confirmation_of_another_event() {
        let mut returns = Returns::default();
        assert_eq!(settle(&mut returns, [(1, Some(2))]), [0; 0], "event 1 may have been returned too");
        assert_eq!(settle(&mut returns, [(2, None)]), [1]);
        assert_eq!(settle(&mut returns, [(3, None)]), [3]);
        assert_eq!(settle(&mut returns, [(4, Some(4))]), [0; 0]);
    }

    #[test]
    fn matches_a_return_that_came_with_a_confirmation_of_the_same_batch() {
        assert_eq!(settle(&mut Returns::default(), [(2, None), (1, Some(2))]), [1]);
    }

    #[test]
    fn waits_with_an_event_whose_own_return_may_still_come() {
        let mut returns = Returns::default();
        assert_eq!(settle(&mut returns, [(1, Some(2))]), [0; 0]);
        assert_eq!(settle(&mut returns, [(2, Some(1))]), [0; 0], "both were returned");
        assert_eq!(settle(&mut returns, [(3, None)]), [3]);
    }

    #[test]
    fn a_refused_event_has_not_reached_a_queue() {
        let mut returns = Returns::default();
        assert_eq!(settle(&mut returns, [(1, Some(2))]), [0; 0]);
        let refused = Completed { answer: Answer::Refused, ..completed(2, None) };
        let expected = [(2, Outcome::Refused), (1, Outcome::Routed)].map(|(tag, outcome)| Settled { tag, outcome });
        assert_eq!(returns.settle(vec![refused]), expected);
    }

    /// Completes confirmations as lapin does: in any order, each with the oldest return that it holds. `ahead` returns of
    /// later confirmations have arrived by then. They are read in batches, in any order within a batch.
    fn routed(returned: &[bool], order: &[usize], ahead: &[usize], batch: usize) -> Vec<usize> {
        let (mut held, mut sent, mut confirmations) = (VecDeque::new(), vec![false; returned.len()], Vec::new());
        for (step, &number) in order.iter().enumerate() {
            let ahead = ahead.get(step).copied().unwrap_or(0);
            for &next in order.iter().skip(step + 1).take(ahead).chain([&number]) {
                if returned[next] && !std::mem::replace(&mut sent[next], true) {
                    held.push_back(next);
                }
            }
            confirmations.push(completed(number, held.pop_front()));
        }
        let (mut returns, mut settled) = (Returns::default(), Vec::new());
        while !confirmations.is_empty() {
            let rest = confirmations.split_off(batch.min(confirmations.len()));
            let read = std::mem::replace(&mut confirmations, rest).into_iter().rev().collect();
            settled.extend(returns.settle(read));
        }
        assert!(returns.undecided.is_empty() && returns.returned.is_empty(), "{returns:?}");
        assert_eq!(settled.len(), returned.len(), "each event is settled once");
        let mut routed: Vec<_> = routed_of(&settled).into_iter().map(|tag| usize::try_from(tag).unwrap()).collect();
        routed.sort_unstable();
        routed
    }

    proptest! {
        #[test]
        fn finds_every_return_whatever_confirmation_carries_it(
            returned in prop::collection::vec(any::<bool>(), 1..24),
            ahead in prop::collection::vec(0_usize..6, 24),
            batch in 1_usize..6,
            seed in any::<u64>(),
        ) {
            let mut order: Vec<_> = (0..returned.len()).collect();
            order.sort_by_key(|number| (*number as u64 + 1).wrapping_mul(seed | 1));
            let expected: Vec<_> = (0..returned.len()).filter(|number| !returned[*number]).collect();
            prop_assert_eq!(routed(&returned, &order, &ahead, batch), expected);
        }
    }
}
