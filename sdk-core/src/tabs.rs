//! Leader election among browser tabs: decides whether this tab has the connection, without locks, channels and timers.
//!
//! A group of tabs shares one lock. The tab that holds it leads: it has the connection and serves the other tabs, which
//! follow it. The driver holds and queries the lock, passes messages between the tabs and reports what happens.
//! `docs/sdk-typescript.md` describes the messages.

mod event;
mod heartbeat;
mod messages;

use crate::machine::Millis;
use heartbeat::Heartbeat;

pub use event::{Action, Input, Received, Reign};
pub use messages::Tab;

/// The role of a tab in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Another tab leads, with this id; `None` if no leader is known.
    Following(Option<String>),
    /// This tab leads.
    Leading,
    /// The browser has frozen the page. It may still receive messages, but its socket and timers stand still. If it
    /// leads, it does so only until another tab needs a leader.
    Frozen {
        /// Whether it leads.
        leads: bool,
        /// The tab that it follows, if that is known.
        leader: Option<String>,
    },
    /// The tab has left the group.
    Left,
}

/// The state machine of one tab.
pub struct Leadership {
    role: Role,
    /// The newest known reign; 0 if none is known.
    reign: Reign,
    /// The instance id with which the leaders of all reigns connect to the gateway.
    instance: String,
    /// The number of times this tab has begun to follow a leader.
    turn: u64,
    /// How many messages of the leader have arrived in this turn.
    received: u64,
    ended: bool,
    joined: bool,
    heartbeat: Heartbeat,
    actions: Vec<Action>,
}

impl Leadership {
    /// Creates the state machine of a tab. `instance` is a random id, used if this tab is the first of its group.
    pub fn new(instance: String) -> Self {
        Self {
            role: Role::Following(None),
            reign: 0,
            instance,
            turn: 0,
            received: 0,
            ended: false,
            joined: false,
            heartbeat: Heartbeat::default(),
            actions: Vec::new(),
        }
    }

    /// Returns the role of the tab in its group.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Returns the newest known reign; 0 if none is known.
    pub fn reign(&self) -> Reign {
        self.reign
    }

    /// Returns the instance id with which the leader of that reign connects to the gateway.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns whether this tab leads. A frozen tab may lead too.
    pub fn leads(&self) -> bool {
        matches!(self.role, Role::Leading | Role::Frozen { leads: true, .. })
    }

    /// Returns when [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Millis> {
        self.heartbeat.deadline()
    }

    /// Handles an event at `now`, and returns the actions for the driver. A `hidden` page has throttled timers.
    pub fn handle(&mut self, now: Millis, hidden: bool, input: Input<'_>) -> Vec<Action> {
        self.heartbeat.set_time(now, hidden);
        if self.role != Role::Left {
            self.apply(input);
        }
        std::mem::take(&mut self.actions)
    }

    fn apply(&mut self, input: Input<'_>) {
        match input {
            Input::Joined => {
                self.joined = true;
                self.queue_for_lock();
                self.ping_or_seek(false);
            }
            Input::Elected { holds, wall_clock } => self.elected(holds, wall_clock),
            Input::Deposed => self.deposed(),
            Input::Frozen => self.frozen(),
            Input::Resumed => self.resumed(),
            Input::Woken if self.leads() => self.act(Action::CheckLock),
            Input::Woken => self.ping_or_seek(true),
            Input::Requested => {
                if self.leader().is_some() && self.heartbeat.is_stale() {
                    self.ping_or_seek(false);
                }
            }
            Input::Changed => {
                if self.leader().is_some() {
                    self.ping_or_seek(false);
                }
            }
            Input::Ended(ended) => {
                self.ended = ended;
                if ended && self.leader().is_some() {
                    self.leave();
                }
            }
            Input::Received(message) => self.received(&message),
            Input::OwnLockHeld { turn } => {
                if let Some(leader) = self.leader().filter(|_| turn == self.turn).cloned() {
                    self.follow(leader, self.reign);
                }
            }
            Input::Tick => {
                if self.heartbeat.take_beat() {
                    self.ping_or_seek(false);
                }
                if self.heartbeat.take_missed() {
                    self.act(Action::Steal);
                }
            }
            Input::Leave => self.leave(),
        }
    }

    fn elected(&mut self, holds: bool, wall_clock: Reign) {
        match self.role {
            // A frozen tab cannot serve others, so it passes the lock on.
            Role::Frozen { .. } => self.act(Action::Resign),
            _ if !holds => self.deposed(),
            _ => {
                let first = self.reign == 0;
                self.reign = wall_clock.max(self.reign + 1);
                self.role = Role::Leading;
                self.heartbeat.stop();
                self.act(Action::Lead { first });
                self.act(Action::Announce { to: None });
            }
        }
    }

    /// Handles the loss of the leadership, or of the place in the queue for it.
    fn deposed(&mut self) {
        if self.leads() {
            self.set_leader(None);
            self.act(Action::StopLeading);
        }
        self.act(Action::Resign);
        self.queue_for_lock();
        self.ping_or_seek(false);
    }

    fn frozen(&mut self) {
        let leads = self.leads();
        let leader = self.leader().cloned();
        self.role = Role::Frozen { leads, leader };
        if !leads {
            self.act(Action::Resign);
        }
    }

    fn resumed(&mut self) {
        let Role::Frozen { leads, leader } = &mut self.role else { return };
        if *leads {
            self.role = Role::Leading;
            self.act(Action::CheckLock);
        } else {
            self.role = Role::Following(leader.take());
            self.queue_for_lock();
            self.ping_or_seek(true);
        }
    }

    fn received(&mut self, message: &Received<'_>) {
        if message.kind == "out" {
            self.act(Action::SignedOut);
            return self.leave();
        }
        if message.reign > self.reign {
            if message.kind == "lead" {
                if self.leads() {
                    self.deposed();
                }
                message.instance.clone_into(&mut self.instance);
                return self.follow(message.from.to_owned(), message.reign);
            }
            // The sender knows a newer leader, so the reign of this tab is over.
            if self.leads() {
                self.deposed();
            }
        }
        match &self.role {
            Role::Leading => self.handle_follower_message(message),
            Role::Frozen { leads: true, .. } => self.deposed(),
            _ if self.leader().is_some_and(|leader| leader == message.from) && message.turn == self.turn => {
                self.handle_leader_message(message);
            }
            _ => {}
        }
    }

    /// Handles a message of a follower, as the leader.
    fn handle_follower_message(&mut self, message: &Received<'_>) {
        if message.kind != "seek" {
            if message.reign == self.reign {
                self.act(Action::Serve);
            }
        } else if message.reign == 0 && self.ended {
            // A client that has ended keeps the lock, so that no other tab reconnects by itself. But a new tab has to
            // be able to connect.
            self.leave();
        } else {
            self.act(Action::Announce { to: Some(message.from.to_owned()) });
        }
    }

    /// Handles a message of the leader, as a follower.
    fn handle_leader_message(&mut self, message: &Received<'_>) {
        self.heartbeat.record_message();
        self.received += 1;
        // The leader does not know this tab, or a message was lost. A page that is paused in a debugger loses messages.
        if message.kind == "who" || message.number != self.received {
            self.act(Action::HoldOwnLock { turn: self.turn });
        } else if message.kind != "pong" {
            self.act(Action::Deliver);
        }
    }

    fn follow(&mut self, leader: String, reign: Reign) {
        let doubtful = self.reign > 0;
        self.reign = reign;
        self.turn += 1;
        self.received = 0;
        self.set_leader(Some(leader.clone()));
        self.heartbeat.stop();
        self.act(Action::Follow { leader, turn: self.turn, doubtful });
        self.ping_or_seek(false);
    }

    fn leave(&mut self) {
        self.role = Role::Left;
        self.heartbeat.stop();
        self.act(Action::Leave);
    }

    /// Pings the leader, or seeks one if none is known.
    fn ping_or_seek(&mut self, woken: bool) {
        if !self.joined || self.leads() {
            return;
        }
        self.heartbeat.begin();
        let received = self.received;
        self.act(if self.leader().is_some() { Action::Ping { received, woken } } else { Action::Seek });
    }

    /// Waits for the lock, unless the page is frozen and could not lead.
    fn queue_for_lock(&mut self) {
        if !matches!(self.role, Role::Frozen { .. }) {
            self.act(Action::Queue);
        }
    }

    fn leader(&self) -> Option<&String> {
        match &self.role {
            Role::Following(leader) | Role::Frozen { leader, .. } => leader.as_ref(),
            Role::Leading | Role::Left => None,
        }
    }

    fn set_leader(&mut self, leader: Option<String>) {
        self.role = match self.role {
            Role::Frozen { .. } => Role::Frozen { leads: false, leader },
            _ => Role::Following(leader),
        };
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }
}
