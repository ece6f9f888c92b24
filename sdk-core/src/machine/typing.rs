//! Typing: the app may report every key press, and the gateway gets a command every three seconds.

use realtime_gateway_protocol::ClanId;

use super::{Millis, table::Table};

/// The interval at which `isTyping` is repeated.
const REFRESH: Millis = 3_000;
/// The time after which it expires at the gateway.
const LIFE: Millis = 6_000;

/// When `isTyping` was last sent, by clan.
#[derive(Default)]
pub(crate) struct Typing {
    sent: Table<ClanId, Millis>,
}

impl Typing {
    /// Returns whether a command has to be sent for this report of the app.
    pub(crate) fn is_due(&mut self, clan: &ClanId, is_typing: bool, now: Millis) -> bool {
        self.sent.retain(|_, at| now < *at + LIFE);
        if !is_typing {
            return self.sent.remove(clan).is_some();
        }
        let due = self.sent.get(clan).is_none_or(|at| now >= *at + REFRESH);
        if due {
            self.sent.insert(clan.clone(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_refreshed_every_three_seconds_and_ends_once() {
        let (mut typing, clan) = (Typing::default(), ClanId::new("c").unwrap());
        let sent = (0..10).filter(|second| typing.is_due(&clan, true, second * 1_000)).count();
        assert_eq!(sent, 4);
        assert!(typing.is_due(&clan, false, 10_000));
        assert!(!typing.is_due(&clan, false, 10_000));
    }
}
