//! The sessions on this node, by user.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use realtime_gateway_protocol::{SessionId, UserId};

use crate::session::Session;

/// The live sessions on this node.
#[derive(Default)]
pub struct SessionTable {
    users: Mutex<HashMap<UserId, Vec<Arc<Session>>>>,
}

impl SessionTable {
    /// Adds a session.
    pub fn insert(&self, session: Arc<Session>) {
        self.users.lock().entry(session.user().clone()).or_default().push(session);
    }

    /// Removes a session.
    pub fn remove(&self, session: &Session) {
        let mut users = self.users.lock();
        if let Some(sessions) = users.get_mut(session.user()) {
            sessions.retain(|other| other.id() != session.id());
            if sessions.is_empty() {
                users.remove(session.user());
            }
        }
    }

    /// Returns a session if it is on this node.
    pub fn get(&self, user: &UserId, id: &SessionId) -> Option<Arc<Session>> {
        self.users.lock().get(user)?.iter().find(|session| *session.id() == *id).cloned()
    }

    /// Returns a user's sessions on this node.
    pub fn of_user(&self, user: &UserId) -> Vec<Arc<Session>> {
        self.users.lock().get(user).cloned().unwrap_or_default()
    }

    /// Returns all sessions on this node.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.users.lock().values().flatten().cloned().collect()
    }

    /// Returns the number of users with a session on this node.
    pub fn user_count(&self) -> usize {
        self.users.lock().len()
    }
}
