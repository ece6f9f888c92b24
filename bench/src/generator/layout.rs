//! How the connections of a load share topics.

use std::ops::Range;

/// Groups of subscribers, each group with topics of its own. Every subscriber of a group has all its topics. Topics and
/// subscribers are numbered group by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The number of groups.
    pub(crate) groups: u32,
    /// The subscribers of each group.
    pub(crate) members: u32,
    /// The topics of each group.
    pub(crate) topics: u32,
    /// The connections that publish, each to its share of all topics. They subscribe to none.
    pub(crate) publishers: u32,
}

impl Layout {
    /// Rooms: groups with one topic each, and a publisher for each.
    pub(crate) const fn rooms(rooms: u32, members: u32) -> Self {
        Self { groups: rooms, members, topics: 1, publishers: rooms }
    }

    /// Returns the number of all topics.
    pub(crate) fn all_topics(self) -> u32 {
        self.groups * self.topics
    }

    /// Returns the number of all subscribers.
    pub(crate) fn subscribers(self) -> u32 {
        self.groups * self.members
    }

    /// Returns the number of all connections.
    pub(crate) fn connections(self) -> u32 {
        self.subscribers() + self.publishers
    }

    /// Returns the topics of a subscriber.
    pub(crate) fn topics_of(self, subscriber: u32) -> Range<u32> {
        let first = subscriber / self.members * self.topics;
        first..first + self.topics
    }

    /// Returns the topic of a message, by the number of the message. Groups take turns, so that the messages of one group
    /// are as far from each other as they can be: a server could write those that come together with one system call.
    pub(crate) fn topic_of_message(self, number: u64) -> u32 {
        let (groups, topics) = (u64::from(self.groups), u64::from(self.topics));
        let topic = number % groups * topics + number / groups % topics;
        u32::try_from(topic).expect("fewer topics than 2^32")
    }

    /// Returns the publisher of a topic.
    pub(crate) fn publisher_of(self, topic: u32) -> u32 {
        topic % self.publishers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_topic_to_the_members_of_one_group() {
        let layout = Layout { groups: 3, members: 2, topics: 5, publishers: 4 };
        assert_eq!((layout.all_topics(), layout.subscribers(), layout.connections()), (15, 6, 10));
        let topics: Vec<_> = (0..layout.subscribers()).map(|subscriber| layout.topics_of(subscriber)).collect();
        assert_eq!(topics, [0..5, 0..5, 5..10, 5..10, 10..15, 10..15]);
        assert!((0..15).all(|topic| layout.publisher_of(topic) < 4));
    }

    #[test]
    fn messages_go_to_one_group_after_the_other_and_to_all_topics() {
        let layout = Layout { groups: 2, members: 1, topics: 3, publishers: 1 };
        let topics: Vec<_> = (0..7).map(|number| layout.topic_of_message(number)).collect();
        assert_eq!(topics, [0, 3, 1, 4, 2, 5, 0]);
    }

    #[test]
    fn rooms_have_a_publisher_each() {
        let layout = Layout::rooms(500, 10);
        assert_eq!((layout.subscribers(), layout.connections()), (5_000, 5_500));
        assert_eq!((layout.topics_of(19), layout.publisher_of(499)), (1..2, 499));
    }
}
