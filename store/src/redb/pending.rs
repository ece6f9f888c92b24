//! Notifications in the file: stores and acknowledges them within a batch.

use realtime_gateway_protocol::{
    NotificationId, StoredId, Timestamp, UserId,
    topic::{Shard, Topic},
};
use redb::ReadableTable;

use super::{
    bodies::{self, SharedBody},
    escalations,
    fault::Fault,
    format::{IdRow, KnownKind, Pair, PendingRow, RowBody, UserRow, check_unknown, id_of, time},
    log,
    operation::Request,
    outbox,
    tables::Tables,
};
use crate::{Event, EventDetail, Notified, Notify, Repeat, clock::after, shards::ShardCounts};

/// The approximate size of a notification without its body, in bytes.
const ROW_BYTES: usize = 256;

/// A request to remove notifications that a user has acknowledged.
pub(super) struct Acknowledge {
    pub(super) user: UserId,
    pub(super) ids: Vec<NotificationId>,
    pub(super) now: Timestamp,
    /// The event for backend services about the notifications that were pending.
    pub(super) event: Option<Event>,
}

impl Request for Notify {
    type Answer = Notified;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Notified, Fault> {
        notify(tables, self, None)
    }

    fn bytes(&self) -> usize {
        ROW_BYTES + self.body.len()
    }

    fn shards(&self) -> Vec<Shard> {
        vec![Topic::User(self.user.clone()).shard()]
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
            let Some(offset) = known(tables, &id_of(user.number, id.as_str()))?.map(|row| row.offset) else {
                continue;
            };
            match remove(tables, &mut user, offset, self.now)? {
                Removed::Nothing => continue,
                Removed::Notification { id, expired } => acknowledged.extend((!expired).then_some(id)),
                // The row was damaged, but the user has acknowledged the notification.
                Removed::Damaged => acknowledged.push(id.clone()),
            }
            tables.users.insert(self.user.as_str(), user.encode(self.user.as_str()).as_slice())?;
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

/// The result of removing the notification with an offset.
pub(super) enum Removed {
    /// There was no notification.
    Nothing,
    /// A notification.
    Notification {
        id: NotificationId,
        /// Whether the notification had already expired.
        expired: bool,
    },
    /// A row that could not be read.
    Damaged,
}

fn user(tables: &Tables<'_>, name: &str) -> Result<Option<UserRow>, Fault> {
    let read = || match tables.users.get(name)? {
        Some(row) => Ok(Some(UserRow::decode(name, row.value())?)),
        None => check_unknown(&*tables.known, KnownKind::User, name).map(|()| None),
    };
    read().inspect_err(|fault| tables.damage.record_fault("user", name, fault))
}

/// Reads the row of a notification id. Returns `None` if there is none or it is damaged.
fn known(tables: &Tables<'_>, id: &[u8]) -> Result<Option<IdRow>, Fault> {
    let row = tables.ids.get(id)?.map(|row| IdRow::decode(id, row.value())).transpose();
    if row.is_err() {
        tables.damage.record("notification id", &log::row_name(id), 1);
    }
    Ok(row.ok().flatten())
}

/// Returns when a pending notification expires, or `None` if there is none or it cannot be read.
pub(super) fn expires(tables: &Tables<'_>, key: Pair) -> Result<Option<u64>, Fault> {
    let row = tables.pending.get(key)?;
    Ok(row.and_then(|row| PendingRow::decode(key, row.value()).ok().map(|row| row.expires)))
}

/// Stores a notification: with its own body, or with a reference to a body that it shares with others.
pub(super) fn notify(
    tables: &mut Tables<'_>,
    notify: &Notify,
    shared: Option<&mut SharedBody>,
) -> Result<Notified, Fault> {
    let name = notify.user.as_str();
    let now = notify.at.millis();
    let found = user(tables, name)?;
    let id = |user: &UserRow| id_of(user.number, notify.id.as_str());
    if let Some(user) = &found
        && let Some(first) = known(tables, &id(user))?
    {
        let pending = expires(tables, (user.number, first.offset))?.is_some_and(|expires| expires > now);
        if pending || after(time(first.at), tables.window) > notify.at {
            if Repeat::of(first.content, notify.content) == Repeat::Conflict {
                return Err(Fault::Conflict);
            }
            let epoch = tables.epoch.clone();
            return Ok(Notified { offset: first.offset, duplicate: true, dropped: Vec::new(), shard_count: 0, epoch });
        }
    }
    let is_body_stored = shared.as_ref().is_some_and(|shared| shared.number.is_some());
    tables.reserve(if is_body_stored { ROW_BYTES } else { ROW_BYTES + notify.body.len() })?;
    tables.changed = true;
    let mut user = match found {
        Some(user) => user,
        None => UserRow { number: tables.new_number(KnownKind::User, name)?, head: 0, count: 0, soonest: u64::MAX },
    };
    let id = id(&user);
    let dropped = make_room(tables, &mut user, notify)?;
    user.head += 1;
    user.count += 1;
    user.soonest = user.soonest.min(notify.expires.millis());
    let (offset, expires) = (user.head, notify.expires.millis());
    let key = (user.number, offset);
    let body = match shared {
        Some(shared) => RowBody::Shared(shared.refer(tables, notify)?),
        None => RowBody::Own(&notify.body),
    };
    let row = PendingRow { at: now, expires, id: notify.id.as_str(), body }.encode(key);
    tables.pending.insert(key, row.as_slice())?;
    tables
        .ids
        .insert(id.as_slice(), IdRow { offset, at: now, content: Some(notify.content) }.encode(&id).as_slice())?;
    tables.ids_by_time.insert((now, user.number, offset), id.as_slice())?;
    tables.expiries.insert((expires, user.number, offset), name)?;
    if let Some(due) = notify.escalate_at {
        escalations::write(tables, key, name, due.millis())?;
    }
    tables.users.insert(name, user.encode(name).as_slice())?;
    if let Some(event) = notify.dropped_event.as_ref().filter(|_| !dropped.is_empty()) {
        outbox::write(tables, event, &EventDetail::Notifications(dropped.clone()))?;
    }
    Ok(Notified { offset, duplicate: false, dropped, shard_count: 0, epoch: tables.epoch.clone() })
}

/// Makes room for one more notification: removes expired notifications, then the oldest ones. Returns the ids of those that
/// were dropped before they expired.
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
            let (key, row) = row?;
            match PendingRow::decode(key.value(), row.value()).map(|row| row.expires) {
                Ok(expires) if expires <= now => expired.push(key.value().1),
                Ok(expires) => soonest = soonest.min(expires),
                Err(_) => {}
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
            // The count includes notifications that are missing in a damaged file. Correct it.
            None => {
                user.count = 0;
                break;
            }
        };
        match remove(tables, user, oldest, notify.at)? {
            Removed::Notification { id, .. } => dropped.push(id),
            Removed::Damaged | Removed::Nothing => {}
        }
    }
    Ok(dropped)
}

/// Removes a pending notification, if it exists. Its id is kept until the end of the idempotency window, and is removed here
/// if the window has already ended.
pub(super) fn remove(
    tables: &mut Tables<'_>,
    user: &mut UserRow,
    offset: u64,
    now: Timestamp,
) -> Result<Removed, Fault> {
    let key = (user.number, offset);
    let row = match tables.pending.get(key)? {
        Some(row) => PendingRow::decode(key, row.value()).and_then(|row| {
            let id = NotificationId::from_stored(row.id).map_err(|_| Fault::Damaged)?;
            let shared = match row.body {
                RowBody::Own(_) => None,
                RowBody::Shared(number) => Some(number),
            };
            Ok((id, row.at, row.expires, shared))
        }),
        None => return Ok(Removed::Nothing),
    };
    tables.changed = true;
    tables.pending.remove(key)?;
    escalations::forget(tables, key)?;
    user.count = user.count.saturating_sub(1);
    if user.count == 0 {
        user.soonest = u64::MAX;
    }
    let Ok((id, at, expires, shared)) = row else {
        // The row may have referred to a shared body. The sweep removes that body.
        tables.damage.record("pending notifications", &format_args!("user {} {offset}", user.number), 1);
        return Ok(Removed::Damaged);
    };
    if let Some(number) = shared {
        bodies::release(tables, number, expires, now.millis())?;
    }
    tables.expiries.remove((expires, user.number, offset))?;
    if after(time(at), tables.window) <= now {
        forget(tables, &id_of(user.number, id.as_str()), offset)?;
    }
    Ok(Removed::Notification { id, expired: expires <= now.millis() })
}

/// Removes an id, unless a later notification has the same id.
pub(super) fn forget(tables: &mut Tables<'_>, id: &[u8], offset: u64) -> Result<(), Fault> {
    let same = match tables.ids.get(id)? {
        Some(row) => IdRow::decode(id, row.value()).is_ok_and(|row| row.offset == offset),
        None => false,
    };
    if same {
        tables.ids.remove(id)?;
    }
    Ok(())
}
