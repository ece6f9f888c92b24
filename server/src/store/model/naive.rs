//! A store that keeps everything for ever in lists, and finds out what can be seen when it is asked.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, NotificationId, Timestamp, UserId};

use crate::{
    store::{Append, ContentDigest, Entry, Head, Idempotency, Notify, PageLimit, clock::after},
    topic::Topic,
};

/// What a page says, without the epoch.
pub(super) type Seen = (Head, Vec<Entry>, u64);

/// The model.
pub(super) struct Naive {
    window: Duration,
    logs: HashMap<Topic, NaiveLog>,
    inboxes: HashMap<UserId, Vec<Kept>>,
}

#[derive(Default)]
struct NaiveLog {
    entries: Vec<Entry>,
    floor: u64,
    max_age: Duration,
    keys: Vec<(Idempotency, u64, MessageId, Timestamp)>,
}

struct Kept {
    id: NotificationId,
    content: ContentDigest,
    at: Timestamp,
    expires: Timestamp,
    body: Bytes,
    gone: bool,
}

impl NaiveLog {
    fn floor(&self, now: Timestamp) -> u64 {
        let young = |entry: &&Entry| entry.offset >= self.floor && after(entry.at, self.max_age) > now;
        self.entries.iter().find(young).map_or(self.entries.len() as u64 + 1, |entry| entry.offset).max(1)
    }
}

impl Naive {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, logs: HashMap::new(), inboxes: HashMap::new() }
    }

    /// The offset, the message's name and whether it is a duplicate; none for a conflict.
    pub(super) fn append(&mut self, append: Append) -> Option<(u64, MessageId, bool)> {
        let log = self.logs.entry(append.topic).or_default();
        if let Some(key) = &append.key {
            let same = |known: &&(Idempotency, u64, MessageId, Timestamp)| known.0.key == key.key;
            let last = log.keys.iter().rev().find(same);
            if let Some((first, offset, id, _)) = last.filter(|(.., at)| after(*at, self.window) > append.at) {
                return (first.content == key.content).then(|| (*offset, id.clone(), true));
            }
        }
        if let Some(redaction) = append.redaction {
            for entry in log.entries.iter_mut().filter(|entry| entry.offset == redaction.offset) {
                entry.body = redaction.body.clone();
            }
        }
        let offset = log.entries.len() as u64 + 1;
        log.entries.push(Entry { offset, at: append.at, body: append.body });
        if offset > 1 && log.max_age != append.retention.max_age {
            log.floor = log.floor.max(log.floor(append.at));
        }
        log.max_age = append.retention.max_age;
        log.floor = log.floor.max((offset + 1).saturating_sub(append.retention.max_entries));
        log.keys.extend(append.key.map(|key| (key, offset, append.id.clone(), append.at)));
        Some((offset, append.id, false))
    }

    /// The offset, whether it is a duplicate and what was dropped; none for a conflict.
    pub(super) fn notify(&mut self, notify: Notify) -> Option<(u64, bool, Vec<NotificationId>)> {
        let inbox = self.inboxes.entry(notify.user).or_default();
        if let Some(place) = inbox.iter().rposition(|kept| kept.id == notify.id) {
            let first = &inbox[place];
            if (!first.gone && first.expires > notify.at) || after(first.at, self.window) > notify.at {
                return (first.content == notify.content).then(|| (place as u64 + 1, true, Vec::new()));
            }
        }
        let mut dropped = Vec::new();
        loop {
            let live = inbox.iter().filter(|kept| !kept.gone && kept.expires > notify.at).count() as u64;
            if live < notify.max_pending {
                break;
            }
            let oldest = inbox.iter_mut().find(|kept| !kept.gone && kept.expires > notify.at).unwrap();
            oldest.gone = true;
            dropped.push(oldest.id.clone());
        }
        let Notify { id, content, at, expires, body, .. } = notify;
        inbox.push(Kept { id, content, at, expires, body, gone: false });
        Some((inbox.len() as u64, false, dropped))
    }

    pub(super) fn acknowledge(&mut self, user: &UserId, ids: &[NotificationId], now: Timestamp) -> Vec<NotificationId> {
        let inbox = self.inboxes.entry(user.clone()).or_default();
        let mut acknowledged = Vec::new();
        for id in ids {
            let pending = |kept: &&mut Kept| kept.id == *id && !kept.gone && kept.expires > now;
            for kept in inbox.iter_mut().filter(pending) {
                kept.gone = true;
                acknowledged.push(kept.id.clone());
            }
        }
        acknowledged
    }

    pub(super) fn pending_count(&self, user: &UserId, now: Timestamp) -> u64 {
        self.seen(&Topic::User(user.clone()), now).1.len() as u64
    }

    pub(super) fn read(&self, topic: &Topic, position: u64, limit: PageLimit, now: Timestamp) -> Seen {
        let (ends, all) = self.seen(topic, now);
        let wanted: Vec<Entry> = all.into_iter().filter(|entry| entry.offset > position).collect();
        let page = fitting(wanted.iter(), limit);
        let next = match page.last() {
            _ if page.len() == wanted.len() => ends.head,
            Some(last) => last.offset,
            None => position.min(ends.head),
        };
        (ends, page, next)
    }

    pub(super) fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit, now: Timestamp) -> Seen {
        let (ends, all) = self.seen(topic, now);
        let mut page = fitting(all.iter().rev().filter(|entry| entry.offset < before), limit);
        page.reverse();
        let next = page.last().map_or(ends.head, |last| last.offset);
        (ends, page, next)
    }

    /// Everything that can be seen of a topic.
    fn seen(&self, topic: &Topic, now: Timestamp) -> (Head, Vec<Entry>) {
        if let Topic::User(user) = topic {
            let inbox = self.inboxes.get(user).map_or(&[][..], Vec::as_slice);
            let pending = inbox.iter().enumerate().filter(|(_, kept)| !kept.gone && kept.expires > now);
            let entry = |(place, kept): (usize, &Kept)| Entry {
                offset: place as u64 + 1,
                at: kept.at,
                body: kept.body.clone(),
            };
            return (Head { head: inbox.len() as u64, floor: 1 }, pending.map(entry).collect());
        }
        let Some(log) = self.logs.get(topic) else { return (Head { head: 0, floor: 1 }, Vec::new()) };
        let floor = log.floor(now);
        let entries = log.entries.iter().filter(|entry| entry.offset >= floor).cloned().collect();
        (Head { head: log.entries.len() as u64, floor }, entries)
    }
}

/// The first entries that fit into a page; one always does, unless none is wanted.
fn fitting<'a>(entries: impl Iterator<Item = &'a Entry>, limit: PageLimit) -> Vec<Entry> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in entries.take(limit.entries) {
        bytes += entry.body.len();
        if !page.is_empty() && bytes > limit.bytes {
            break;
        }
        page.push(entry.clone());
    }
    page
}
