//! What a process notes of its clock for the one after it: the trusted time, and the monotonic clock of this boot.

use std::{fmt, str::FromStr, time::Duration};

use realtime_gateway_protocol::Timestamp;

/// A trusted time, and where the monotonic clock of the machine stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Names the boot of the machine that the monotonic clock counts from.
    pub boot: String,
    /// The monotonic clock.
    pub monotonic: Duration,
    /// The trusted time.
    pub at: Timestamp,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at.millis(), self.monotonic.as_millis(), self.boot)
    }
}

/// A text that is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of a clock")]
pub struct NoMark;

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let mut words = text.splitn(3, ' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(NoMark);
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
            let mark = Mark { boot: boot.into(), monotonic, at };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        assert_eq!("x".parse::<Mark>(), Err(NoMark));
        assert_eq!("1".parse::<Mark>(), Err(NoMark));
    }
}
