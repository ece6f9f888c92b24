//! Limits how many invalid tokens an address may send per minute.
//!
//! The limit only changes the response to invalid tokens. Valid tokens are still admitted, so that other users behind
//! the same address are not locked out. Verifying every token is affordable: checking a signature takes less time than
//! opening the connection, and the connect rate of an address is limited too. Expired tokens do not count: they were
//! valid once, and their users must learn to fetch a new one.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::runtime::limits::network;

/// The length of the counting window, which starts with the first invalid token.
const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are tracked.
const MAX_ADDRESSES: usize = 100_000;
/// The shortest time between two sweeps for expired windows while the table is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Counts invalid tokens per address.
#[derive(Debug, Default)]
pub struct BadTokens(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    windows: HashMap<IpAddr, Window>,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    started_at: Instant,
    count: u32,
}

impl BadTokens {
    /// Counts an invalid token.
    ///
    /// # Errors
    /// Returns the rest of the window when more than `limit` invalid tokens arrived in it.
    pub fn count(&self, address: IpAddr, limit: u32, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let mut table = self.0.lock();
        if table.windows.len() >= MAX_ADDRESSES && !table.windows.contains_key(&address) {
            table.sweep(now);
            if table.windows.len() >= MAX_ADDRESSES {
                return Err(SWEEP_EVERY);
            }
        }
        let window = table.windows.entry(address).or_insert(Window { started_at: now, count: 0 });
        let age = now.saturating_duration_since(window.started_at);
        if age >= WINDOW {
            *window = Window { started_at: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        if window.count <= limit { Ok(()) } else { Err(WINDOW.saturating_sub(age)) }
    }
}

impl Table {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.windows.retain(|_, window| now.saturating_duration_since(window.started_at) < WINDOW);
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
    async fn counts_within_a_minute_from_the_first_invalid_token() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert!((0..20).all(|_| tokens.count(address(1), 20, now).is_ok()));
        let later = now + Duration::from_secs(15);
        assert_eq!(tokens.count(address(1), 20, later), Err(Duration::from_secs(45)));
        assert_eq!(tokens.count(address(2), 20, later), Ok(()));
        assert_eq!(tokens.count(address(1), 20, now + WINDOW), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_64_count_together() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert_eq!(tokens.count("2001:db8::1".parse().unwrap(), 1, now), Ok(()));
        assert!(tokens.count("2001:db8::2".parse().unwrap(), 1, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn table_is_bounded() {
        let (tokens, now) = (BadTokens::default(), Instant::now());
        assert!((0..MAX_ADDRESSES as u32).all(|last| tokens.count(address(last), 20, now).is_ok()));
        assert_eq!(tokens.count(address(MAX_ADDRESSES as u32), 20, now), Err(SWEEP_EVERY));
        assert_eq!(tokens.count(address(1), 20, now), Ok(()), "tracked addresses are still counted");
        assert_eq!(tokens.count(address(MAX_ADDRESSES as u32), 20, now + WINDOW), Ok(()));
        assert_eq!(tokens.0.lock().windows.len(), 1);
    }
}
