//! The inputs that the driver of a tab reports, and the actions that it carries out.

/// The number of a leader's term (as in Raft). Each new leader has a higher one.
pub type Reign = u64;

/// An event that the driver reports.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// The driver can receive messages and use locks.
    Joined,
    /// The driver got the lock of the group. `holds` is the result of a query of the lock after that, and `wall_clock`
    /// is the time in milliseconds since 1970.
    Elected {
        /// Whether this tab still holds the lock.
        holds: bool,
        /// The time.
        wall_clock: Reign,
    },
    /// The lock is lost.
    Deposed,
    /// The browser froze the page.
    Frozen,
    /// The page runs again.
    Resumed,
    /// The page is shown, or the device has a network again.
    Woken,
    /// The app has made a request. It must not wait for a leader that does not exist any more.
    Requested,
    /// The content of pings has changed, so the leader needs a new one.
    Changed,
    /// Whether the client has ended until the app connects again.
    Ended(bool),
    /// A message of another tab has arrived.
    Received(Received<'a>),
    /// After [`Action::HoldOwnLock`]: the driver holds the lock of this tab.
    OwnLockHeld {
        /// The turn of the action.
        turn: u64,
    },
    /// The deadline has come.
    Tick,
    /// The app has closed or restarted its client.
    Leave,
}

/// The parts of another tab's message on which decisions depend.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// The kind of the message.
    pub kind: &'a str,
    /// The tab that sent it.
    pub from: &'a str,
    /// The newest reign that the sender knows; 0 if it knows none.
    pub reign: Reign,
    /// The instance of that reign, in a `lead`.
    pub instance: &'a str,
    /// The turn of the follower that it belongs to.
    pub turn: u64,
    /// Its number within that turn.
    pub number: u64,
}

/// An action for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Wait for the lock of the group.
    Queue,
    /// Take the lock of the group from its holder.
    Steal,
    /// Release the lock of the group, or stop waiting for it.
    Resign,
    /// Query the lock, and report [`Input::Deposed`] if another tab holds it.
    CheckLock,
    /// Hold the lock of this tab, and report [`Input::OwnLockHeld`].
    HoldOwnLock {
        /// The turn to report.
        turn: u64,
    },
    /// Send `seek` to all tabs, to which the leader replies.
    Seek,
    /// Send `lead` to one tab, or to all.
    Announce {
        /// The tab; `None` for all tabs.
        to: Option<String>,
    },
    /// Send a ping to the leader, which has to reply.
    Ping {
        /// How many messages of the leader have arrived in this turn.
        received: u64,
        /// Whether the page was just shown.
        woken: bool,
    },
    /// Lead: connect as this instance, and serve the other tabs.
    Lead {
        /// Whether this is the first reign that the tab knows. Then no earlier leader can have carried out its
        /// requests.
        first: bool,
    },
    /// Close the connection, and stop serving other tabs.
    StopLeading,
    /// Follow a leader from the beginning of a turn. Send unanswered requests again.
    Follow {
        /// The tab that leads.
        leader: String,
        /// The number of the turn.
        turn: u64,
        /// Whether an earlier leader may have carried out unanswered requests.
        doubtful: bool,
    },
    /// Deliver the message: it is from the leader of this tab.
    Deliver,
    /// Serve the message: it is from a follower of this tab.
    Serve,
    /// Report that the user signed out in another tab.
    SignedOut,
    /// Release every lock and close the channels.
    Leave,
}
