//! Notifications in the file: storing and acknowledging within a batch.

use realtime_gateway_protocol::{NotificationId, StoredId, Timestamp, UserId};
use redb::{ReadableTable, ReadableTableMetadata};

use super::{
    fault::Fault,
    format::{IdRow, PendingRow, UserRow, id_of, time},
    operation::Request,
    outbox,
    tables::Tables,
};
use crate::{
    store::{Event, EventDetail, Notified, Notify, clock::after, shards::ShardCounts},
    topic::{Shard, Topic},
};

/// Ids of notifications that a user has seen.
pub(super) struct Acknowledge {
    pub(super) user: UserId,
    pub(super) ids: Vec<NotificationId>,
    pub(super) now: Timestamp,
    /// What backend services are told of those that were pending.
    pub(super) event: Option<Event>,
}

impl Request for Notify {
    type Answer = Notified;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Notified, Fault> {
        notify(tables, self)
    }

    fn bytes(&self) -> usize {
        256 + self.body.len()
    }

    fn shard(&self) -> Option<Shard> {
        Some(Topic::User(self.user.clone()).shard())
    }

    fn count(&self, notified: &mut Notified, shards: &ShardCounts) {
        let shard = Topic::User(self.user.clone()).shard();
        notified.shard_count = if notified.duplicate { shards.get(shard) } else { shards.raise(shard) };
    }
}

impl Request for Acknowledge {
    type Answer = Vec<NotificationId>;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Vec<NotificationId>, Fault> {
        let Some(mut user) = user(tables, self.user.as_str())? else { return Ok(Vec::new()) };
        let mut acknowledged = Vec::new();
        for id in &self.ids {
            let known = tables.ids.get(id_of(user.number, id.as_str()).as_slice())?;
            let Some(offset) = known.map(|row| IdRow::decode(row.value())).transpose()?.map(|row| row.offset) else {
                continue;
            };
            if let Some(removed) = remove(tables, &mut user, offset, self.now)? {
                tables.users.insert(self.user.as_str(), user.encode().as_slice())?;
                acknowledged.extend((!removed.expired).then_some(removed.id));
            }
        }
        if let Some(event) = self.event.as_ref().filter(|_| !acknowledged.is_empty()) {
            outbox::write(tables, event, &EventDetail::Notifications(acknowledged.clone()))?;
        }
        Ok(acknowledged)
    }

    fn bytes(&self) -> usize {
        512 + 256 * self.ids.len()
    }
}

/// A notification that was removed.
pub(super) struct Removed {
    id: NotificationId,
    /// Whether its time had ended before.
    expired: bool,
}

fn user(tables: &Tables<'_>, name: &str) -> Result<Option<UserRow>, Fault> {
    tables.users.get(name)?.map(|row| UserRow::decode(row.value())).transpose()
}

fn notify(tables: &mut Tables<'_>, notify: &Notify) -> Result<Notified, Fault> {
    let name = notify.user.as_str();
    let now = notify.at.millis();
    let mut user = match user(tables, name)? {
        Some(user) => user,
        None => UserRow { number: tables.users.len()? + 1, head: 0, count: 0, soonest: u64::MAX },
    };
    let id = id_of(user.number, notify.id.as_str());
    let known = tables.ids.get(id.as_slice())?.map(|row| IdRow::decode(row.value())).transpose()?;
    if let Some(first) = known {
        let pending = match tables.pending.get((user.number, first.offset))? {
            Some(row) => PendingRow::decode(row.value())?.expires > now,
            None => false,
        };
        if pending || after(time(first.at), tables.window) > notify.at {
            let epoch = tables.epoch.clone();
            return Ok(Notified { offset: first.offset, duplicate: true, dropped: Vec::new(), shard_count: 0, epoch });
        }
    }
    let dropped = make_room(tables, &mut user, notify)?;
    tables.changed = true;
    user.head += 1;
    user.count += 1;
    user.soonest = user.soonest.min(notify.expires.millis());
    let (offset, expires) = (user.head, notify.expires.millis());
    let row = PendingRow { at: now, expires, id: notify.id.as_str(), body: &notify.body }.encode();
    tables.pending.insert((user.number, offset), row.as_slice())?;
    tables.ids.insert(id.as_slice(), IdRow { offset, at: now }.encode().as_slice())?;
    tables.ids_by_time.insert((now, user.number, offset), id.as_slice())?;
    tables.expiries.insert((expires, user.number, offset), name)?;
    tables.users.insert(name, user.encode().as_slice())?;
    if let Some(event) = notify.dropped_event.as_ref().filter(|_| !dropped.is_empty()) {
        outbox::write(tables, event, &EventDetail::Notifications(dropped.clone()))?;
    }
    Ok(Notified { offset, duplicate: false, dropped, shard_count: 0, epoch: tables.epoch.clone() })
}

/// Removes what expired, then the oldest, until one more fits; gives what was dropped before its time.
fn make_room(tables: &mut Tables<'_>, user: &mut UserRow, notify: &Notify) -> Result<Vec<NotificationId>, Fault> {
    let max = notify.max_pending.max(1);
    let now = notify.at.millis();
    let mut dropped = Vec::new();
    if user.count < max {
        return Ok(dropped);
    }
    if user.soonest <= now {
        let mut expired = Vec::new();
        let mut soonest = u64::MAX;
        for row in tables.pending.range((user.number, 0)..=(user.number, u64::MAX))? {
            let (place, row) = row?;
            match PendingRow::decode(row.value())?.expires {
                expires if expires <= now => expired.push(place.value().1),
                expires => soonest = soonest.min(expires),
            }
        }
        for offset in expired {
            remove(tables, user, offset, notify.at)?;
        }
        user.soonest = soonest;
    }
    while user.count >= max {
        let oldest = match tables.pending.range((user.number, 0)..=(user.number, u64::MAX))?.next() {
            Some(row) => row?.0.value().1,
            None => return Err(Fault::Damaged),
        };
        dropped.extend(remove(tables, user, oldest, notify.at)?.map(|removed| removed.id));
    }
    Ok(dropped)
}

/// Removes a pending notification, if it is there. Its id stays known within the window, and goes with it after.
pub(super) fn remove(
    tables: &mut Tables<'_>,
    user: &mut UserRow,
    offset: u64,
    now: Timestamp,
) -> Result<Option<Removed>, Fault> {
    let (id, at, expires) = match tables.pending.remove((user.number, offset))? {
        Some(row) => {
            let row = PendingRow::decode(row.value())?;
            (NotificationId::from_stored(row.id).map_err(|_| Fault::Damaged)?, row.at, row.expires)
        }
        None => return Ok(None),
    };
    tables.changed = true;
    user.count = user.count.saturating_sub(1);
    if user.count == 0 {
        user.soonest = u64::MAX;
    }
    tables.expiries.remove((expires, user.number, offset))?;
    if after(time(at), tables.window) <= now {
        forget(tables, &id_of(user.number, id.as_str()), offset)?;
    }
    Ok(Some(Removed { id, expired: expires <= now.millis() }))
}

/// Forgets an id, unless a later notification has it.
pub(super) fn forget(tables: &mut Tables<'_>, id: &[u8], offset: u64) -> Result<(), Fault> {
    let same = match tables.ids.get(id)? {
        Some(row) => IdRow::decode(row.value())?.offset == offset,
        None => false,
    };
    if same {
        tables.ids.remove(id)?;
    }
    Ok(())
}
