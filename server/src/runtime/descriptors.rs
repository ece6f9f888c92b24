//! The limit of open file descriptors. Every connection needs one.

/// Descriptors other than client sockets: the store, listeners, logs, requests to other hosts.
const OTHERS: u64 = 256;
/// Sockets beyond `limits.connections`, for the HTTP API and its documents.
const SPARE_SOCKETS: u64 = 256;
/// The maximum number of sockets on `internal.listen`. They are reserved, so that operators can always connect.
pub const OPERATOR_SOCKETS: usize = 512;
/// Short-lived sockets beyond all limits: sockets that are being refused or were just accepted, and health probes.
const PASSING_SOCKETS: u64 = 512;

/// The limit of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The current limit.
    pub soft: u64,
    /// The value up to which the process may raise the limit.
    pub hard: u64,
}

/// Returns the number of descriptors for this many connections and concurrent requests to `permissions.url`.
pub fn wanted(connections: usize, permission_requests: usize) -> u64 {
    whole(connections).saturating_add(reserved(permission_requests))
}

/// Returns the number of descriptors that are needed in addition to those of the connections.
pub fn reserved(permission_requests: usize) -> u64 {
    let operators = whole(OPERATOR_SOCKETS);
    whole(permission_requests).saturating_add(OTHERS + SPARE_SOCKETS + operators + PASSING_SOCKETS)
}

/// Returns the number of client sockets that may be open without running out of descriptors.
pub fn sockets(connections: usize, permission_requests: usize) -> usize {
    let wanted = whole(connections).saturating_add(SPARE_SOCKETS);
    let soft = limit().map_or(u64::MAX, |limit| limit.soft);
    let kept = reserved(permission_requests) - SPARE_SOCKETS;
    // If the limit is low, reserve half of it for clients.
    let fit = soft.saturating_sub(kept.min(soft / 2));
    usize::try_from(wanted.min(fit)).unwrap_or(usize::MAX)
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Returns the limit of this process, if the system has one.
#[cfg(unix)]
pub fn limit() -> Option<Limit> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(Limit { soft: limit.current.unwrap_or(u64::MAX), hard: limit.maximum.unwrap_or(u64::MAX) })
}

/// Raises the soft limit to the number of descriptors for this many connections and requests to `permissions.url`, up
/// to the hard limit, and returns the new limit. A sufficient limit is not changed.
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

/// Returns the limit of this process, if the system has one.
#[cfg(not(unix))]
pub fn limit() -> Option<Limit> {
    None
}

/// Raises the soft limit, if the system has one.
#[cfg(not(unix))]
pub fn raise(_: usize, _: usize) -> Option<Limit> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn raises_the_limit_up_to_the_hard_limit_and_never_lowers_it() {
        let before = limit().unwrap();
        assert_eq!(raise(1, 1), Some(before));
        let raised = raise(usize::MAX, 1).unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(limit(), Some(raised));
    }
}
