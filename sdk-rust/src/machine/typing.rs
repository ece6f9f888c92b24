//! Typing: the app may call at every key, the gateway hears of it every three seconds.

use realtime_gateway_protocol::ClanId;

use super::{Millis, table::Table};

/// How often "is typing" is refreshed.
const REFRESH: Millis = 3_000;
/// When the gateway takes it for over.
const LIFE: Millis = 6_000;

/// Since when the gateway was told that the user types, by clan.
#[derive(Default)]
pub(crate) struct Typing {
    told: Table<ClanId, Millis>,
}

impl Typing {
    /// Whether there is news for the gateway.
    pub(crate) fn news(&mut self, clan: &ClanId, is_typing: bool, now: Millis) -> bool {
        self.told.retain(|_, at| now < *at + LIFE);
        if !is_typing {
            return self.told.remove(clan).is_some();
        }
        let due = self.told.get(clan).is_none_or(|at| now >= *at + REFRESH);
        if due {
            self.told.insert(clan.clone(), now);
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
        let told = (0..10).filter(|second| typing.news(&clan, true, second * 1_000)).count();
        assert_eq!(told, 4);
        assert!(typing.news(&clan, false, 10_000));
        assert!(!typing.news(&clan, false, 10_000));
    }
}
