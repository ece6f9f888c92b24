//! Keeps the events of one topic in order while those of different topics are handled together: 64 lanes, each of which
//! handles one event at a time.

use std::collections::VecDeque;

/// How many topics are handled together. Topics are spread over the lanes by their names.
pub(super) const LANES: usize = 64;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// It was stored or dead-lettered, and acknowledged.
    Done,
    /// It is to be delivered again later. No event behind it on its topic may be stored before it.
    Later,
}

/// The lane of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LaneNumber(usize);

/// Events that wait for their lane, and which lanes are busy.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: Vec<Lane<T>>,
    busy: usize,
    accepting: bool,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    busy: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        let lanes = (0..LANES).map(|_| Lane { waiting: VecDeque::new(), busy: false }).collect();
        Self { lanes, busy: 0, accepting: true }
    }
}

impl<T> Lanes<T> {
    /// Takes an event with this routing key. Returns it when it is to be handled now. As many wait as the broker delivers
    /// before it is acknowledged.
    pub(super) fn arrived(&mut self, key: &str, event: T) -> Option<(LaneNumber, T)> {
        let number = lane_of(key);
        let lane = self.lanes.get_mut(number.0).filter(|_| self.accepting)?;
        if lane.busy {
            lane.waiting.push_back(event);
            return None;
        }
        lane.busy = true;
        self.busy += 1;
        Some((number, event))
    }

    /// Reports what became of the event that a lane has handled. Returns the next one of the lane, to be handled now.
    pub(super) fn handled(&mut self, number: LaneNumber, handled: Handled) -> Option<T> {
        if handled == Handled::Later {
            self.stop();
        }
        let lane = self.lanes.get_mut(number.0)?;
        if let Some(next) = lane.waiting.pop_front() {
            return Some(next);
        }
        lane.busy = false;
        self.busy -= 1;
        None
    }

    /// Handles no further event. Those that wait are forgotten: the broker delivers them again.
    pub(super) fn stop(&mut self) {
        self.accepting = false;
        self.lanes.iter_mut().for_each(|lane| lane.waiting.clear());
    }

    /// Whether events are still accepted.
    pub(super) fn is_accepting(&self) -> bool {
        self.accepting
    }

    /// Whether no event is being handled.
    pub(super) fn is_idle(&self) -> bool {
        self.busy == 0
    }
}

/// Returns the lane of a topic. What `control` does to one user is one topic.
fn lane_of(key: &str) -> LaneNumber {
    let topic = match key.strip_prefix("control.") {
        Some(rest) => rest.rsplit('.').next().unwrap_or(rest),
        None => key,
    };
    // FNV-1a: any hash that spreads will do.
    let hash = topic
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    LaneNumber(usize::try_from((hash ^ (hash >> 32)) % LANES as u64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_topic_has_one_lane_and_topics_are_spread() {
        assert_eq!(lane_of("control.disconnect.alice"), lane_of("control.unsubscribe.alice"));
        let used: HashSet<_> = (0..1_000).map(|n| lane_of(&format!("notification.user{n}"))).collect();
        assert_eq!(used.len(), LANES);
    }

    #[test]
    fn begins_nothing_after_an_event_that_is_to_come_later() {
        let mut lanes = Lanes::default();
        let (lane, _) = lanes.arrived("a", 1).unwrap();
        assert_eq!(lanes.arrived("a", 2), None, "the lane is busy");
        let (other, _) = lanes.arrived("b", 3).unwrap();
        assert_eq!(lanes.handled(lane, Handled::Later), None);
        assert!(!lanes.is_accepting() && !lanes.is_idle());
        assert_eq!(lanes.arrived("c", 4), None);
        assert_eq!(lanes.handled(other, Handled::Done), None);
        assert!(lanes.is_idle());
    }

    proptest! {
        #[test]
        fn handles_the_events_of_a_topic_one_at_a_time_and_in_order(
            topics in prop::collection::vec(0_usize..100, 1..200),
            finishing in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let (mut lanes, mut running) = (Lanes::default(), Vec::new());
            let (mut handled, mut finishing) = (HashMap::<usize, Vec<usize>>::new(), finishing.into_iter());
            let mut arriving = topics.iter().copied().enumerate();
            loop {
                let arrived = arriving.next();
                if let Some((number, topic)) = arrived {
                    running.extend(lanes.arrived(&format!("notification.{topic}"), (topic, number)));
                }
                let busy: HashSet<_> = running.iter().map(|(lane, _)| *lane).collect();
                prop_assert_eq!(busy.len(), running.len(), "a lane handles one event at a time");
                if running.is_empty() && arrived.is_none() {
                    break;
                }
                let index = finishing.next().map_or(0, |index| index.index(running.len()));
                let (lane, (topic, number)) = running.swap_remove(index);
                handled.entry(topic).or_default().push(number);
                running.extend(lanes.handled(lane, Handled::Done).map(|next| (lane, next)));
            }
            prop_assert!(lanes.is_idle());
            prop_assert_eq!(handled.values().map(Vec::len).sum::<usize>(), topics.len());
            prop_assert!(handled.values().all(|numbers| numbers.is_sorted()));
        }
    }
}
