//! The number of messages in the last minute, from counters that are sampled once a second.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The number of samples that are kept: those of a minute, and the one before them.
const SAMPLES: usize = 61;

/// The message rates of the last minute.
#[derive(Default)]
pub struct Rates {
    samples: Mutex<VecDeque<(u64, u64)>>,
}

impl Rates {
    /// Adds a sample: the number of messages received and sent since the start. Called once a second.
    pub fn sample(&self, received: u64, sent: u64) {
        let mut samples = self.samples.lock();
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back((received, sent));
    }

    /// Returns the number of messages received and sent in the last minute, or since the start if that is shorter.
    pub fn last_minute(&self) -> (u64, u64) {
        let samples = self.samples.lock();
        match (samples.front(), samples.back()) {
            (Some(first), Some(last)) if samples.len() == SAMPLES => (last.0 - first.0, last.1 - first.1),
            (_, Some(last)) => *last,
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_the_last_minute() {
        let rates = Rates::default();
        for second in 0..100 {
            rates.sample(second * 2, second * 3);
        }
        assert_eq!(rates.last_minute(), (120, 180));
    }
}
