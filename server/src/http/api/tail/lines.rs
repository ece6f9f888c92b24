//! The lines of a tail. Content is left out unless it was asked for.

use realtime_gateway_protocol::{RawJson, Timestamp, UserId, stored::Delivery};
use serde::{Deserialize, Serialize};

use crate::{
    delivery::{
        entry::stored,
        tail::{Tailed, TailedEntry},
    },
    store::NoticeEntry,
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
    /// The last entry of the log that was shown before the live ones. A live entry up to it is a copy.
    past: Option<(Topic, u64)>,
    is_live: bool,
}

/// One entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    topic: String,
    offset: u64,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    type_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
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

impl Lines {
    pub(super) fn new(shows: Show, user: Option<UserId>) -> Self {
        Self { shows, user, past: None, is_live: false }
    }

    /// Marks that the entries of the log are written, and live ones follow.
    pub(super) fn begin_live(&mut self) {
        self.is_live = true;
    }

    /// Returns the line for what a tail has read. `None` for what it does not show.
    pub(super) fn of(&mut self, tailed: &Tailed) -> Option<String> {
        match tailed {
            Tailed::Entry(entry) => self.of_entry(entry),
            Tailed::Dropped(dropped) => line(&Dropped { dropped: *dropped }),
        }
    }

    /// Returns the line for an entry. `None` for one that concerns another user, or was shown before.
    pub(super) fn of_entry(&mut self, TailedEntry { topic, entry }: &TailedEntry) -> Option<String> {
        let offset = entry.offset();
        if self.is_live {
            if self.past.as_ref().is_some_and(|(past, last)| past == topic && offset <= *last) {
                return None;
            }
        } else {
            self.past = Some((topic.clone(), offset));
        }
        let bare = Line {
            at: None,
            topic: topic.to_string(),
            offset,
            type_name: None,
            bytes: None,
            user_id: None,
            message: None,
        };
        let NoticeEntry::Included(entry) = entry else {
            // What is too large to be passed on between nodes has no author here.
            return if self.concerns(topic, None) { line(&bare) } else { None };
        };
        let composed = stored(topic, entry).compose(Delivery::First).ok();
        let author: Option<Author> = serde_json::from_slice(&entry.body).ok();
        let user_id = author.as_ref().and_then(|author| author.user_id.as_ref());
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

    fn concerns(&self, topic: &Topic, author: Option<&UserId>) -> bool {
        self.user.as_ref().is_none_or(|user| author == Some(user) || *topic == Topic::User(user.clone()))
    }
}

fn line(value: &impl Serialize) -> Option<String> {
    // A struct of texts, numbers and JSON can always be encoded.
    serde_json::to_string(value).ok().map(|text| text + "\n")
}
