//! The model of a browser: a lock with a queue, a channel for each tab, and pages that stand still.

mod channels;

use std::collections::{BTreeMap, VecDeque};

use realtime_gateway_sdk_core::tabs::{Action, Input, Leadership, Received, Reign, Role};

/// A message between tabs.
#[derive(Debug, Clone)]
struct Message {
    kind: &'static str,
    from: usize,
    reign: Reign,
    instance: String,
    turn: u64,
    number: u64,
}

/// An event of the locks for a tab.
#[derive(Debug, Clone, Copy)]
enum LockEvent {
    Granted,
    Lost,
    OwnLockHeld { turn: u64 },
}

struct Tab {
    leadership: Leadership,
    inbound: VecDeque<Message>,
    locks: VecDeque<LockEvent>,
    /// The leader of the current turn, with the turn and how many messages were sent in it.
    turn: Option<(usize, u64, u64)>,
    turns: u64,
    /// While this tab leads: the turn of each follower, and how many messages came and went in it.
    followers: BTreeMap<usize, (u64, u64, u64)>,
    hidden: bool,
    /// No code of the page runs, and it gets no event.
    stopped: bool,
    lose_next: bool,
    crashed: bool,
}

pub(crate) struct Browser {
    now: u64,
    tabs: Vec<Tab>,
    holder: Option<usize>,
    queue: VecDeque<usize>,
    newest: Reign,
    random: u64,
}

impl Browser {
    pub(crate) fn new(seed: u64) -> Self {
        Self { now: 1_000, tabs: Vec::new(), holder: None, queue: VecDeque::new(), newest: 0, random: seed }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % below
    }

    pub(crate) fn role(&self, tab: usize) -> &Role {
        self.tabs[tab].leadership.role()
    }

    pub(crate) fn reign(&self, tab: usize) -> Reign {
        self.tabs[tab].leadership.reign()
    }

    pub(crate) fn holds_lock(&self, tab: usize) -> bool {
        self.holder == Some(tab)
    }

    pub(crate) fn turns(&self, tab: usize) -> u64 {
        self.tabs[tab].turns
    }

    pub(crate) fn open(&mut self) -> usize {
        let tab = self.tabs.len();
        self.tabs.push(Tab {
            leadership: Leadership::new(format!("instance{tab}")),
            inbound: VecDeque::new(),
            locks: VecDeque::new(),
            turn: None,
            turns: 0,
            followers: BTreeMap::new(),
            hidden: false,
            stopped: false,
            lose_next: false,
            crashed: false,
        });
        self.input(tab, Input::Joined, None);
        tab
    }

    pub(crate) fn close(&mut self, tab: usize) {
        if self.is_running(tab) {
            self.input(tab, Input::Leave, None);
        }
    }

    pub(crate) fn crash(&mut self, tab: usize) {
        let Some(crashed) = self.tabs.get_mut(tab) else { return };
        crashed.crashed = true;
        self.release(tab);
        self.gone(tab);
    }

    pub(crate) fn freeze(&mut self, tab: usize) {
        if self.is_running(tab) && !self.is_frozen(tab) {
            self.input(tab, Input::Frozen, None);
        }
    }

    pub(crate) fn resume(&mut self, tab: usize) {
        if self.is_running(tab) && self.is_frozen(tab) {
            self.input(tab, Input::Resumed, None);
        }
    }

    pub(crate) fn stop(&mut self, tab: usize) {
        self.tabs[tab].stopped = true;
    }

    pub(crate) fn go_on(&mut self, tab: usize) {
        self.tabs[tab].stopped = false;
    }

    pub(crate) fn hide(&mut self, tab: usize, hidden: bool) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.hidden = hidden;
        }
    }

    pub(crate) fn wake(&mut self, tab: usize) {
        if self.is_running(tab) && !self.is_frozen(tab) {
            self.input(tab, Input::Woken, None);
        }
    }

    pub(crate) fn request(&mut self, tab: usize) {
        if self.is_running(tab) && !self.is_frozen(tab) {
            self.input(tab, Input::Requested, None);
        }
    }

    pub(crate) fn lose(&mut self, tab: usize) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.lose_next = true;
        }
    }

    /// The client of the leading tab ends, and reports it to the others.
    pub(crate) fn end(&mut self) {
        if let Some(leader) = self.leader() {
            self.input(leader, Input::Ended(true), None);
            self.push("ended");
        }
    }

    /// The leader sends something to every follower.
    pub(crate) fn push(&mut self, kind: &'static str) {
        let Some(leader) = self.leader() else { return };
        let followers: Vec<_> = self.tabs[leader].followers.keys().copied().collect();
        for follower in followers {
            self.answer(leader, follower, kind);
        }
    }

    fn leader(&self) -> Option<usize> {
        self.holder.filter(|tab| self.is_running(*tab) && *self.role(*tab) == Role::Leading)
    }

    pub(crate) fn sign_out(&mut self, tab: usize) {
        if self.is_running(tab) && !self.is_frozen(tab) {
            self.send_all(tab, "out", 0, "");
            self.input(tab, Input::Leave, None);
        }
    }

    /// Every page runs again, and no message is lost any more.
    pub(crate) fn calm(&mut self) {
        for tab in 0..self.tabs.len() {
            (self.tabs[tab].lose_next, self.tabs[tab].stopped) = (false, false);
            self.resume(tab);
        }
    }

    /// One tab leads and has the lock; the others follow it in its reign, and it knows the turn of each.
    pub(crate) fn check_agreement(&self) {
        let active: Vec<_> = (0..self.tabs.len()).filter(|tab| self.is_active(*tab)).collect();
        let Some(leader) = self.holder else {
            assert!(active.is_empty(), "there are tabs and none leads: {:?}", self.roles());
            return;
        };
        assert_eq!(self.role(leader), &Role::Leading, "{:?}", self.roles());
        for tab in active.into_iter().filter(|tab| *tab != leader) {
            assert_eq!(self.role(tab), &Role::Following(Some(leader.to_string())), "{:?}", self.roles());
            assert_eq!(self.reign(tab), self.reign(leader));
            let (_, turn, _) = self.tabs[tab].turn.expect("it follows in a turn");
            assert_eq!(self.tabs[leader].followers.get(&tab).map(|(known, ..)| *known), Some(turn));
        }
    }

    fn roles(&self) -> Vec<&Role> {
        self.tabs.iter().map(|tab| tab.leadership.role()).collect()
    }

    fn is_active(&self, tab: usize) -> bool {
        self.tabs.get(tab).is_some_and(|it| !it.crashed && *it.leadership.role() != Role::Left)
    }

    fn is_running(&self, tab: usize) -> bool {
        self.is_active(tab) && !self.tabs[tab].stopped
    }

    fn is_frozen(&self, tab: usize) -> bool {
        matches!(self.role(tab), Role::Frozen { .. })
    }

    /// Lets time pass. Timers of frozen pages stand still; their messages and lock events may be late.
    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until {
            self.now += 5;
            for tab in 0..self.tabs.len() {
                if !self.is_running(tab) || (self.is_frozen(tab) && self.random(3) == 0) {
                    continue;
                }
                if self.random(2) == 0 {
                    self.receive(tab);
                }
                self.lock_event(tab);
                let due = self.tabs[tab].leadership.deadline().is_some_and(|at| at <= self.now);
                if due && self.is_running(tab) && !self.is_frozen(tab) {
                    self.input(tab, Input::Tick, None);
                    let next = self.tabs[tab].leadership.deadline();
                    assert!(next.is_none_or(|at| at > self.now), "a tick leaves nothing undone");
                }
            }
        }
    }

    fn receive(&mut self, tab: usize) {
        let Some(message) = self.tabs[tab].inbound.pop_front() else { return };
        if std::mem::take(&mut self.tabs[tab].lose_next) {
            return;
        }
        let (from, instance) = (message.from.to_string(), message.instance.clone());
        let received = Received {
            kind: message.kind,
            from: &from,
            reign: message.reign,
            instance: &instance,
            turn: message.turn,
            number: message.number,
        };
        self.input(tab, Input::Received(received), Some(&message));
    }

    fn lock_event(&mut self, tab: usize) {
        match self.tabs[tab].locks.pop_front() {
            Some(LockEvent::Granted) => {
                let (holds, wall_clock) = (self.holder == Some(tab), self.now);
                self.input(tab, Input::Elected { holds, wall_clock }, None);
            }
            Some(LockEvent::Lost) => self.input(tab, Input::Deposed, None),
            Some(LockEvent::OwnLockHeld { turn }) => self.input(tab, Input::OwnLockHeld { turn }, None),
            None => {}
        }
    }

    fn input(&mut self, tab: usize, input: Input<'_>, message: Option<&Message>) {
        let had_left = *self.role(tab) == Role::Left;
        let (now, hidden) = (self.now, self.tabs[tab].hidden);
        let actions = self.tabs[tab].leadership.handle(now, hidden, input);
        assert!(!had_left || actions.is_empty(), "a tab that has left does nothing");
        for action in actions {
            self.act(tab, action, message);
        }
    }

    fn act(&mut self, tab: usize, action: Action, message: Option<&Message>) {
        let (reign, instance) = (self.reign(tab), self.tabs[tab].leadership.instance().to_owned());
        match action {
            Action::Queue => {
                self.queue.retain(|other| *other != tab);
                self.queue.push_back(tab);
                self.grant();
            }
            Action::Steal if self.holder == Some(tab) => {}
            Action::Steal => {
                self.queue.retain(|other| *other != tab);
                if let Some(holder) = self.holder.replace(tab) {
                    self.tabs[holder].locks.push_back(LockEvent::Lost);
                }
                self.tabs[tab].locks.push_back(LockEvent::Granted);
            }
            Action::Resign => self.release(tab),
            Action::CheckLock => {
                if self.holder != Some(tab) {
                    self.tabs[tab].locks.push_back(LockEvent::Lost);
                }
            }
            Action::HoldOwnLock { turn } => self.tabs[tab].locks.push_back(LockEvent::OwnLockHeld { turn }),
            Action::Seek => self.send_all(tab, "seek", reign, ""),
            Action::Announce { to: None } => self.send_all(tab, "lead", reign, &instance),
            Action::Announce { to: Some(to) } => {
                let to = to.parse().unwrap();
                self.send(to, Message { kind: "lead", from: tab, reign, instance, turn: 0, number: 0 });
            }
            Action::Ping { .. } => self.ask(tab, "ping"),
            Action::Lead { .. } => {
                assert_eq!(self.holder, Some(tab), "only the holder of the lock leads");
                assert!(reign > self.newest, "reigns rise");
                self.newest = reign;
                self.tabs[tab].followers.clear();
                self.tabs[tab].turn = None;
            }
            Action::StopLeading => self.tabs[tab].followers.clear(),
            Action::Follow { leader, turn, .. } => {
                self.tabs[tab].turn = Some((leader.parse().unwrap(), turn, 0));
                self.tabs[tab].turns += 1;
                self.ask(tab, "hello");
            }
            Action::Deliver => {
                let message = message.expect("there is a message to deliver");
                if message.kind == "ended" {
                    self.input(tab, Input::Ended(true), None);
                }
            }
            Action::Serve => {
                let message = message.expect("there is a message to serve").clone();
                self.serve(tab, &message);
            }
            Action::SignedOut => {}
            Action::Leave => {
                self.release(tab);
                self.gone(tab);
            }
        }
    }

    /// A tab releases the lock, or leaves its queue.
    fn release(&mut self, tab: usize) {
        self.queue.retain(|other| *other != tab);
        if self.holder == Some(tab) {
            self.holder = None;
        }
        self.grant();
    }

    /// The end of a tab's own lock shows the leader that it is gone.
    fn gone(&mut self, tab: usize) {
        for other in &mut self.tabs {
            other.followers.remove(&tab);
        }
    }

    fn grant(&mut self) {
        if self.holder.is_none() {
            self.holder = self.queue.pop_front();
            if let Some(holder) = self.holder {
                self.tabs[holder].locks.push_back(LockEvent::Granted);
            }
        }
    }
}
