//! The model: it keeps everything in lists, and computes what is visible at each read.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, NotificationId, Timestamp, UserId, topic::Topic};

use crate::{
    Append, ContentDigest, DueEscalation, Entry, Escalation, EscalationState, Idempotency, LogBounds, Notify,
    PageLimit, clock::after,
};

/// The content of a page, without the epoch.
pub(super) type Seen = (LogBounds, Vec<Entry>, u64);

/// The model.
pub(super) struct Naive {
    window: Duration,
    logs: HashMap<Topic, NaiveLog>,
    users: HashMap<UserId, Vec<Kept>>,
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
    escalation: Option<EscalationState>,
    body: Bytes,
    removed: bool,
}

impl NaiveLog {
    fn floor(&self, now: Timestamp) -> u64 {
        let young = |entry: &&Entry| entry.offset >= self.floor && after(entry.at, self.max_age) > now;
        self.entries.iter().find(young).map_or(self.entries.len() as u64 + 1, |entry| entry.offset).max(1)
    }
}

impl Naive {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, logs: HashMap::new(), users: HashMap::new() }
    }

    /// Returns the offset, the id of the message and whether it is a duplicate, or `None` for a conflict.
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

    /// Returns the offset, whether it is a duplicate and the dropped notifications, or `None` for a conflict.
    pub(super) fn notify(&mut self, notify: Notify) -> Option<(u64, bool, Vec<NotificationId>)> {
        let notifications = self.users.entry(notify.user).or_default();
        if let Some(index) = notifications.iter().rposition(|kept| kept.id == notify.id) {
            let first = &notifications[index];
            if (!first.removed && first.expires > notify.at) || after(first.at, self.window) > notify.at {
                return (first.content == notify.content).then(|| (index as u64 + 1, true, Vec::new()));
            }
        }
        let mut dropped = Vec::new();
        loop {
            let live = notifications.iter().filter(|kept| !kept.removed && kept.expires > notify.at).count() as u64;
            if live < notify.max_pending {
                break;
            }
            let oldest = notifications.iter_mut().find(|kept| !kept.removed && kept.expires > notify.at).unwrap();
            oldest.removed = true;
            dropped.push(oldest.id.clone());
        }
        let Notify { id, content, at, expires, escalate_at, body, .. } = notify;
        let escalation = escalate_at.map(EscalationState::Due);
        notifications.push(Kept { id, content, at, expires, escalation, body, removed: false });
        Some((notifications.len() as u64, false, dropped))
    }

    pub(super) fn acknowledge(&mut self, user: &UserId, ids: &[NotificationId], now: Timestamp) -> Vec<NotificationId> {
        let notifications = self.users.entry(user.clone()).or_default();
        let mut acknowledged = Vec::new();
        for id in ids {
            let pending = |kept: &&mut Kept| kept.id == *id && !kept.removed && kept.expires > now;
            for kept in notifications.iter_mut().filter(pending) {
                kept.removed = true;
                acknowledged.push(kept.id.clone());
            }
        }
        acknowledged
    }

    /// Returns what is due for escalation, by user and offset.
    pub(super) fn due_escalations(&self, now: Timestamp) -> Vec<DueEscalation> {
        let mut all = Vec::new();
        for (user, notifications) in &self.users {
            for (index, kept) in notifications.iter().enumerate() {
                let is_due = matches!(kept.escalation, Some(EscalationState::Due(due)) if due <= now);
                if is_due && !kept.removed && kept.expires > now {
                    let (user, id, body) = (user.clone(), kept.id.clone(), kept.body.clone());
                    all.push(DueEscalation { user, offset: index as u64 + 1, id, at: kept.at, body });
                }
            }
        }
        all.sort_by(|a, b| (&a.user, a.offset).cmp(&(&b.user, b.offset)));
        all
    }

    /// Escalates notifications that are due.
    pub(super) fn escalate(&mut self, escalations: &[Escalation]) -> Vec<bool> {
        for escalation in escalations {
            let notifications = self.users.entry(escalation.user.clone()).or_default();
            let kept = &mut notifications[escalation.offset as usize - 1];
            if let Some(EscalationState::Due(due)) = kept.escalation {
                kept.escalation = Some(EscalationState::Reported(due));
            }
        }
        vec![true; escalations.len()]
    }

    /// Returns the escalation of notifications of a user.
    pub(super) fn escalations_of(
        &self,
        user: &UserId,
        offsets: &[u64],
        now: Timestamp,
    ) -> Vec<Option<EscalationState>> {
        let state = |offset: &u64| {
            let kept = self.users.get(user)?.get(*offset as usize - 1)?;
            kept.escalation.filter(|_| !kept.removed && kept.expires > now)
        };
        offsets.iter().map(state).collect()
    }

    pub(super) fn pending_count(&self, user: &UserId, now: Timestamp) -> u64 {
        self.seen(&Topic::User(user.clone()), now).1.len() as u64
    }

    pub(super) fn read(&self, topic: &Topic, position: u64, limit: PageLimit, now: Timestamp) -> Seen {
        let (bounds, all) = self.seen(topic, now);
        let wanted: Vec<Entry> = all.into_iter().filter(|entry| entry.offset > position).collect();
        let page = fitting(wanted.iter(), limit);
        let next = match page.last() {
            _ if page.len() == wanted.len() => bounds.head,
            Some(last) => last.offset,
            None => position.min(bounds.head),
        };
        (bounds, page, next)
    }

    pub(super) fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit, now: Timestamp) -> Seen {
        let (bounds, all) = self.seen(topic, now);
        let mut page = fitting(all.iter().rev().filter(|entry| entry.offset < before), limit);
        page.reverse();
        let next = page.last().map_or(bounds.head, |last| last.offset);
        (bounds, page, next)
    }

    /// Returns the bounds and all visible entries of a topic.
    fn seen(&self, topic: &Topic, now: Timestamp) -> (LogBounds, Vec<Entry>) {
        if let Topic::User(user) = topic {
            let notifications = self.users.get(user).map_or(&[][..], Vec::as_slice);
            let pending = notifications.iter().enumerate().filter(|(_, kept)| !kept.removed && kept.expires > now);
            let entry = |(index, kept): (usize, &Kept)| Entry {
                offset: index as u64 + 1,
                at: kept.at,
                body: kept.body.clone(),
            };
            return (LogBounds { head: notifications.len() as u64, floor: 1 }, pending.map(entry).collect());
        }
        let Some(log) = self.logs.get(topic) else { return (LogBounds { head: 0, floor: 1 }, Vec::new()) };
        let floor = log.floor(now);
        let entries = log.entries.iter().filter(|entry| entry.offset >= floor).cloned().collect();
        (LogBounds { head: log.entries.len() as u64, floor }, entries)
    }
}

/// Returns the first entries that fit into a page. The first entry always fits, unless the limit is zero entries.
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
