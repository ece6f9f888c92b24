//! When the next message is published.

use std::time::Duration;

/// How a load publishes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Not at all: the connections are only held.
    Idle,
    /// This many messages a second, over all topics in turn.
    PerSecond(f64),
    /// As fast as messages are delivered: at most this many are on their way.
    InFlight(u64),
    /// One message of each topic at a time; the next one when the topic's only subscriber has it.
    OneByOne,
}

/// Returns when the message with this number, from 0, is due in a load of a fixed rate.
pub(super) fn due(number: u64, per_second: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / per_second)
}

/// Returns whether another message may be sent while `published` messages have had `delivered` of their deliveries.
pub(super) fn has_room(published: u64, delivered: u64, members: u64, in_flight: u64) -> bool {
    let outstanding = (published * members).saturating_sub(delivered);
    outstanding + members <= in_flight * members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_messages_evenly() {
        assert_eq!([0, 1, 4_000].map(|number| due(number, 2_000.0).as_micros()), [0, 500, 2_000_000]);
    }

    #[test]
    fn counts_part_of_delivered_messages_as_on_their_way() {
        assert!(has_room(63, 0, 10, 64));
        assert!(!has_room(64, 0, 10, 64));
        assert!(!has_room(64, 9, 10, 64), "one of ten has not received the oldest");
        assert!(has_room(64, 10, 10, 64));
    }
}
