//! What stands in the file: tables, keys and rows of format version 2.
//!
//! Numbers in rows are little-endian. Every row begins with a byte that names its layout, so that one kind of row can
//! change without the others. Times are milliseconds since 1970. A log and a user are known by a number, given in
//! the order in which they came and never given again, so that keys are short:
//!
//! | table | key | row |
//! | --- | --- | --- |
//! | `meta` | name | `format`: u32; `epoch`: text |
//! | `logs` | topic | [`LogRow`] |
//! | `entries` | log, offset | [`EntryRow`] |
//! | `keys` | log (8 bytes), length of the sender, sender, client id | [`KeyRow`] |
//! | `keys_by_time` | time, log, offset | the key in `keys` |
//! | `ages` | time at which the oldest entry ends (or earlier), log | topic |
//! | `users` | user | [`UserRow`] |
//! | `pending` | user, offset | [`PendingRow`] |
//! | `ids` | user (8 bytes), notification id | [`IdRow`] |
//! | `ids_by_time` | time, user, offset | the key in `ids` |
//! | `expiries` | time, user, offset | user's name |
//! | `outbox` | sequence | [`OutboxRow`] |
//! | `open_sessions` | session | [`OpenSessionRow`] |
//! | `blocks` | user | the user's blocks in JSON (`block_row.rs`) |

use realtime_gateway_protocol::Timestamp;
use redb::TableDefinition;

use super::fault::Fault;

/// The format that this version writes.
pub(super) const FORMAT: u32 = 2;

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
pub(super) const OPEN_SESSIONS: Definition<&'static str> = TableDefinition::new("open_sessions");
pub(super) const BLOCKS: Definition<&'static str> = TableDefinition::new("blocks");

/// The layout of all rows, as yet.
const LAYOUT: u8 = 1;

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
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.number, self.head, self.floor, self.first, self.max_age, self.due], &[])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ([number, head, floor, first, max_age, due], _) = fields(bytes)?;
        Ok(Self { number, head, floor, first, max_age, due })
    }
}

/// An entry: when it was accepted, and its body.
pub(super) struct EntryRow<'a> {
    pub(super) at: u64,
    pub(super) body: &'a [u8],
}

impl<'a> EntryRow<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.at], &[self.body])
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at], body) = fields(bytes)?;
        Ok(Self { at, body })
    }
}

/// What an append with a key was answered.
pub(super) struct KeyRow<'a> {
    pub(super) at: u64,
    pub(super) offset: u64,
    pub(super) message: &'a str,
}

impl<'a> KeyRow<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.at, self.offset], &[self.message.as_bytes()])
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, offset], message) = fields(bytes)?;
        Ok(Self { at, offset, message: text(message)? })
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
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.number, self.head, self.count, self.soonest], &[])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ([number, head, count, soonest], _) = fields(bytes)?;
        Ok(Self { number, head, count, soonest })
    }
}

/// A notification that waits: the length of its id precedes the id and the body.
pub(super) struct PendingRow<'a> {
    pub(super) at: u64,
    pub(super) expires: u64,
    pub(super) id: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> PendingRow<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.at, self.expires, self.id.len() as u64], &[self.id.as_bytes(), self.body])
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, expires, length], rest) = fields(bytes)?;
        let (id, body) = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        Ok(Self { at, expires, id: text(id)?, body })
    }
}

/// Where the notification of an id is or was.
pub(super) struct IdRow {
    pub(super) offset: u64,
    pub(super) at: u64,
}

impl IdRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.offset, self.at], &[])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ([offset, at], _) = fields(bytes)?;
        Ok(Self { offset, at })
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
    pub(super) fn encode(&self) -> Vec<u8> {
        let texts = [self.id, self.key, self.node, self.more];
        let [id, key, node, more] = texts.map(|text| text.len() as u64);
        let [id_text, key_text, node_text, more_text] = texts.map(str::as_bytes);
        let numbers = [self.at, self.kind, self.offset, id, key, node, more];
        row(numbers, &[id_text, key_text, node_text, more_text, self.body])
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([at, kind, offset, id, key, node, more], mut rest) = fields(bytes)?;
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
    pub(super) fn encode(&self) -> Vec<u8> {
        row([self.since, self.user.len() as u64], &[self.user.as_bytes(), self.device.as_bytes()])
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([since, length], rest) = fields(bytes)?;
        let (user, device) =
            usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        Ok(Self { since, user: text(user)?, device: text(device)? })
    }
}

/// The key in `keys`: unambiguous, because the sender's length precedes it.
pub(super) fn key_of(log: u64, sender: &str, id: &str) -> Vec<u8> {
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

fn row<const N: usize>(numbers: [u64; N], tail: &[&[u8]]) -> Vec<u8> {
    let length = 1 + 8 * N + tail.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.push(LAYOUT);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for part in tail {
        bytes.extend_from_slice(part);
    }
    bytes
}

fn fields<const N: usize>(bytes: &[u8]) -> Result<([u64; N], &[u8]), Fault> {
    let (&layout, mut rest) = bytes.split_first().ok_or(Fault::Damaged)?;
    if layout != LAYOUT {
        return Err(Fault::Damaged);
    }
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (bytes, after) = rest.split_first_chunk().ok_or(Fault::Damaged)?;
        *number = u64::from_le_bytes(*bytes);
        rest = after;
    }
    Ok((numbers, rest))
}
