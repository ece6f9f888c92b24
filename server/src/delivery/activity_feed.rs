//! Reports what sessions do, and what happens to users, to the tails of this node, and of other nodes while one of them is
//! open there. Without a tail a report costs nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use realtime_gateway_protocol::{SessionId, UserId};

use super::tail::Tails;
use crate::{
    bus::{Activity, ActivityKind, Bus},
    runtime::clock::NodeClock,
};

/// The longest time for which a node sends activities without being asked again.
const LONGEST: Duration = Duration::from_secs(60);

/// The activities of this node.
pub(crate) struct ActivityFeed {
    tails: Arc<Tails>,
    bus: Arc<dyn Bus>,
    node: Arc<str>,
    clock: NodeClock,
    started: Instant,
    /// Until when other nodes want them, in milliseconds since the start.
    wanted_until: AtomicU64,
}

impl ActivityFeed {
    /// Creates the feed of a node.
    pub(crate) fn new(tails: Arc<Tails>, bus: Arc<dyn Bus>, node: Arc<str>, clock: NodeClock) -> Self {
        Self { tails, bus, node, clock, started: Instant::now(), wanted_until: AtomicU64::new(0) }
    }

    /// Sends activities to other nodes from now on, for at most a minute.
    pub(crate) fn send_for(&self, time: Duration) {
        let until = self.started.elapsed() + time.min(LONGEST);
        self.wanted_until.fetch_max(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Reports what a session did, if a tail is open on any node.
    pub(crate) fn report(&self, user: &UserId, session: &SessionId, kind: impl FnOnce() -> ActivityKind) {
        self.send(user, || (Some(session.clone()), kind()));
    }

    /// Reports what happened to a user without a session, if a tail is open on any node.
    pub(crate) fn report_without_session(&self, user: &UserId, kind: impl FnOnce() -> ActivityKind) {
        self.send(user, || (None, kind()));
    }

    fn send(&self, user: &UserId, activity: impl FnOnce() -> (Option<SessionId>, ActivityKind)) {
        let is_wanted_elsewhere = self.is_wanted_elsewhere();
        if !is_wanted_elsewhere && !self.tails.are_open() {
            return;
        }
        let (at, node) = (self.clock.now(), self.node.to_string());
        let (session_id, kind) = activity();
        let activity = Arc::new(Activity { at, node, user_id: user.clone(), session_id, kind });
        self.tails.offer_activity(&activity);
        if is_wanted_elsewhere {
            self.bus.broadcast_activity(&activity);
        }
    }

    /// Handles an activity of another node.
    pub(crate) fn receive(&self, activity: Activity) {
        self.tails.offer_activity(&Arc::new(activity));
    }

    fn is_wanted_elsewhere(&self) -> bool {
        let until = self.wanted_until.load(Ordering::Relaxed);
        until > 0 && self.started.elapsed() < Duration::from_millis(until)
    }
}
