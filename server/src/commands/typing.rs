//! Typing indicators. Changes are broadcast to other users at most once a second per user and clan. An indicator ends
//! when the client does not refresh it. The sessions of the typing user do not receive it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, SendTyping, ServerMessage, Typing, UserId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    auth::{Action, Permissions},
    bus::{Bus, EphemeralBroadcast},
    command_error::CommandError,
    delivery::{frame::Frame, hub::Hub},
    runtime::tasks::Tasks,
    session::Session,
    topic::Topic,
};

/// The time after which an indicator ends if it is not refreshed.
const TYPING_TIMEOUT: Duration = Duration::from_secs(6);
/// The shortest time between two broadcasts for one user and clan.
const BROADCAST_INTERVAL: Duration = Duration::from_secs(1);

/// The parts that [`TypingUsers`] works with.
pub(crate) struct TypingParts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) tasks: Tasks,
}

/// The users of this node who are typing.
pub struct TypingUsers {
    users: Mutex<HashMap<(ClanId, UserId), State>>,
    parts: TypingParts,
}

/// The state of one user in one clan, from the first indicator until one second after it has ended.
struct State {
    /// The state that was broadcast last.
    shown: bool,
    /// The state that the client has sent since the last broadcast.
    pending: Option<bool>,
    last_broadcast: Instant,
    ends: Instant,
    /// Wakes the task that watches this user.
    changed: Arc<Notify>,
}

/// The next step for one user in one clan.
enum Step {
    Send(bool),
    Wait(Instant, Arc<Notify>),
    Forget,
}

impl TypingUsers {
    /// Creates a table without typing users.
    pub(crate) fn new(parts: TypingParts) -> Self {
        Self { users: Mutex::default(), parts }
    }

    /// Handles `typing`: the user of a client has started or stopped typing.
    ///
    /// # Errors
    /// `forbidden`, `unavailable` when the permission service does not answer.
    pub(crate) async fn send(self: &Arc<Self>, session: &Session, typing: SendTyping) -> Result<(), CommandError> {
        let topic = Topic::Clan(typing.clan_id.clone());
        self.parts.permissions.check(session.requester(&session.identity()), Action::Publish, &topic).await?;
        let key = (typing.clan_id, session.user().clone());
        if self.record(&key, typing.is_typing) {
            let first = self.step(&key);
            self.perform(&key, first);
            let users = self.clone();
            self.parts.tasks.spawn_until_stopped(async move {
                loop {
                    match users.step(&key) {
                        Step::Wait(until, changed) => {
                            tokio::select! {
                                () = sleep_until(until) => {}
                                () = changed.notified() => {}
                            }
                        }
                        Step::Forget => return,
                        send => users.perform(&key, send),
                    }
                }
            });
        }
        Ok(())
    }

    /// Records the state that a client has sent. Returns true when no task watches the user yet.
    fn record(&self, key: &(ClanId, UserId), is_typing: bool) -> bool {
        let now = Instant::now();
        let mut users = self.users.lock();
        if let Some(state) = users.get_mut(key) {
            (state.pending, state.ends) = (Some(is_typing), now + TYPING_TIMEOUT);
            state.changed.notify_one();
            return false;
        }
        if !is_typing {
            return false;
        }
        let last_broadcast = now.checked_sub(BROADCAST_INTERVAL).unwrap_or(now);
        let state = State {
            shown: false,
            pending: Some(true),
            last_broadcast,
            ends: now + TYPING_TIMEOUT,
            changed: Arc::default(),
        };
        users.insert(key.clone(), state);
        true
    }

    /// Decides the next step for a user.
    fn step(&self, key: &(ClanId, UserId)) -> Step {
        let now = Instant::now();
        let mut users = self.users.lock();
        let Some(state) = users.get_mut(key) else { return Step::Forget };
        let next = state.last_broadcast + BROADCAST_INTERVAL;
        let send = match state.pending {
            Some(false) if !state.shown => None,
            Some(pending) => Some(pending),
            None => (state.shown && state.ends <= now).then_some(false),
        };
        match send {
            Some(_) if next > now => return Step::Wait(next, state.changed.clone()),
            Some(is_typing) => {
                (state.pending, state.shown, state.last_broadcast) = (None, is_typing, now);
                return Step::Send(is_typing);
            }
            None if state.shown => return Step::Wait(state.ends, state.changed.clone()),
            None if next > now => return Step::Wait(next, state.changed.clone()),
            None => {}
        }
        users.remove(key);
        Step::Forget
    }

    fn perform(&self, (clan, user): &(ClanId, UserId), step: Step) {
        if let Step::Send(is_typing) = step {
            let typing = Typing { user_id: user.clone(), clan_id: clan.clone(), is_typing };
            let (topic, message) = (Topic::Clan(clan.clone()), ServerMessage::from(typing));
            // Typing is ephemeral: it is dropped first when a queue is under pressure.
            self.parts.hub.send_about(&topic, &Frame::encode_push(message.clone()), user);
            self.parts.bus.broadcast_ephemeral(&EphemeralBroadcast { topic, message });
        }
    }
}
