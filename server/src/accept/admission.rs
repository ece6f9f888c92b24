//! Counts a socket against the limits of its address, and not while it is used for what these limits do not apply to.
//!
//! What a socket is used for is known when its first request is read. Until then a socket takes a place like any other;
//! one beyond the limits is on probation: it may show by its first request that the limits do not apply.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::throttle::{Place, Probation, Refused, Throttle};
use crate::config::Limits;

/// How long a socket on probation may take for its first request.
pub(super) const PROBATION: Duration = Duration::from_secs(2);

/// How one socket stands to the limits of its address.
#[derive(Debug)]
pub(super) struct Admission {
    throttle: Arc<Throttle>,
    address: IpAddr,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
enum Standing {
    /// It has a place.
    Placed(Place),
    /// It is beyond a limit, and its first request is not read yet.
    OnProbation {
        over: Refused,
        /// Counts it until then.
        _counted: Probation,
    },
    /// It is used by a holder of an API key, or its place is the WebSocket's now.
    Free,
}

/// Whether a socket may be used for another request after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It may.
    Open,
    /// It is beyond the limits of its address, so it ends with the answer.
    Close,
}

impl Admission {
    /// Takes a place for a new socket, or puts it on probation.
    ///
    /// # Errors
    /// The limit that the socket is over, when too many of its address are on probation.
    pub(super) fn begin(
        throttle: &Arc<Throttle>,
        address: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<Self, Refused> {
        let standing = match throttle.admit(address, limits, now) {
            Ok(place) => Standing::Placed(place),
            Err(over) => Standing::OnProbation { over, _counted: throttle.probation(address, now).ok_or(over)? },
        };
        Ok(Self { throttle: Arc::clone(throttle), address, standing: Mutex::new(standing) })
    }

    /// The limit that the socket is over, while its first request is not read.
    pub(super) fn over(&self) -> Option<Refused> {
        match *self.standing.lock() {
            Standing::OnProbation { over, .. } => Some(over),
            _ => None,
        }
    }

    /// Notes a request to which the limits apply.
    ///
    /// # Errors
    /// The limit that the socket is over.
    pub(super) fn limited(&self, limits: &Limits, now: Instant) -> Result<(), Refused> {
        let mut standing = self.standing.lock();
        if matches!(&*standing, Standing::Placed(place) if place.has_rate()) {
            return Ok(());
        }
        // A place of which the rate was given back is not enough: a new one is taken once the old one is free.
        *standing = Standing::Free;
        *standing = Standing::Placed(self.throttle.admit(self.address, limits, now)?);
        Ok(())
    }

    /// Notes a request with a valid API key: its holder may have any number of sockets.
    pub(super) fn free(&self) {
        let mut standing = self.standing.lock();
        if let Standing::Placed(place) = &mut *standing {
            place.give_back_rate();
        }
        *standing = Standing::Free;
    }

    /// Notes a request that needs no key, such as one for the node's health. The answer is not refused, but the
    /// socket still counts while it is open.
    pub(super) fn probe(&self) -> Afterwards {
        match &mut *self.standing.lock() {
            Standing::Placed(place) => {
                place.give_back_rate();
                Afterwards::Open
            }
            Standing::OnProbation { .. } => Afterwards::Close,
            Standing::Free => Afterwards::Open,
        }
    }

    /// Hands the place over, for a WebSocket to keep.
    pub(super) fn take(&self) -> Option<Place> {
        match std::mem::replace(&mut *self.standing.lock(), Standing::Free) {
            Standing::Placed(place) => Some(place),
            Standing::OnProbation { .. } | Standing::Free => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    struct Address {
        throttle: Arc<Throttle>,
        limits: Limits,
    }

    impl Address {
        fn new(connections_per_ip: usize, connects_per_ip_per_minute: usize) -> Self {
            let limits = Limits { connections_per_ip, connects_per_ip_per_minute, ..Config::default().limits };
            Self { throttle: Arc::default(), limits }
        }

        fn socket(&self) -> Admission {
            Admission::begin(&self.throttle, "192.0.2.1".parse().unwrap(), &self.limits, Instant::now()).unwrap()
        }

        fn limited(&self, socket: &Admission) -> Result<(), Refused> {
            socket.limited(&self.limits, Instant::now())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_beyond_the_limit_serves_what_is_not_limited() {
        let address = Address::new(1, 1_000);
        let first = address.socket();
        assert_eq!((first.over(), address.limited(&first)), (None, Ok(())));
        let second = address.socket();
        assert_eq!(second.over(), Some(Refused::Connections));
        assert_eq!(second.probe(), Afterwards::Close);
        assert_eq!(address.limited(&second), Err(Refused::Connections));
        let third = address.socket();
        third.free();
        assert_eq!(third.over(), None);
        drop(first);
        assert_eq!(address.limited(&third), Ok(()));
        assert!(third.take().is_some());
        assert!(third.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn key_holders_and_probes_leave_the_rate_to_others() {
        let address = Address::new(100, 2);
        for _ in 0..10 {
            address.socket().free();
            assert_eq!(address.socket().probe(), Afterwards::Open);
        }
        let probe = address.socket();
        assert_eq!(probe.probe(), Afterwards::Open);
        // It is counted when it is used for something else after all.
        assert_eq!(address.limited(&probe), Ok(()));
        assert_eq!(address.limited(&address.socket()), Ok(()));
        assert!(matches!(address.socket().over(), Some(Refused::Rate(_))));
    }
}
