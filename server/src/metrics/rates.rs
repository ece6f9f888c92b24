//! How much went on in the last minute, from counters that are looked at once a second.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// How many looks are kept: a minute's, and the one before it.
const LOOKS: usize = 61;

/// Messages of the last minute.
#[derive(Default)]
pub struct Rates {
    looks: Mutex<VecDeque<(u64, u64)>>,
}

impl Rates {
    /// Notes how many messages were received and sent since the start. To be called once a second.
    pub fn look(&self, received: u64, sent: u64) {
        let mut looks = self.looks.lock();
        if looks.len() == LOOKS {
            looks.pop_front();
        }
        looks.push_back((received, sent));
    }

    /// Messages received and sent in the last minute, or since the start when that is less.
    pub fn last_minute(&self) -> (u64, u64) {
        let looks = self.looks.lock();
        match (looks.front(), looks.back()) {
            (Some(first), Some(last)) if looks.len() == LOOKS => (last.0 - first.0, last.1 - first.1),
            (_, Some(last)) => *last,
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_counts() {
        let rates = Rates::default();
        for second in 0..100 {
            rates.look(second * 2, second * 3);
        }
        assert_eq!(rates.last_minute(), (120, 180));
    }
}
