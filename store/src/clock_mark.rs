//! The clock mark, which a process stores for the next process: the trusted time together with the monotonic clock, so that
//! the next process can detect a jump of the wall clock.

use std::{fmt, str::FromStr, time::Duration};

use realtime_gateway_protocol::Timestamp;

/// A trusted time, and the monotonic clock of the machine at that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockMark {
    /// The id of the boot of the machine from which the monotonic clock counts.
    pub boot: String,
    /// The reading of the monotonic clock.
    pub monotonic: Duration,
    /// The trusted time.
    pub at: Timestamp,
}

impl fmt::Display for ClockMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at.millis(), self.monotonic.as_millis(), self.boot)
    }
}

/// The error for a text that is not a clock mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of a clock")]
pub struct NotAClockMark;

impl FromStr for ClockMark {
    type Err = NotAClockMark;

    fn from_str(text: &str) -> Result<Self, NotAClockMark> {
        let mut words = text.splitn(3, ' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(NotAClockMark);
        let (at, monotonic) = (Timestamp::from_millis(number()?), Duration::from_millis(number()?));
        Ok(Self { boot: words.next().unwrap_or_default().to_owned(), monotonic, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for boot in ["4f1b-boot", ""] {
            let (monotonic, at) = (Duration::from_millis(1_234), Timestamp::from_millis(1_800_000_000_000));
            let mark = ClockMark { boot: boot.into(), monotonic, at };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        assert_eq!("x".parse::<ClockMark>(), Err(NotAClockMark));
        assert_eq!("1".parse::<ClockMark>(), Err(NotAClockMark));
    }
}
