//! Typing: passed on to other users at most once a second per user and clan, and ended when the client does not refresh
//! it. No session of the user who types gets it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, SendTyping, ServerMessage, Typing, UserId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    auth::Action, bus::Whisper, command_error::CommandError, frame::Frame, node::Node, session::Session, topic::Topic,
};

/// How long a user types without saying so again.
const LASTS: Duration = Duration::from_secs(6);
/// How often a change is passed on.
const PASSED_ON_EVERY: Duration = Duration::from_secs(1);

/// Who is typing, on this node.
#[derive(Default)]
pub struct TypingUsers {
    users: Mutex<HashMap<(ClanId, UserId), State>>,
}

/// What is known of one user in one clan, while they type and for a second after.
struct State {
    /// What others were told last.
    shown: bool,
    /// What the user said since.
    said: Option<bool>,
    passed_on: Instant,
    ends: Instant,
    /// Tells the one who watches over this user that they said something.
    news: Arc<Notify>,
}

/// What is to be done for one user in one clan.
enum Step {
    Tell(bool),
    Wait(Instant, Arc<Notify>),
    Forget,
}

impl TypingUsers {
    /// `typing`
    pub(crate) async fn typing(node: &Arc<Node>, session: &Session, said: SendTyping) -> Result<(), CommandError> {
        let topic = Topic::Clan(said.clan_id.clone());
        node.permissions.check(&session.identity(), Action::Publish, &topic).await?;
        let key = (said.clan_id, session.user.clone());
        if node.typing_users.note(&key, said.is_typing) {
            let task_node = node.clone();
            let first = node.typing_users.step(&key);
            node.perform(&key, first);
            node.tasks.spawn_until_stopped(async move {
                loop {
                    match task_node.typing_users.step(&key) {
                        Step::Wait(until, news) => {
                            tokio::select! {
                                () = sleep_until(until) => {}
                                () = news.notified() => {}
                            }
                        }
                        Step::Forget => return,
                        tell => task_node.perform(&key, tell),
                    }
                }
            });
        }
        Ok(())
    }

    /// Notes what a user said; true when nobody watches over them yet.
    fn note(&self, key: &(ClanId, UserId), is_typing: bool) -> bool {
        let now = Instant::now();
        let mut users = self.users.lock();
        if let Some(state) = users.get_mut(key) {
            (state.said, state.ends) = (Some(is_typing), now + LASTS);
            state.news.notify_one();
            return false;
        }
        if !is_typing {
            return false;
        }
        let passed_on = now.checked_sub(PASSED_ON_EVERY).unwrap_or(now);
        let state = State { shown: false, said: Some(true), passed_on, ends: now + LASTS, news: Arc::default() };
        users.insert(key.clone(), state);
        true
    }

    /// Decides what comes next for a user.
    fn step(&self, key: &(ClanId, UserId)) -> Step {
        let now = Instant::now();
        let mut users = self.users.lock();
        let Some(state) = users.get_mut(key) else { return Step::Forget };
        let next = state.passed_on + PASSED_ON_EVERY;
        let tell = match state.said {
            Some(false) if !state.shown => None,
            Some(said) => Some(said),
            None => (state.shown && state.ends <= now).then_some(false),
        };
        match tell {
            Some(_) if next > now => return Step::Wait(next, state.news.clone()),
            Some(is_typing) => {
                (state.said, state.shown, state.passed_on) = (None, is_typing, now);
                return Step::Tell(is_typing);
            }
            None if state.shown => return Step::Wait(state.ends, state.news.clone()),
            None if next > now => return Step::Wait(next, state.news.clone()),
            None => {}
        }
        users.remove(key);
        Step::Forget
    }
}

impl Node {
    fn perform(&self, (clan, user): &(ClanId, UserId), step: Step) {
        if let Step::Tell(is_typing) = step {
            let typing = Typing { user_id: user.clone(), clan_id: clan.clone(), is_typing };
            let (topic, message) = (Topic::Clan(clan.clone()), ServerMessage::from(typing));
            // Typing is the first to go under pressure: whoever missed it misses little.
            self.hub.whisper(&topic, &Frame::push(message.clone()), user);
            self.bus.whisper(&Whisper { topic, message });
        }
    }
}
