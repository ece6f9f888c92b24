//! How many files the process may have open: every connection is one.

/// Descriptors that are no sockets of clients: the store, listeners, logs, requests to other hosts.
const OTHERS: u64 = 256;
/// Sockets beyond `limits.connections` that are served: those of the HTTP API and its documents.
const SPARE_SOCKETS: u64 = 256;
/// Sockets of operators at a time (`internal.listen`): they are few, and have these for themselves.
pub const OPERATOR_SOCKETS: usize = 512;
/// Sockets beyond all limits that are open for a moment: those that are being refused, those that were just accepted, and
/// health probes.
const PASSING_SOCKETS: u64 = 512;

/// What the operating system allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What holds now.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// How many descriptors so many connections need, and so many requests to `permissions.url` at a time.
pub fn wanted(connections: usize, permission_requests: usize) -> u64 {
    whole(connections).saturating_add(beside(permission_requests))
}

/// How many descriptors are needed besides those of the connections.
pub fn beside(permission_requests: usize) -> u64 {
    let operators = whole(OPERATOR_SOCKETS);
    whole(permission_requests).saturating_add(OTHERS + SPARE_SOCKETS + operators + PASSING_SOCKETS)
}

/// How many sockets of clients may be open so that the process does not run out of descriptors.
pub fn sockets(connections: usize, permission_requests: usize) -> usize {
    let wanted = whole(connections).saturating_add(SPARE_SOCKETS);
    let soft = limit().map_or(u64::MAX, |limit| limit.soft);
    let kept = beside(permission_requests) - SPARE_SOCKETS;
    // Where little is allowed, half of it is for clients.
    let fit = soft.saturating_sub(kept.min(soft / 2));
    usize::try_from(wanted.min(fit)).unwrap_or(usize::MAX)
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The limit of this process, where the system has one.
#[cfg(unix)]
pub fn limit() -> Option<Limit> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(Limit { soft: limit.current.unwrap_or(u64::MAX), hard: limit.maximum.unwrap_or(u64::MAX) })
}

/// Raises the soft limit to what so many connections and requests to `permissions.url` need, as far as the hard limit
/// goes, and returns what holds then. A limit that is high enough stays as it is.
#[cfg(unix)]
pub fn raise(connections: usize, permission_requests: usize) -> Option<Limit> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = limit()?;
    let soft = wanted(connections, permission_requests).min(limit.hard);
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
pub fn raise(_: usize, _: usize) -> Option<Limit> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let before = limit().unwrap();
        assert_eq!(raise(1, 1), Some(before));
        let raised = raise(usize::MAX, 1).unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(limit(), Some(raised));
    }
}
