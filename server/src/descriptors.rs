//! How many files the process may have open: every connection is one.

/// Descriptors that are not connections: the store, listeners, logs, requests to other hosts.
pub const RESERVE: u64 = 256;

/// What the operating system allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What holds now.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// How many descriptors so many connections need.
pub fn wanted(connections: usize) -> u64 {
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE)
}

/// The limit of this process, where the system has one.
#[cfg(unix)]
pub fn limit() -> Option<Limit> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(Limit { soft: limit.current.unwrap_or(u64::MAX), hard: limit.maximum.unwrap_or(u64::MAX) })
}

/// Raises the soft limit to what so many connections need, as far as the hard limit goes, and returns what holds then.
/// A limit that is high enough stays as it is.
#[cfg(unix)]
pub fn raise(connections: usize) -> Option<Limit> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = limit()?;
    let soft = wanted(connections).min(limit.hard);
    if soft <= limit.soft {
        return Some(limit);
    }
    let hard = (limit.hard != u64::MAX).then_some(limit.hard);
    match setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: hard }) {
        Ok(()) => Some(Limit { soft, ..limit }),
        Err(error) => {
            tracing::warn!(%error, soft, "the limit of open files cannot be raised");
            Some(limit)
        }
    }
}

/// The limit of this process, where the system has one.
#[cfg(not(unix))]
pub fn limit() -> Option<Limit> {
    None
}

/// Raises the soft limit, where the system has one.
#[cfg(not(unix))]
pub fn raise(_: usize) -> Option<Limit> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let before = limit().unwrap();
        assert_eq!(raise(1), Some(before));
        let raised = raise(usize::MAX).unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(limit(), Some(raised));
    }
}
