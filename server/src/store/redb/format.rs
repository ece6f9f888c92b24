//! What stands in the file: tables, keys and rows of format version 3.
//!
//! Numbers in rows are little-endian. Every row begins with a byte that names its layout, so that one kind of row can
//! change without the others, and ends with a checksum over its table, its key and itself (`sealed.rs`). The rows of
//! `keys_by_time`, `ages`, `ids_by_time`, `expiries` and `bodies_by_time` are indexes without a checksum: nothing is believed because an
//! index says so, but compared with the row that it names. Times are milliseconds since 1970. A log and a user are known by a number, given in
//! the order in which they came and never given again, so that keys are short:
//!
//! | table | key | row |
//! | --- | --- | --- |
//! | `meta` | name | `format`: u32; `migrating`: u32, the format that a migration has reached; `epoch`: text, `numbers`: [`NumbersRow`], both with a checksum |
//! | `logs` | topic | [`LogRow`] |
//! | `entries` | log, offset | [`EntryRow`] |
//! | `keys` | log (8 bytes), length of the sender, sender, client id | [`KeyRow`] |
//! | `keys_by_time` | time, log, offset | the key in `keys` |
//! | `ages` | time at which the oldest entry ends (or earlier), log | topic |
//! | `users` | user | [`UserRow`] |
//! | `pending` | user, offset | [`PendingRow`] |
//! | `bodies` | number | [`BodyRow`](super::bodies::BodyRow), the body of a broadcast |
//! | `body_uses` | number of a body | [`UsesRow`](super::bodies::UsesRow), how many rows of `pending` refer to it |
//! | `bodies_by_time` | time at which it is removed at the latest, number | nothing |
//! | `ids` | user (8 bytes), notification id | [`IdRow`] |
//! | `ids_by_time` | time, user, offset | the key in `ids` |
//! | `expiries` | time, user, offset | user's name |
//! | `outbox` | sequence | [`OutboxRow`] |
//! | `open_sessions` | session | [`OpenSessionRow`] |
//! | `blocks` | user | the user's blocks in JSON (`block_row.rs`), with a checksum |
//! | `known` | hash of the name of a log or user | [`KnownRow`] |

use realtime_gateway_protocol::Timestamp;
use redb::{ReadableTable, TableDefinition};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    fault::Fault,
    sealed::{Position, fields, row},
};
use crate::store::{ContentDigest, IdempotencyKey};

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
pub(super) const BLOCKS: Definition<&'static str> = TableDefinition::new("blocks");

/// The numbers that the next log, the next user and the next body get. The lengths of the tables would do, but for damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumbersRow {
    pub(super) log: u64,
    pub(super) user: u64,
    pub(super) body: u64,
}

impl NumbersRow {
    /// Its name in `meta`.
    pub(super) const NAME: &'static str = "numbers";

    pub(super) fn encode(&self) -> Vec<u8> {
        row(meta(Self::NAME), [self.log, self.user, self.body], &[])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ([log, user, body], _) = fields(meta(Self::NAME), bytes)?;
        Ok(Self { log, user, body })
    }
}

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownKind {
    Log = 0,
    User = 1,
}

/// A log or user whose row was written once, and never goes again. Where its name is not found, this tells damage of
/// `logs` or `users` from a name that is new.
pub(super) struct KnownRow<'a> {
    pub(super) kind: KnownKind,
    pub(super) name: &'a str,
    pub(super) number: u64,
}

impl KnownRow<'_> {
    /// The hash of its kind and name.
    pub(super) fn key(&self) -> u64 {
        xxh3_64_with_seed(self.name.as_bytes(), self.kind as u64)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        row(Position::of::<u64>(&KNOWN, &self.key()), [self.kind as u64, self.number], &[self.name.as_bytes()])
    }

    /// The kind, the number and the name.
    pub(super) fn decode(key: u64, bytes: &[u8]) -> Result<(KnownKind, u64, &str), Fault> {
        let ([kind, number], name) = fields(Position::of::<u64>(&KNOWN, &key), bytes)?;
        let kind = if kind == KnownKind::Log as u64 { KnownKind::Log } else { KnownKind::User };
        Ok((kind, number, text(name)?))
    }
}

/// Tells a name that is new from one whose row was lost.
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

/// The row of the epoch.
pub(super) fn encode_epoch(epoch: &str) -> Vec<u8> {
    row(meta(EPOCH), [], &[epoch.as_bytes()])
}

/// The epoch in its row.
pub(super) fn decode_epoch(bytes: &[u8]) -> Result<&str, Fault> {
    let ([], epoch) = fields(meta(EPOCH), bytes)?;
    text(epoch)
}

fn meta(name: &str) -> Position {
    Position::of::<&str>(&META, &name)
}

/// What is known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRow {
    /// Its number.
    pub(super) number: u64,
    /// The last offset that was assigned.
    pub(super) head: u64,
    /// The first offset within retention by count. Rows below it may wait to be removed.
    pub(super) floor: u64,
    /// The first offset that has a row in `entries`, when one has.
    pub(super) first: u64,
    /// Retention by age, in milliseconds.
    pub(super) max_age: u64,
    /// What `ages` says of this log, 0 for nothing.
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
    pub(super) fn encode(&self, place: Pair) -> Vec<u8> {
        row(Position::of::<Pair>(&ENTRIES, &place), [self.at], &[self.body])
    }

    pub(super) fn decode(place: Pair, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at], body) = fields(Position::of::<Pair>(&ENTRIES, &place), bytes)?;
        Ok(Self { at, body })
    }
}

/// What an append with a key was answered.
pub(super) struct KeyRow<'a> {
    pub(super) at: u64,
    pub(super) offset: u64,
    /// What the message says; none of a key from format 2.
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

/// What is known of a user's notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserRow {
    /// The user's number.
    pub(super) number: u64,
    /// The last offset that was assigned.
    pub(super) head: u64,
    /// How many rows are in `pending`.
    pub(super) count: u64,
    /// When the first of them ends, or earlier.
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

/// The body of a notification that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowBody<'a> {
    /// It stands in the row.
    Own(&'a [u8]),
    /// It stands in `bodies` under this number, once for all notifications of a broadcast.
    Shared(u64),
}

/// A notification that waits: the length of its id, and the number of its body or 0, precede the id and the body.
pub(super) struct PendingRow<'a> {
    pub(super) at: u64,
    pub(super) expires: u64,
    pub(super) id: &'a str,
    pub(super) body: RowBody<'a>,
}

impl<'a> PendingRow<'a> {
    pub(super) fn encode(&self, place: Pair) -> Vec<u8> {
        let (number, body): (u64, &[u8]) = match self.body {
            RowBody::Own(body) => (0, body),
            RowBody::Shared(number) => (number, &[]),
        };
        let numbers = [self.at, self.expires, self.id.len() as u64, number];
        row(Position::of::<Pair>(&PENDING, &place), numbers, &[self.id.as_bytes(), body])
    }

    pub(super) fn decode(place: Pair, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, expires, length, number], rest) = fields(Position::of::<Pair>(&PENDING, &place), bytes)?;
        let (id, body) = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        let body = if number == 0 { RowBody::Own(body) } else { RowBody::Shared(number) };
        Ok(Self { at, expires, id: text(id)?, body })
    }
}

/// Where the notification of an id is or was.
pub(super) struct IdRow {
    pub(super) offset: u64,
    pub(super) at: u64,
    /// What the notification says; none of an id from format 2.
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

/// An event that waits for the broker: the lengths of its texts precede them and the body.
pub(super) struct OutboxRow<'a> {
    pub(super) at: u64,
    /// Which detail the store knows of it.
    pub(super) kind: u64,
    /// Of an entry.
    pub(super) offset: u64,
    pub(super) id: &'a str,
    pub(super) key: &'a str,
    /// Who wrote it.
    pub(super) node: &'a str,
    /// The epoch of an entry; the ids of notifications, a line each.
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

/// A session that is open: the length of the user's name precedes it and the device's, which may be empty.
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

/// A digest as it stands in a row: 0 for none.
fn stored_digest(content: Option<ContentDigest>) -> u64 {
    content.map_or(0, ContentDigest::number)
}

/// The key in `keys`: unambiguous, because the sender's length precedes it.
pub(super) fn key_of(log: u64, key: &IdempotencyKey) -> Vec<u8> {
    let (sender, id) = key.stored();
    let length = u8::try_from(sender.len()).unwrap_or(u8::MAX);
    [&log.to_be_bytes(), &[length][..], sender.as_bytes(), id.as_bytes()].concat()
}

/// The key in `ids`.
pub(super) fn id_of(user: u64, id: &str) -> Vec<u8> {
    [&user.to_be_bytes(), id.as_bytes()].concat()
}

/// A text that was written as one.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Damaged)
}

/// A time that was written as milliseconds.
pub(super) fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
