//! Counts a socket against the limits of its address, except while the socket is used for requests that are exempt.
//!
//! The purpose of a socket is only known once its first request is read. Until then every socket takes a connection
//! slot. A socket beyond the limits is on probation: its first request may show that the limits do not apply to it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::throttle::{ConnectionSlot, LimitExceeded, Probation, Throttle};
use crate::config::Limits;

/// How long a socket on probation may take to send its first request.
pub(super) const PROBATION: Duration = Duration::from_secs(2);

/// The state of one socket regarding the limits of its address.
#[derive(Debug)]
pub(super) struct Admission {
    throttle: Arc<Throttle>,
    address: IpAddr,
    state: Mutex<AdmissionState>,
}

#[derive(Debug)]
enum AdmissionState {
    /// It holds a connection slot.
    Counted(ConnectionSlot),
    /// It exceeds a limit, and its first request has not been read yet.
    OnProbation {
        exceeded: LimitExceeded,
        /// Counts the socket as on probation until this value is dropped.
        _counted: Probation,
    },
    /// The socket is exempt because it carries a valid API key, or the WebSocket has taken over its slot.
    Exempt,
}

/// Whether the socket stays open after the current response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterResponse {
    /// It stays open for further requests.
    KeepAlive,
    /// The address is beyond its limits, so the socket is closed after the response.
    Close,
}

impl Admission {
    /// Takes a slot for a new socket, or puts the socket on probation.
    ///
    /// # Errors
    /// Returns the exceeded limit when too many sockets of this address are on probation.
    pub(super) fn start(
        throttle: &Arc<Throttle>,
        address: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<Self, LimitExceeded> {
        let state = match throttle.admit(address, limits, now) {
            Ok(slot) => AdmissionState::Counted(slot),
            Err(exceeded) => {
                AdmissionState::OnProbation { exceeded, _counted: throttle.probation(address, now).ok_or(exceeded)? }
            }
        };
        Ok(Self { throttle: Arc::clone(throttle), address, state: Mutex::new(state) })
    }

    /// Returns the limit that the socket exceeds, while its first request has not been read.
    pub(super) fn exceeded_limit(&self) -> Option<LimitExceeded> {
        match *self.state.lock() {
            AdmissionState::OnProbation { exceeded, .. } => Some(exceeded),
            _ => None,
        }
    }

    /// Requires a slot for a request to which the limits apply.
    ///
    /// # Errors
    /// Returns the limit that the socket exceeds.
    pub(super) fn require_slot(&self, limits: &Limits, now: Instant) -> Result<(), LimitExceeded> {
        let mut state = self.state.lock();
        if matches!(&*state, AdmissionState::Counted(slot) if slot.counts_towards_rate()) {
            return Ok(());
        }
        // A slot whose share of the connect rate was refunded is not sufficient. Release it before taking a new one, so
        // that the socket does not count twice.
        *state = AdmissionState::Exempt;
        *state = AdmissionState::Counted(self.throttle.admit(self.address, limits, now)?);
        Ok(())
    }

    /// Exempts the socket because of a valid API key: the holder of a key may open any number of sockets.
    pub(super) fn exempt(&self) {
        let mut state = self.state.lock();
        if let AdmissionState::Counted(slot) = &mut *state {
            slot.refund_rate();
        }
        *state = AdmissionState::Exempt;
    }

    /// Records a request for which no limit applies, such as a health probe. The request is always answered, but the
    /// socket counts as open until it closes.
    pub(super) fn record_probe(&self) -> AfterResponse {
        match &mut *self.state.lock() {
            AdmissionState::Counted(slot) => {
                slot.refund_rate();
                AfterResponse::KeepAlive
            }
            AdmissionState::OnProbation { .. } => AfterResponse::Close,
            AdmissionState::Exempt => AfterResponse::KeepAlive,
        }
    }

    /// Hands the slot over to the WebSocket.
    pub(super) fn take_slot(&self) -> Option<ConnectionSlot> {
        match std::mem::replace(&mut *self.state.lock(), AdmissionState::Exempt) {
            AdmissionState::Counted(slot) => Some(slot),
            AdmissionState::OnProbation { .. } | AdmissionState::Exempt => None,
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
            Admission::start(&self.throttle, "192.0.2.1".parse().unwrap(), &self.limits, Instant::now()).unwrap()
        }

        fn require_slot(&self, socket: &Admission) -> Result<(), LimitExceeded> {
            socket.require_slot(&self.limits, Instant::now())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn socket_beyond_the_limit_serves_exempt_requests() {
        let address = Address::new(1, 1_000);
        let first = address.socket();
        assert_eq!((first.exceeded_limit(), address.require_slot(&first)), (None, Ok(())));
        let second = address.socket();
        assert_eq!(second.exceeded_limit(), Some(LimitExceeded::Connections));
        assert_eq!(second.record_probe(), AfterResponse::Close);
        assert_eq!(address.require_slot(&second), Err(LimitExceeded::Connections));
        let third = address.socket();
        third.exempt();
        assert_eq!(third.exceeded_limit(), None);
        drop(first);
        assert_eq!(address.require_slot(&third), Ok(()));
        assert!(third.take_slot().is_some());
        assert!(third.take_slot().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn api_keys_and_probes_do_not_use_up_the_connect_rate() {
        let address = Address::new(100, 2);
        for _ in 0..10 {
            address.socket().exempt();
            assert_eq!(address.socket().record_probe(), AfterResponse::KeepAlive);
        }
        let probe = address.socket();
        assert_eq!(probe.record_probe(), AfterResponse::KeepAlive);
        // The socket counts again when a limited request follows.
        assert_eq!(address.require_slot(&probe), Ok(()));
        assert_eq!(address.require_slot(&address.socket()), Ok(()));
        assert!(matches!(address.socket().exceeded_limit(), Some(LimitExceeded::Rate(_))));
    }
}
