//! The clock of a node for expiry, deletion and retention. It reads the clocks of the machine, or follows the clock of
//! a shared store. `clock/jump_detector.rs` decides whether a clock can be trusted.
//!
//! Tokens are an exception: they are checked with the wall clock, see [`NodeClock::wall`].

mod jump_detector;
mod machine;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;

use self::jump_detector::{Change, JumpDetector, difference};
pub use self::{
    jump_detector::{AGREEMENT, Doubt, Reading, STEP},
    machine::{Machine, MachineClock},
};
pub use gateway_store::ClockMark as Mark;
use gateway_store::{StoreTime, clock::Clock};

/// The accepted difference between the wall clock of a node and the clock of a shared store.
const SKEW: Duration = Duration::from_secs(30);
/// How much more the wall clock may advance than the timer clock before deadlines are checked again.
const LATE: Duration = Duration::from_secs(1);
/// The age of the last answer of the store after which its time is not known precisely enough to delete.
const STALE: Duration = Duration::from_secs(30);

/// A handle to the clock of a node. Clones share the clock.
#[derive(Debug, Clone)]
pub struct NodeClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    machine: Box<dyn Machine>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    detector: JumpDetector,
    /// The store whose clock is followed. `None` if the store has no clock of its own.
    store: Option<Followed>,
    /// The wall clock and the timer clock when they were compared last.
    compared: (Timestamp, Duration),
}

/// The state of the followed clock of a store.
#[derive(Debug, Clone, Copy)]
struct Followed {
    /// How often an operator has accepted the clock of the store.
    accepted: u64,
    /// When the clock was read last, by the monotonic clock.
    read: Duration,
    /// The number of consecutive refusals of the store to delete. A single one may be caused by a delayed request.
    refusals: u32,
    /// How far the wall clock of this node is ahead of the store's clock, in milliseconds.
    skew_ms: i64,
}

/// The status of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStatus {
    /// The reason why the clock is not trusted, if it is not.
    pub doubt: Option<Doubt>,
    /// How far the wall clock of this node is ahead of the store's clock, in milliseconds. `None` if the store has no
    /// clock.
    pub skew_ms: Option<i64>,
    /// Whether the store refuses to delete because of its clock.
    pub store_refuses: bool,
}

impl ClockStatus {
    /// Returns whether expired data may be deleted.
    pub fn may_delete(&self) -> bool {
        self.doubt.is_none() && !self.store_refuses
    }

    /// Returns whether the clock needs no attention.
    pub fn is_healthy(&self) -> bool {
        self.may_delete() && !self.is_skewed()
    }

    /// Returns whether the wall clock of this node differs too much from the clock of the store.
    pub fn is_skewed(&self) -> bool {
        self.skew_ms.is_some_and(|skew| Duration::from_millis(skew.unsigned_abs()) > SKEW)
    }
}

impl Default for NodeClock {
    fn default() -> Self {
        Self::new(MachineClock)
    }
}

impl NodeClock {
    /// Creates a clock that trusts the current wall clock of the machine.
    pub fn new(machine: impl Machine) -> Self {
        let reading = Reading { wall: machine.wall(), monotonic: machine.monotonic() };
        let compared = (reading.wall, machine.timers());
        let state = State { detector: JumpDetector::new(reading), store: None, compared };
        Self(Arc::new(Inner { machine: Box::new(machine), state: Mutex::new(state) }))
    }

    /// Returns the trusted time.
    pub fn now(&self) -> Timestamp {
        self.0.state.lock().detector.now(self.0.machine.monotonic())
    }

    /// Returns the wall clock of this machine, even if it is not trusted. Tokens are checked with it, because the
    /// issuer used its wall clock too.
    pub fn wall(&self) -> Timestamp {
        self.0.machine.wall()
    }

    /// Returns the time since the machine started, for [`NodeClock::follow`].
    pub fn monotonic(&self) -> Duration {
        self.0.machine.monotonic()
    }

    /// Returns a clock for a store, which reads the trusted time.
    pub fn for_store(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }

    /// Continues from the mark of an earlier process.
    pub fn resume(&self, mark: &Mark) {
        let reading = self.read();
        let detector = JumpDetector::resumed(mark, &self.0.machine.boot(), reading);
        if let Some(doubt) = detector.doubt() {
            log_doubt(&doubt);
        }
        self.0.state.lock().detector = detector;
    }

    /// Returns the mark for the next process, if there is one.
    pub fn mark(&self) -> Option<Mark> {
        let (boot, monotonic) = (self.0.machine.boot(), self.0.machine.monotonic());
        let state = self.0.state.lock();
        if state.store.is_some() { None } else { state.detector.mark(&boot, monotonic) }
    }

    /// Compares the wall clock with the monotonic clock. If the clock of a store is followed, [`NodeClock::follow`]
    /// does this instead.
    pub fn observe(&self) {
        let mut state = self.0.state.lock();
        if state.store.is_none() {
            let change = state.detector.observe(self.read(), Duration::ZERO);
            drop(state);
            log_change(change);
        }
    }

    /// Updates the clock with the time of a store, from the answer to a request that was sent at this monotonic time.
    pub fn follow(&self, time: StoreTime, sent: Duration) {
        let (received, wall) = (self.0.machine.monotonic(), self.0.machine.wall());
        let uncertain = received.saturating_sub(sent) / 2;
        let reading = Reading { wall: time.at, monotonic: sent + uncertain };
        let mut state = self.0.state.lock();
        let before = state.store;
        let change = match before {
            // The first answer: until now the wall clock of this node was used.
            None => {
                state.detector = JumpDetector::new(reading);
                Change::None
            }
            // A higher count is a new acceptance. A store that has lost its data starts to count again from zero, which
            // is no acceptance.
            Some(before) if before.accepted < time.accepted && state.detector.doubt().is_some() => {
                state.detector.accept(reading);
                Change::Restored
            }
            Some(_) => state.detector.observe(reading, uncertain),
        };
        let skew_ms = difference(wall, state.detector.now(received));
        let refusals = before.filter(|before| before.accepted == time.accepted).map_or(0, |before| before.refusals);
        state.store = Some(Followed { accepted: time.accepted, read: received, refusals, skew_ms });
        let after = state.status();
        drop(state);
        log_change(change);
        let was_skewed =
            before.is_some_and(|before| ClockStatus { skew_ms: Some(before.skew_ms), ..after }.is_skewed());
        log_skew(was_skewed, &after);
    }

    /// Records whether the store refused to delete because of its clock.
    pub fn record_refusal(&self, refuses: bool) {
        let mut state = self.0.state.lock();
        let Some(store) = &mut state.store else { return };
        let before = store.refuses();
        store.refusals = if refuses { store.refusals.saturating_add(1) } else { 0 };
        let after = store.refuses();
        drop(state);
        match (before, after) {
            (false, true) => tracing::error!(
                "the store deletes nothing: its clock has jumped; correct it, or run `gateway store accept-clock`"
            ),
            (true, false) => tracing::info!("the store trusts its clock again; what is too old is deleted again"),
            _ => {}
        }
    }

    /// Accepts the current wall clock on behalf of an operator.
    pub fn accept(&self) {
        let mut state = self.0.state.lock();
        state.detector.accept(self.read());
        drop(state);
        tracing::warn!("an operator has confirmed the clock; what is too old is deleted again");
    }

    /// Returns the status of the clock.
    pub fn status(&self) -> ClockStatus {
        self.0.state.lock().status()
    }

    /// Returns whether expired data may be deleted now.
    pub fn may_delete(&self) -> bool {
        let monotonic = self.0.machine.monotonic();
        let state = self.0.state.lock();
        let is_known = state.store.is_none_or(|store| monotonic.saturating_sub(store.read) <= STALE);
        is_known && state.detector.doubt().is_none()
    }

    /// Returns whether the wall clock has advanced more than the timer clock since the last call. This happens when the
    /// wall clock jumps or the machine was suspended. Deadlines may have passed then although their timers have not
    /// fired.
    pub fn timers_are_late(&self) -> bool {
        let (wall, timers) = (self.0.machine.wall(), self.0.machine.timers());
        let mut state = self.0.state.lock();
        let (last_wall, last_timers) = std::mem::replace(&mut state.compared, (wall, timers));
        let advanced = difference(wall, last_wall);
        let late = i64::try_from((timers.saturating_sub(last_timers) + LATE).as_millis()).unwrap_or(i64::MAX);
        advanced > late
    }

    fn read(&self) -> Reading {
        Reading { wall: self.0.machine.wall(), monotonic: self.0.machine.monotonic() }
    }
}

impl Followed {
    /// Whether the store refuses to delete because of its clock.
    fn refuses(&self) -> bool {
        self.refusals > 1
    }
}

impl State {
    fn status(&self) -> ClockStatus {
        ClockStatus {
            doubt: self.detector.doubt(),
            skew_ms: self.store.map(|store| store.skew_ms),
            store_refuses: self.store.is_some_and(|store| store.refuses()),
        }
    }
}

fn log_change(change: Change) {
    match change {
        Change::None => {}
        Change::Doubted(doubt) => log_doubt(&doubt),
        Change::Restored => tracing::info!("the clock is trusted again; what is too old is deleted again"),
    }
}

fn log_doubt(doubt: &Doubt) {
    tracing::error!(
        difference_ms = doubt.difference_ms,
        needs_confirmation = doubt.needs_confirmation(),
        "the clock has jumped: nothing is deleted until it is correct again for a minute, or an operator confirms it \
         with `gateway store accept-clock`"
    );
}

fn log_skew(was_skewed: bool, now: &ClockStatus) {
    match (was_skewed, now.is_skewed()) {
        (false, true) => tracing::warn!(
            difference_ms = now.skew_ms,
            "the clock of this machine differs from that of the store; tokens are checked with the clock of this machine"
        ),
        (true, false) => tracing::info!("the clock of this machine agrees with that of the store again"),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
