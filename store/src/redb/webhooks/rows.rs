//! The tables of webhooks and their rows. The row of an event contains the row that the outbox would have.
//!
//! | table | key | row |
//! | --- | --- | --- |
//! | `webhooks` | name | [`CountsRow`] |
//! | `webhook_waiting` | name, sequence | [`WaitingRow`] |
//! | `webhook_attempts` | name, sequence | how often the waiting event was sent, if that is known; without a checksum |
//! | `webhook_dead` | name, sequence | [`DeadRow`] |
//! | `webhook_dead_ids` | name, id of an event | the sequence in `webhook_dead` |

use redb::TableDefinition;

use super::super::{
    fault::Fault,
    format::time,
    outbox,
    sealed::{Position, fields, row},
};
use crate::{DeadEvent, DeadReason, WaitingEvent};

/// The name of a webhook and a sequence.
type Place = (&'static str, u64);

pub(in crate::redb) const WEBHOOKS: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("webhooks");
pub(in crate::redb) const WAITING: TableDefinition<'static, Place, &'static [u8]> =
    TableDefinition::new("webhook_waiting");
pub(in crate::redb) const ATTEMPTS: TableDefinition<'static, Place, u32> = TableDefinition::new("webhook_attempts");
pub(in crate::redb) const DEAD: TableDefinition<'static, Place, &'static [u8]> = TableDefinition::new("webhook_dead");
pub(in crate::redb) const DEAD_IDS: TableDefinition<'static, (&'static str, &'static str), u64> =
    TableDefinition::new("webhook_dead_ids");

/// The last sequence of a webhook, and the numbers of its waiting events and dead letters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountsRow {
    pub(super) last: u64,
    pub(super) waiting: u64,
    pub(super) dead: u64,
}

impl CountsRow {
    pub(super) fn encode(&self, webhook: &str) -> Vec<u8> {
        row(Position::of::<&str>(&WEBHOOKS, &webhook), [self.last, self.waiting, self.dead], &[])
    }

    pub(super) fn decode(webhook: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let ([last, waiting, dead], _) = fields(Position::of::<&str>(&WEBHOOKS, &webhook), bytes)?;
        Ok(Self { last, waiting, dead })
    }
}

/// A waiting event, without the number of attempts.
pub(in crate::redb) struct WaitingRow;

impl WaitingRow {
    pub(in crate::redb) fn decode(key: (&str, u64), bytes: &[u8]) -> Result<WaitingEvent, Fault> {
        let ([since], rest) = fields(Position::of::<Place>(&WAITING, &key), bytes)?;
        Ok(WaitingEvent { entry: outbox::entry(key.1, rest)?, since: time(since), attempts: 0 })
    }
}

pub(super) fn encode_waiting(key: (&str, u64), event: &WaitingEvent) -> Vec<u8> {
    let event_row = outbox::encode(key.1, &event.entry);
    row(Position::of::<Place>(&WAITING, &key), [event.since.millis()], &[&event_row])
}

/// A dead letter.
pub(in crate::redb) struct DeadRow;

impl DeadRow {
    pub(in crate::redb) fn decode(key: (&str, u64), bytes: &[u8]) -> Result<DeadEvent, Fault> {
        let ([failed_at, attempts, reason], rest) = fields(Position::of::<Place>(&DEAD, &key), bytes)?;
        let reason = match reason {
            0 => DeadReason::Refused,
            1 => DeadReason::Expired,
            2 => DeadReason::Overflow,
            _ => return Err(Fault::Damaged),
        };
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        Ok(DeadEvent { entry: outbox::entry(key.1, rest)?, reason, attempts, failed_at: time(failed_at) })
    }
}

pub(super) fn encode_dead(key: (&str, u64), dead: &DeadEvent) -> Vec<u8> {
    let reason = match dead.reason {
        DeadReason::Refused => 0,
        DeadReason::Expired => 1,
        DeadReason::Overflow => 2,
    };
    let event_row = outbox::encode(key.1, &dead.entry);
    let numbers = [dead.failed_at.millis(), dead.attempts.into(), reason];
    row(Position::of::<Place>(&DEAD, &key), numbers, &[&event_row])
}
