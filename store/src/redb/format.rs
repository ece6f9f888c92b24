//! The format of the data file, version 3: its tables, keys and rows.
//!
//! Numbers in rows are little-endian. Every row begins with a byte for its layout, so that one kind of row can change
//! without the others, and ends with a checksum over its table, its key and its content (`sealed.rs`). The tables
//! `keys_by_time`, `ages`, `ids_by_time`, `expiries`, `escalations_by_time`, `bodies_by_time` and `subscription_ends` are indexes without checksums; what an index says is
//! always verified with the row to which it refers. Times are in milliseconds since 1970. Logs and users have numbers,
//! so that keys are short. Numbers are assigned in the order of the first write and are never reused.
//!
//! | table | key | row |
//! | --- | --- | --- |
//! | `meta` | name | `format`: u32; `migrating`: u32, the format that a migration has reached; `epoch`: text, `numbers`: [`NumbersRow`], both with a checksum |
//! | `logs` | topic | [`LogRow`] |
//! | `entries` | log, offset | [`EntryRow`] |
//! | `keys` | log (8 bytes), length of the sender, sender, client id | [`KeyRow`] |
//! | `keys_by_time` | time, log, offset | the key in `keys` |
//! | `ages` | time at which the oldest entry of the log expires (or earlier), log | topic |
//! | `users` | user | [`UserRow`] |
//! | `pending` | user, offset | [`PendingRow`] |
//! | `bodies` | number | [`BodyRow`](super::bodies::BodyRow), the body of a broadcast |
//! | `body_uses` | number of a body | [`UsesRow`](super::bodies::UsesRow), how many rows of `pending` refer to it |
//! | `bodies_by_time` | time at which the body is removed at the latest, number | empty |
//! | `ids` | user (8 bytes), notification id | [`IdRow`] |
//! | `ids_by_time` | time, user, offset | the key in `ids` |
//! | `expiries` | time, user, offset | user's name |
//! | `escalations`, `escalations_by_time` | | when notifications are escalated: `escalations.rs` |
//! | `outbox` | sequence | [`OutboxRow`] |
//! | `open_sessions` | session | [`OpenSessionRow`] |
//! | `server_subscriptions` | user | the user's server-side subscriptions in JSON (`subscription_row.rs`), with a checksum |
//! | `subscription_ends` | time at which the first of them ends, user | empty |
//! | `blocks` | user | the user's blocks in JSON (`block_row.rs`), with a checksum |
//! | `webhooks`, `webhook_waiting`, `webhook_attempts`, `webhook_dead`, `webhook_dead_ids` | | events for webhooks: `webhooks/rows.rs` |
//! | `known` | hash of the name of a log or user | [`KnownRow`] |

use realtime_gateway_protocol::Timestamp;
use redb::{ReadableTable, TableDefinition};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    fault::Fault,
    sealed::{Position, fields, row},
};
use crate::{ContentDigest, IdempotencyKey};

/// The format that this version writes.
pub(super) const FORMAT: u32 = 3;

/// A pair of numbers.
pub(super) type Pair = (u64, u64);
/// Three numbers.
pub(super) type Triple = (u64, u64, u64);
type Definition<K, V = &'static [u8]> = TableDefinition<'static, K, V>;

pub(super) const META: Definition<&'static str> = TableDefinition::new("meta");
pub(super) const LOGS: Definition<&'static str> = TableDefinition::new("logs");
pub(super) const ENTRIES: Definition<Pair> = TableDefinition::new("entries");
pub(super) const KEYS: Definition<&'static [u8]> = TableDefinition::new("keys");
pub(super) const KEYS_BY_TIME: Definition<Triple> = TableDefinition::new("keys_by_time");
pub(super) const AGES: Definition<Pair, &'static str> = TableDefinition::new("ages");
pub(super) const USERS: Definition<&'static str> = TableDefinition::new("users");
pub(super) const PENDING: Definition<Pair> = TableDefinition::new("pending");
pub(super) const IDS: Definition<&'static [u8]> = TableDefinition::new("ids");
pub(super) const IDS_BY_TIME: Definition<Triple> = TableDefinition::new("ids_by_time");
pub(super) const EXPIRIES: Definition<Triple, &'static str> = TableDefinition::new("expiries");
pub(super) const OUTBOX: Definition<u64> = TableDefinition::new("outbox");
pub(super) const KNOWN: Definition<u64> = TableDefinition::new("known");
pub(super) const OPEN_SESSIONS: Definition<&'static str> = TableDefinition::new("open_sessions");
pub(super) const SUBSCRIPTIONS: Definition<&'static str> = TableDefinition::new("server_subscriptions");
pub(super) const SUBSCRIPTION_ENDS: Definition<(u64, &'static str), ()> = TableDefinition::new("subscription_ends");
pub(super) const BLOCKS: Definition<&'static str> = TableDefinition::new("blocks");

/// The numbers of the next log, the next user and the next body. They are stored because the lengths of the tables are
/// wrong if rows are lost by damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumbersRow {
    pub(super) log: u64,
    pub(super) user: u64,
    pub(super) body: u64,
}

impl NumbersRow {
    /// The name of this row in `meta`.
    pub(super) const NAME: &'static str = "numbers";

    pub(super) fn encode(&self) -> Vec<u8> {
        row(meta(Self::NAME), [self.log, self.user, self.body], &[])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ([log, user, body], _) = fields(meta(Self::NAME), bytes)?;
        Ok(Self { log, user, body })
    }
}

/// The kinds of names that have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownKind {
    Log = 0,
    User = 1,
}

/// Records that a log or user exists. The row is written once and never removed. If a name is not found in `logs` or
/// `users`, this row tells whether the name is new or its row was lost by damage.
pub(super) struct KnownRow<'a> {
    pub(super) kind: KnownKind,
    pub(super) name: &'a str,
    pub(super) number: u64,
}

impl KnownRow<'_> {
    /// Returns the hash of the kind and the name.
    pub(super) fn key(&self) -> u64 {
        xxh3_64_with_seed(self.name.as_bytes(), self.kind as u64)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        row(Position::of::<u64>(&KNOWN, &self.key()), [self.kind as u64, self.number], &[self.name.as_bytes()])
    }

    /// Returns the kind, the number and the name.
    pub(super) fn decode(key: u64, bytes: &[u8]) -> Result<(KnownKind, u64, &str), Fault> {
        let ([kind, number], name) = fields(Position::of::<u64>(&KNOWN, &key), bytes)?;
        let kind = if kind == KnownKind::Log as u64 { KnownKind::Log } else { KnownKind::User };
        Ok((kind, number, text(name)?))
    }
}

/// Checks that a name without a row is new. Returns [`Fault::Damaged`] if its row was lost.
pub(super) fn check_unknown(
    known: &impl ReadableTable<u64, &'static [u8]>,
    kind: KnownKind,
    name: &str,
) -> Result<(), Fault> {
    let key = KnownRow { kind, name, number: 0 }.key();
    match known.get(key)?.map(|row| KnownRow::decode(key, row.value()).map(|(kind, _, name)| (kind, name.to_owned()))) {
        None => Ok(()),
        Some(Ok((other, written))) if other != kind || written != name => Ok(()),
        Some(_) => Err(Fault::Damaged),
    }
}

/// The name of the epoch in `meta`.
pub(super) const EPOCH: &str = "epoch";

/// Encodes the row of the epoch.
pub(super) fn encode_epoch(epoch: &str) -> Vec<u8> {
    row(meta(EPOCH), [], &[epoch.as_bytes()])
}

/// Decodes the row of the epoch.
pub(super) fn decode_epoch(bytes: &[u8]) -> Result<&str, Fault> {
    let ([], epoch) = fields(meta(EPOCH), bytes)?;
    text(epoch)
}

fn meta(name: &str) -> Position {
    Position::of::<&str>(&META, &name)
}

/// The row of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRow {
    /// The number of the log.
    pub(super) number: u64,
    /// The last offset that was assigned.
    pub(super) head: u64,
    /// The first offset within the retention by count. Rows below it may still exist until they are removed.
    pub(super) floor: u64,
    /// The first offset that has a row in `entries`, if there is any.
    pub(super) first: u64,
    /// Retention by age, in milliseconds.
    pub(super) max_age: u64,
    /// The time of this log in `ages`, or 0 if it has no row there.
    pub(super) due: u64,
}

impl LogRow {
    pub(super) fn encode(&self, topic: &str) -> Vec<u8> {
        row(
            Position::of::<&str>(&LOGS, &topic),
            [self.number, self.head, self.floor, self.first, self.max_age, self.due],
            &[],
        )
    }

    pub(super) fn decode(topic: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let ([number, head, floor, first, max_age, due], _) = fields(Position::of::<&str>(&LOGS, &topic), bytes)?;
        Ok(Self { number, head, floor, first, max_age, due })
    }
}

/// An entry: when it was accepted, and its body.
pub(super) struct EntryRow<'a> {
    pub(super) at: u64,
    pub(super) body: &'a [u8],
}

impl<'a> EntryRow<'a> {
    pub(super) fn encode(&self, key: Pair) -> Vec<u8> {
        row(Position::of::<Pair>(&ENTRIES, &key), [self.at], &[self.body])
    }

    pub(super) fn decode(key: Pair, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at], body) = fields(Position::of::<Pair>(&ENTRIES, &key), bytes)?;
        Ok(Self { at, body })
    }
}

/// The result of an append with an idempotency key.
pub(super) struct KeyRow<'a> {
    pub(super) at: u64,
    pub(super) offset: u64,
    /// The digest of the message. `None` for a key from format 2.
    pub(super) content: Option<ContentDigest>,
    pub(super) message: &'a str,
}

impl<'a> KeyRow<'a> {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let numbers = [self.at, self.offset, stored_digest(self.content)];
        row(Position::of::<&[u8]>(&KEYS, &key), numbers, &[self.message.as_bytes()])
    }

    pub(super) fn decode(key: &[u8], bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, offset, content], message) = fields(Position::of::<&[u8]>(&KEYS, &key), bytes)?;
        Ok(Self { at, offset, content: ContentDigest::from_stored(content), message: text(message)? })
    }
}

/// The row of a user's notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserRow {
    /// The user's number.
    pub(super) number: u64,
    /// The last offset that was assigned.
    pub(super) head: u64,
    /// The number of rows in `pending`.
    pub(super) count: u64,
    /// When the first of them expires, or an earlier time.
    pub(super) soonest: u64,
}

impl UserRow {
    pub(super) fn encode(&self, user: &str) -> Vec<u8> {
        row(Position::of::<&str>(&USERS, &user), [self.number, self.head, self.count, self.soonest], &[])
    }

    pub(super) fn decode(user: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let ([number, head, count, soonest], _) = fields(Position::of::<&str>(&USERS, &user), bytes)?;
        Ok(Self { number, head, count, soonest })
    }
}

/// The body of a pending notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowBody<'a> {
    /// The body is in the row.
    Own(&'a [u8]),
    /// The body is in `bodies` under this number, and is shared by all notifications of a broadcast.
    Shared(u64),
}

/// A pending notification. The length of the id, and the number of the shared body or 0, precede the id and the body.
pub(super) struct PendingRow<'a> {
    pub(super) at: u64,
    pub(super) expires: u64,
    pub(super) id: &'a str,
    pub(super) body: RowBody<'a>,
}

impl<'a> PendingRow<'a> {
    pub(super) fn encode(&self, key: Pair) -> Vec<u8> {
        let (number, body): (u64, &[u8]) = match self.body {
            RowBody::Own(body) => (0, body),
            RowBody::Shared(number) => (number, &[]),
        };
        let numbers = [self.at, self.expires, self.id.len() as u64, number];
        row(Position::of::<Pair>(&PENDING, &key), numbers, &[self.id.as_bytes(), body])
    }

    pub(super) fn decode(key: Pair, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, expires, length, number], rest) = fields(Position::of::<Pair>(&PENDING, &key), bytes)?;
        let (id, body) = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        let body = if number == 0 { RowBody::Own(body) } else { RowBody::Shared(number) };
        Ok(Self { at, expires, id: text(id)?, body })
    }
}

/// The offset of the notification with an id. The notification may already be removed.
pub(super) struct IdRow {
    pub(super) offset: u64,
    pub(super) at: u64,
    /// The digest of the notification. `None` for an id from format 2.
    pub(super) content: Option<ContentDigest>,
}

impl IdRow {
    pub(super) fn encode(&self, id: &[u8]) -> Vec<u8> {
        row(Position::of::<&[u8]>(&IDS, &id), [self.offset, self.at, stored_digest(self.content)], &[])
    }

    pub(super) fn decode(id: &[u8], bytes: &[u8]) -> Result<Self, Fault> {
        let ([offset, at, content], _) = fields(Position::of::<&[u8]>(&IDS, &id), bytes)?;
        Ok(Self { offset, at, content: ContentDigest::from_stored(content) })
    }
}

/// An event in the outbox. The lengths of its texts precede the texts and the body.
pub(super) struct OutboxRow<'a> {
    pub(super) at: u64,
    /// The kind of detail that the store has added.
    pub(super) kind: u64,
    /// The offset, if the detail is an entry.
    pub(super) offset: u64,
    pub(super) id: &'a str,
    pub(super) key: &'a str,
    /// The id of the node that wrote it.
    pub(super) node: &'a str,
    /// The epoch, if the detail is an entry; the ids, one per line, if the detail is notifications.
    pub(super) more: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> OutboxRow<'a> {
    pub(super) fn encode(&self, sequence: u64) -> Vec<u8> {
        let texts = [self.id, self.key, self.node, self.more];
        let [id, key, node, more] = texts.map(|text| text.len() as u64);
        let [id_text, key_text, node_text, more_text] = texts.map(str::as_bytes);
        let numbers = [self.at, self.kind, self.offset, id, key, node, more];
        row(Position::of::<u64>(&OUTBOX, &sequence), numbers, &[id_text, key_text, node_text, more_text, self.body])
    }

    pub(super) fn decode(sequence: u64, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, kind, offset, id, key, node, more], mut rest) =
            fields(Position::of::<u64>(&OUTBOX, &sequence), bytes)?;
        let mut take = |length: u64| {
            let length = usize::try_from(length).map_err(|_| Fault::Damaged)?;
            let (part, after) = rest.split_at_checked(length).ok_or(Fault::Damaged)?;
            rest = after;
            text(part)
        };
        let (id, key, node, more) = (take(id)?, take(key)?, take(node)?, take(more)?);
        Ok(Self { at, kind, offset, id, key, node, more, body: rest })
    }
}

/// An open session. The length of the user id precedes the user id and the device id, which may be empty.
pub(super) struct OpenSessionRow<'a> {
    pub(super) since: u64,
    pub(super) user: &'a str,
    pub(super) device: &'a str,
}

impl<'a> OpenSessionRow<'a> {
    pub(super) fn encode(&self, session: &str) -> Vec<u8> {
        row(
            Position::of::<&str>(&OPEN_SESSIONS, &session),
            [self.since, self.user.len() as u64],
            &[self.user.as_bytes(), self.device.as_bytes()],
        )
    }

    pub(super) fn decode(session: &str, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([since, length], rest) = fields(Position::of::<&str>(&OPEN_SESSIONS, &session), bytes)?;
        let (user, device) =
            usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        Ok(Self { since, user: text(user)?, device: text(device)? })
    }
}

/// Returns the stored form of a digest: 0 for none.
fn stored_digest(content: Option<ContentDigest>) -> u64 {
    content.map_or(0, ContentDigest::number)
}

/// Returns the key of an idempotency key in `keys`. It is unambiguous, because the length of the sender precedes the
/// sender.
pub(super) fn key_of(log: u64, key: &IdempotencyKey) -> Vec<u8> {
    let (sender, id) = key.stored();
    let length = u8::try_from(sender.len()).unwrap_or(u8::MAX);
    [&log.to_be_bytes(), &[length][..], sender.as_bytes(), id.as_bytes()].concat()
}

/// Returns the key of a notification id in `ids`.
pub(super) fn id_of(user: u64, id: &str) -> Vec<u8> {
    [&user.to_be_bytes(), id.as_bytes()].concat()
}

/// Decodes a text, which has to be UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Damaged)
}

/// Converts stored milliseconds to a time.
pub(super) fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
