//! The notifications of one user in memory.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp};

use crate::{
    ContentDigest, Entry, EscalationState, LogBounds, Notify, PageLimit, Repeat, StoreError,
    clock::after,
    page::{PageBudget, Read, next_position},
};

/// The pending notifications of a user, and the ids within the window.
#[derive(Debug, Default)]
pub(super) struct UserPending {
    head: u64,
    pending: BTreeMap<u64, PendingRow>,
    ids: HashMap<NotificationId, Remembered>,
    /// The approximate memory of the notifications and ids, in bytes.
    bytes: u64,
}

/// The notification with an id.
#[derive(Debug)]
struct Remembered {
    offset: u64,
    at: Timestamp,
    content: ContentDigest,
}

/// The approximate size of a notification without its body, in bytes, with its row in the index of expiries.
const PENDING_BYTES: u64 = 320;
/// The approximate size of an id, in bytes, here and in the list of ids by time.
const ID_BYTES: u64 = 256;

/// A pending notification.
#[derive(Debug)]
pub(super) struct PendingRow {
    pub(super) id: NotificationId,
    pub(super) at: Timestamp,
    pub(super) expires: Timestamp,
    /// Its escalation, if it is or was to be escalated.
    pub(super) escalation: Option<EscalationState>,
    pub(super) body: Bytes,
}

impl UserPending {
    /// Returns the approximate memory of the notifications and ids, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the bounds. The floor is always 1, because the offsets have gaps.
    pub(super) fn bounds(&self) -> LogBounds {
        LogBounds { head: self.head, floor: 1 }
    }

    /// Returns the offset of an earlier notification with this id that is pending or within the window.
    pub(super) fn offset_of_copy(&self, notify: &Notify, window: Duration) -> Result<Option<u64>, StoreError> {
        let Some(known) = self.ids.get(&notify.id) else { return Ok(None) };
        let pending = self.pending.get(&known.offset).is_some_and(|row| row.expires > notify.at);
        if !pending && after(known.at, window) <= notify.at {
            return Ok(None);
        }
        match Repeat::of(Some(known.content), notify.content) {
            Repeat::Same => Ok(Some(known.offset)),
            Repeat::Conflict => Err(StoreError::Conflict),
        }
    }

    /// Stores a notification under the next offset. Returns it and the notifications that were removed to make room: the
    /// expired ones, or the oldest.
    pub(super) fn store(&mut self, notify: &Notify, window: Duration) -> (u64, Vec<(u64, PendingRow)>) {
        let max = usize::try_from(notify.max_pending.max(1)).unwrap_or(usize::MAX);
        let mut removed = Vec::new();
        if self.pending.len() >= max {
            let expired: Vec<u64> =
                self.pending.iter().filter(|(_, row)| row.expires <= notify.at).map(|(offset, _)| *offset).collect();
            let oldest = self.pending.len() + 1 - max;
            let room = oldest.saturating_sub(expired.len());
            let live = self.pending.iter().filter(|(_, row)| row.expires > notify.at).map(|(offset, _)| *offset);
            let dropped: Vec<u64> = live.take(room).collect();
            for offset in expired.into_iter().chain(dropped) {
                removed.extend(self.remove(offset, notify.at, window).map(|row| (offset, row)));
            }
        }
        self.head += 1;
        let (id, body) = (notify.id.clone(), notify.body.clone());
        let escalation = notify.escalate_at.map(EscalationState::Due);
        let row = PendingRow { id, at: notify.at, expires: notify.expires, escalation, body };
        self.bytes += PENDING_BYTES + notify.body.len() as u64;
        self.pending.insert(self.head, row);
        let known = Remembered { offset: self.head, at: notify.at, content: notify.content };
        if self.ids.insert(notify.id.clone(), known).is_none() {
            self.bytes += ID_BYTES;
        }
        (self.head, removed)
    }

    /// Returns a pending notification.
    pub(super) fn get(&self, offset: u64) -> Option<&PendingRow> {
        self.pending.get(&offset)
    }

    /// Replaces the escalation of a notification.
    pub(super) fn set_escalation(&mut self, offset: u64, escalation: Option<EscalationState>) {
        if let Some(row) = self.pending.get_mut(&offset) {
            row.escalation = escalation;
        }
    }

    /// Removes a notification by its id.
    pub(super) fn remove_by_id(
        &mut self,
        id: &NotificationId,
        now: Timestamp,
        window: Duration,
    ) -> Option<(u64, PendingRow)> {
        let offset = self.ids.get(id)?.offset;
        self.remove(offset, now, window).map(|row| (offset, row))
    }

    /// Removes a notification. Its id is kept until the end of the window, and is removed here if the window has ended.
    pub(super) fn remove(&mut self, offset: u64, now: Timestamp, window: Duration) -> Option<PendingRow> {
        let row = self.pending.remove(&offset)?;
        self.bytes = self.bytes.saturating_sub(PENDING_BYTES + row.body.len() as u64);
        if after(row.at, window) <= now {
            self.forget(&row.id, now, window);
        }
        Some(row)
    }

    /// Removes an id whose window has ended, unless its notification is pending.
    pub(super) fn forget(&mut self, id: &NotificationId, now: Timestamp, window: Duration) {
        let over = |known: &Remembered| after(known.at, window) <= now && !self.pending.contains_key(&known.offset);
        if self.ids.get(id).is_some_and(over) {
            self.ids.remove(id);
            self.bytes = self.bytes.saturating_sub(ID_BYTES);
        }
    }

    /// Returns the number of pending notifications.
    pub(super) fn count(&self, now: Timestamp) -> u64 {
        self.pending.values().filter(|row| row.expires > now).count() as u64
    }

    /// Reads the pending notifications after a position.
    pub(super) fn read(&self, position: u64, limit: PageLimit, now: Timestamp) -> (LogBounds, Read) {
        let mut rows = self.pending.range(position.saturating_add(1)..).filter(|(_, row)| row.expires > now);
        let (entries, exhausted) = fill(&mut rows, limit);
        let next = next_position(&entries, exhausted, position, self.head);
        (self.bounds(), Read { entries, next, lost: None })
    }

    /// Reads the last pending notifications before an offset, in ascending order.
    pub(super) fn read_back(&self, before: u64, limit: PageLimit, now: Timestamp) -> (LogBounds, Read) {
        let mut rows = self.pending.range(..before).rev().filter(|(_, row)| row.expires > now);
        let (mut entries, _) = fill(&mut rows, limit);
        entries.reverse();
        let next = entries.last().map_or(self.head, |last| last.offset);
        (self.bounds(), Read { entries, next, lost: None })
    }
}

/// Collects the entries that fit into a page. Returns them, and whether these were all.
fn fill<'a>(rows: &mut dyn Iterator<Item = (&'a u64, &'a PendingRow)>, limit: PageLimit) -> (Vec<Entry>, bool) {
    let mut budget = PageBudget::new(limit);
    let mut entries = Vec::new();
    for (offset, row) in rows {
        if !budget.take(row.body.len()) {
            return (entries, false);
        }
        entries.push(Entry { offset: *offset, at: row.at, body: row.body.clone() });
    }
    (entries, true)
}
