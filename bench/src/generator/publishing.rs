//! Publishes messages: composes them, numbers them by topic, and knows when the next one is due.

use std::time::Duration;

use super::{
    dialect::Dialect,
    layout::Layout,
    mark::Mark,
    pace::{Pace, due, has_room},
};

/// How many messages are published before the sockets are looked at again.
const BATCH: usize = 64;

/// The publishers of a load.
pub(super) struct Publishing {
    dialect: Dialect,
    layout: Layout,
    pace: Pace,
    /// When the load began.
    start: Duration,
    /// The number of the newest message of each topic.
    pub(super) sequences: Vec<u32>,
    /// The number of all messages.
    pub(super) published: u64,
    message: String,
}

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// Its topic.
    pub(super) topic: u32,
    /// When it was due. A message that is sent late counts as slow.
    pub(super) due: Duration,
}

impl Publishing {
    /// Begins without messages.
    pub(super) fn new(dialect: Dialect, layout: Layout, pace: Pace, start: Duration) -> Self {
        let sequences = vec![0; layout.all_topics() as usize];
        Self { dialect, layout, pace, start, sequences, published: 0, message: String::new() }
    }

    /// Returns the topics that begin, if their next messages follow deliveries.
    pub(super) fn first(&self) -> Vec<u32> {
        if self.pace == Pace::OneByOne { (0..self.layout.all_topics()).collect() } else { Vec::new() }
    }

    /// Returns the messages that are due now, and the time until the next one.
    pub(super) fn due(&self, now: Duration, delivered: u64) -> (Vec<Next>, Duration) {
        let topic = |number| self.layout.topic_of_message(number);
        let members = u64::from(self.layout.members);
        let mut next = Vec::new();
        match self.pace {
            Pace::Idle | Pace::OneByOne => {}
            Pace::PerSecond(rate) => {
                for number in self.published..self.published + BATCH as u64 {
                    let due = self.start + due(number, rate);
                    if due > now {
                        return (next, due - now);
                    }
                    next.push(Next { topic: topic(number), due });
                }
                return (next, Duration::ZERO);
            }
            Pace::InFlight(most) => {
                let numbers = self.published..self.published + BATCH as u64;
                let fitting = numbers.take_while(|number| has_room(*number, delivered, members, most));
                next.extend(fitting.map(|number| Next { topic: topic(number), due: now }));
            }
        }
        (next, Duration::from_millis(1))
    }

    /// Composes a message, and returns it with the number of its publisher.
    pub(super) fn compose(&mut self, next: Next) -> (u32, &str) {
        let sequence = &mut self.sequences[next.topic as usize];
        *sequence += 1;
        self.published += 1;
        let sent = u64::try_from(next.due.as_nanos()).expect("a load of less than 500 years");
        let content = Mark { sent, topic: next.topic, sequence: *sequence }.content();
        self.dialect.publish(&mut self.message, next.topic, &topic_name(next.topic), &content);
        (self.layout.publisher_of(next.topic), &self.message)
    }
}

/// Returns the name of a topic.
pub(super) fn topic_name(topic: u32) -> String {
    format!("topic{topic}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout::rooms(3, 10);

    fn publishing(pace: Pace) -> Publishing {
        Publishing::new(Dialect::Gateway, LAYOUT, pace, Duration::from_secs(1))
    }

    #[test]
    fn publishes_at_the_rate_to_all_topics_in_turn() {
        let mut load = publishing(Pace::PerSecond(1_000.0));
        let (next, wait) = load.due(Duration::from_micros(1_003_500), 0);
        let topics: Vec<_> = next.iter().map(|next| (next.topic, next.due.as_millis())).collect();
        assert_eq!(topics, [(0, 1_000), (1, 1_001), (2, 1_002), (0, 1_003)]);
        assert_eq!(wait, Duration::from_micros(500));
        for next in next {
            load.compose(next);
        }
        assert_eq!(load.sequences, [2, 1, 1]);
        assert_eq!(load.due(Duration::from_micros(1_003_500), 0), (vec![], Duration::from_micros(500)));
    }

    #[test]
    fn keeps_a_number_of_messages_on_their_way() {
        let load = publishing(Pace::InFlight(5));
        assert_eq!(load.due(Duration::from_secs(2), 0).0.len(), 5);
        assert!(load.first().is_empty());
        assert_eq!(publishing(Pace::OneByOne).first(), [0, 1, 2]);
    }

    #[test]
    fn numbers_the_messages_of_each_topic() {
        let mut load = publishing(Pace::OneByOne);
        let next = Next { topic: 2, due: Duration::from_nanos(10) };
        let (publisher, message) = load.compose(next);
        assert_eq!(publisher, 2);
        assert!(message.contains(r#""clanId":"topic2""#) && message.contains("~T000000000000000a0000000200000001~"));
        assert!(load.compose(next).1.contains("0000000200000002~"));
    }
}
