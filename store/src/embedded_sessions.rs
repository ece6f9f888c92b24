//! Sessions of a store that only one process uses. They are kept in memory, because they end with the process.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{SessionId, UserId};

use crate::{Admission, ConnectedUser, ConnectedUsers, SessionPolicy, SessionRecord, UserPage, admission};

/// The live sessions of all users.
#[derive(Debug, Default)]
pub struct EmbeddedSessions(Mutex<BTreeMap<UserId, Vec<SessionRecord>>>);

impl EmbeddedSessions {
    /// Admits a session or refuses it, in one step ([`admission::admit`]).
    pub fn open(&self, record: SessionRecord, policy: SessionPolicy) -> Admission {
        let mut users = self.0.lock();
        let user = record.user.clone();
        let live = users.entry(user.clone()).or_default();
        let admission = admission::admit(live, record, policy);
        if live.is_empty() {
            users.remove(&user);
        }
        admission
    }

    /// Restores a session, in one step ([`admission::restore`]).
    pub fn restore(&self, record: SessionRecord, policy: SessionPolicy) -> Admission {
        let mut users = self.0.lock();
        let user = record.user.clone();
        let live = users.entry(user.clone()).or_default();
        let admission = admission::restore(live, record, policy);
        if live.is_empty() {
            users.remove(&user);
        }
        admission
    }

    /// Removes the record of a session, and returns it. Returns `None` if it does not exist.
    pub fn close(&self, user: &UserId, session: &SessionId) -> Option<SessionRecord> {
        let mut users = self.0.lock();
        let live = users.get_mut(user)?;
        let at = live.iter().position(|other| other.id == *session)?;
        let record = live.remove(at);
        if live.is_empty() {
            users.remove(user);
        }
        Some(record)
    }

    /// Returns the user's sessions, oldest first.
    pub fn of(&self, user: &UserId) -> Vec<SessionRecord> {
        self.0.lock().get(user).cloned().unwrap_or_default()
    }

    /// Returns users who have sessions.
    pub fn users(&self, page: &UserPage) -> ConnectedUsers {
        let users = self.0.lock();
        let after = page.after.as_ref().map_or(Unbounded, Excluded);
        let mut found = users.range::<UserId, _>((after, Unbounded));
        let connected = |(user, sessions): (&UserId, &Vec<SessionRecord>)| ConnectedUser {
            user: user.clone(),
            sessions: sessions.len() as u64,
        };
        let users = found.by_ref().take(page.at_most).map(connected).collect();
        ConnectedUsers { users, more: found.next().is_some() }
    }
}
