//! Tells which published events the broker returned because no queue is bound to them.
//!
//! RabbitMQ sends `basic.return` before the `basic.ack` of the same event. lapin attaches the oldest return that it holds
//! to the next confirmation that completes. Where one acknowledgement covers several events, that is often the
//! confirmation of another event. So a return is matched with its event by the event's id.

use std::{collections::HashSet, sync::Arc};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

/// An event that was published and waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    /// Its place in the outbox.
    pub(super) sequence: u64,
    /// The event's id, which is the `message_id` of the publication.
    pub(super) id: Arc<str>,
    /// Its routing key.
    pub(super) key: Arc<str>,
}

/// Gives a completed confirmation together with all others that have completed. A confirmation is not to be judged alone:
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
    /// `basic.nack`: it does not take the event.
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
    /// Takes all confirmations that have completed since the last call, in any order. Gives the events that are now known
    /// to have reached a queue.
    pub(super) fn settle(&mut self, completed: Vec<Completed>) -> Vec<Published> {
        for id in completed.iter().filter_map(|completed| completed.carried.as_deref()) {
            self.note_return(id);
        }
        let mut routed = Vec::new();
        for Completed { event, answer, carried } in completed {
            let was_returned = self.returned.remove(&*event.id);
            match (was_returned, answer, carried) {
                (false, Answer::Acknowledged, None) => routed.push(event),
                (false, Answer::Acknowledged, Some(_)) => self.undecided.push(event),
                (true, ..) | (_, Answer::Refused, _) => {}
            }
        }
        if self.returned.is_empty() {
            routed.append(&mut self.undecided);
        }
        routed
    }

    fn note_return(&mut self, id: &str) {
        match self.undecided.iter().position(|event| *event.id == *id) {
            Some(index) => drop(self.undecided.swap_remove(index)),
            None => drop(self.returned.insert(id.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn event(number: usize) -> Published {
        Published { sequence: number as u64, id: format!("event-{number}").into(), key: "chat.message.a".into() }
    }

    fn completed(number: usize, carried: Option<usize>) -> Completed {
        let carried = carried.map(|number| event(number).id.as_ref().into());
        Completed { event: event(number), answer: Answer::Acknowledged, carried }
    }

    fn settle<const N: usize>(returns: &mut Returns, confirmations: [(usize, Option<usize>); N]) -> Vec<u64> {
        let completed = confirmations.map(|(number, carried)| completed(number, carried)).into();
        returns.settle(completed).iter().map(|event| event.sequence).collect()
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
        assert_eq!(returns.settle(vec![refused]), [event(1)]);
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
        let (mut returns, mut routed) = (Returns::default(), Vec::new());
        while !confirmations.is_empty() {
            let rest = confirmations.split_off(batch.min(confirmations.len()));
            let read = std::mem::replace(&mut confirmations, rest).into_iter().rev().collect();
            routed.extend(returns.settle(read).iter().map(|event| usize::try_from(event.sequence).unwrap()));
        }
        assert!(returns.undecided.is_empty() && returns.returned.is_empty(), "{returns:?}");
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
