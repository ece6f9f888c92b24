//! Bounds how many tokens that are not valid come from one address in a minute.
//!
//! The bound changes the answer to such tokens only. Every token is still verified, so that a user with a valid one is
//! let in other users behind the same address: a signature takes less time to check than the connection that brings
//! it takes to open, and how often an address may connect is bounded too. A token that has expired was valid once and
//! does not count: its user needs to be told to fetch another.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::network;

/// How long tokens are counted together, from the first.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are known at a time.
const KNOWN: usize = 100_000;
/// How often those whose minute is over are looked for when no more may be known.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The addresses from which tokens came that are not valid.
#[derive(Debug, Default)]
pub struct BadTokens(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    windows: HashMap<IpAddr, Window>,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    count: u32,
}

impl BadTokens {
    /// Counts a token that is not valid.
    ///
    /// # Errors
    /// When more than `limit` have come within a minute: how long that minute lasts.
    pub fn count(&self, address: IpAddr, limit: u32, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let mut table = self.0.lock();
        if table.windows.len() >= KNOWN && !table.windows.contains_key(&address) {
            table.sweep(now);
            if table.windows.len() >= KNOWN {
                return Err(SWEEP_EVERY);
            }
        }
        let window = table.windows.entry(address).or_insert(Window { began: now, count: 0 });
        let age = now.saturating_duration_since(window.began);
        if age >= WINDOW {
            *window = Window { began: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        if window.count <= limit { Ok(()) } else { Err(WINDOW.saturating_sub(age)) }
    }
}

impl Table {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.windows.retain(|_, window| now.saturating_duration_since(window.began) < WINDOW);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + last).to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn counts_for_a_minute_from_the_first() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert!((0..20).all(|_| tokens.count(address(1), 20, now).is_ok()));
        let later = now + Duration::from_secs(15);
        assert_eq!(tokens.count(address(1), 20, later), Err(Duration::from_secs(45)));
        assert_eq!(tokens.count(address(2), 20, later), Ok(()));
        assert_eq!(tokens.count(address(1), 20, now + WINDOW), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_64_counts_as_one_address() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert_eq!(tokens.count("2001:db8::1".parse().unwrap(), 1, now), Ok(()));
        assert!(tokens.count("2001:db8::2".parse().unwrap(), 1, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert!((0..KNOWN as u32).all(|last| tokens.count(address(last), 20, now).is_ok()));
        assert_eq!(tokens.count(address(KNOWN as u32), 20, now), Err(SWEEP_EVERY));
        assert_eq!(tokens.count(address(1), 20, now), Ok(()), "those that are known are counted on");
        assert_eq!(tokens.count(address(KNOWN as u32), 20, now + WINDOW), Ok(()));
        assert_eq!(tokens.0.lock().windows.len(), 1);
    }
}
