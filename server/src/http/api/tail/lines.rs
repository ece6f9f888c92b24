//! The lines of a tail. Content is left out unless it was asked for.

use std::collections::HashMap;

use realtime_gateway_protocol::{RawJson, ServerMessage, Timestamp, UserId, stored::Delivery};
use serde::{Deserialize, Serialize};

use crate::{
    delivery::{
        entry::stored,
        tail::{Tailed, TailedEntry, TailedMessage},
    },
    store::{Entry, NoticeEntry},
    topic::Topic,
};

/// How much of an entry a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// What an entry is about.
    Outline,
    /// The whole message.
    Content,
}

/// Writes the lines of one tail.
pub(super) struct Lines {
    shows: Show,
    user: Option<UserId>,
    /// The last entry of each log that was shown before the live ones. A live entry up to it is a copy.
    past: HashMap<Topic, u64>,
    is_live: bool,
}

/// One entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    type_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<RawJson>,
}

/// The author of a stored message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Author {
    #[serde(default)]
    user_id: Option<UserId>,
}

#[derive(Serialize)]
struct Dropped {
    dropped: u64,
}

/// Older entries of the log are not shown.
#[derive(Serialize)]
struct Cut {
    cut: bool,
}

impl Lines {
    pub(super) fn new(shows: Show, user: Option<UserId>) -> Self {
        Self { shows, user, past: HashMap::new(), is_live: false }
    }

    /// Returns whether an entry of the log concerns the user.
    pub(super) fn shows(&self, topic: &Topic, entry: &Entry) -> bool {
        self.user.is_none() || self.concerns(topic, author_of(entry).as_ref())
    }

    /// Returns the line that says that older entries of the log are not shown.
    pub(super) fn of_cut(&self) -> Option<String> {
        line(&Cut { cut: true })
    }

    /// Marks that the entries of the log are written, and live ones follow.
    pub(super) fn begin_live(&mut self) {
        self.is_live = true;
    }

    /// Returns the line for what a tail has read now. `None` for what it does not show.
    pub(super) fn of(&mut self, tailed: &Tailed, now: Timestamp) -> Option<String> {
        match tailed {
            Tailed::Entry(entry) => self.of_entry(entry),
            Tailed::Message(message) => self.of_message(message, now),
            Tailed::Activity(activity) => {
                self.user.as_ref().is_none_or(|user| activity.user_id == *user).then(|| line(&**activity))?
            }
            Tailed::Dropped(dropped) => line(&Dropped { dropped: *dropped }),
        }
    }

    /// Returns the line for an entry. `None` for one that concerns another user, or was shown before.
    pub(super) fn of_entry(&mut self, TailedEntry { topic, entry }: &TailedEntry) -> Option<String> {
        let offset = entry.offset();
        if self.is_live {
            if self.past.get(topic).is_some_and(|last| offset <= *last) {
                return None;
            }
        } else {
            self.past.insert(topic.clone(), offset);
        }
        let bare = Line {
            at: None,
            topic: topic.to_string(),
            offset: Some(offset),
            type_name: None,
            bytes: None,
            user_id: None,
            status: None,
            message: None,
        };
        let NoticeEntry::Included(entry) = entry else {
            // What is too large to be passed on between nodes has no author here.
            return if self.concerns(topic, None) { line(&bare) } else { None };
        };
        let composed = stored(topic, entry).compose(Delivery::First).ok();
        let author = author_of(entry);
        let user_id = author.as_ref();
        if !self.concerns(topic, user_id) {
            return None;
        }
        let message = composed.as_ref().filter(|_| self.shows == Show::Content);
        line(&Line {
            at: Some(entry.at),
            type_name: composed.as_ref().map(|composed| composed.type_name.as_str()),
            bytes: Some(entry.body.len()),
            user_id,
            message: message.and_then(|composed| serde_json::from_str(&composed.text).ok()),
            ..bare
        })
    }

    fn of_message(&self, TailedMessage { topic, message, text }: &TailedMessage, now: Timestamp) -> Option<String> {
        let (user_id, status) = about(message);
        if !self.concerns(topic, user_id) {
            return None;
        }
        let content = (self.shows == Show::Content).then(|| serde_json::from_str(text).ok()).flatten();
        line(&Line {
            at: Some(now),
            topic: topic.to_string(),
            offset: None,
            type_name: Some(message.type_name()),
            bytes: Some(text.len()),
            user_id,
            status,
            message: content,
        })
    }

    fn concerns(&self, topic: &Topic, author: Option<&UserId>) -> bool {
        self.user.as_ref().is_none_or(|user| author == Some(user) || *topic == Topic::User(user.clone()))
    }
}

/// Returns the author of an entry, if it has one.
fn author_of(entry: &Entry) -> Option<UserId> {
    serde_json::from_slice(&entry.body).ok().and_then(|author: Author| author.user_id)
}

/// Returns the user whom an ephemeral message is about, and the user's new status.
fn about(message: &ServerMessage) -> (Option<&UserId>, Option<&str>) {
    match message {
        ServerMessage::Typing(typing) => {
            (Some(&typing.user_id), Some(if typing.is_typing { "started" } else { "stopped" }))
        }
        ServerMessage::EphemeralEvent(event) => (event.user_id.as_ref(), None),
        ServerMessage::PresenceChanged(changed) => (Some(&changed.user_id), Some(changed.status.as_str())),
        ServerMessage::TopicPresenceChanged(changed) => (Some(&changed.user_id), Some(changed.status.as_str())),
        _ => (None, None),
    }
}

fn line(value: &impl Serialize) -> Option<String> {
    // A struct of texts, numbers and JSON can always be encoded.
    serde_json::to_string(value).ok().map(|text| text + "\n")
}
