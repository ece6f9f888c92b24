//! Encodes rows with a checksum. A row consists of a byte for the layout, numbers, further bytes, and a checksum over the
//! table, the key and all of these. A row that was changed on the disk, or that is under the wrong key, is refused.
//!
//! The checksum is XXH3 with 64 bits. It is fast enough not to slow down reads and writes, and with 64 bits the probability
//! that damage is not detected is negligible even for billions of rows.

use redb::{Key, TableHandle, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::fault::Fault;

/// The layout of rows up to format 2, which have no checksum.
const PLAIN_LAYOUT: u8 = 1;
/// The layout of rows with a checksum.
const LAYOUT: u8 = 2;
/// The length of the checksum in bytes.
const CHECKSUM_BYTES: usize = 8;

/// The hash of the table and key of a row, which is the seed of the row's checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position(u64);

impl Position {
    /// Returns the position of a key in a table.
    pub(super) fn of<'k, K: Key + 'static>(table: &impl TableHandle, key: &K::SelfType<'k>) -> Self {
        let table = xxh3_64(table.name().as_bytes());
        Self(xxh3_64_with_seed(<K as Value>::as_bytes(key).as_ref(), table))
    }

    fn checksum(self, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
        xxh3_64_with_seed(bytes, self.0).to_le_bytes()
    }
}

/// Encodes a row.
pub(super) fn row<const N: usize>(position: Position, numbers: [u64; N], tail: &[&[u8]]) -> Vec<u8> {
    let length = 1 + 8 * N + tail.iter().map(|part| part.len()).sum::<usize>() + CHECKSUM_BYTES;
    let mut bytes = Vec::with_capacity(length);
    bytes.push(LAYOUT);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for part in tail {
        bytes.extend_from_slice(part);
    }
    let checksum = position.checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// Decodes a row.
///
/// # Errors
/// [`Fault::Damaged`] if the checksum or the layout is wrong.
pub(super) fn fields<const N: usize>(position: Position, bytes: &[u8]) -> Result<([u64; N], &[u8]), Fault> {
    let (bytes, checksum) = bytes.split_last_chunk().ok_or(Fault::Damaged)?;
    if position.checksum(bytes) != *checksum {
        return Err(Fault::Damaged);
    }
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

/// Converts a row of format 2 to format 3: adds the checksum, and if the table has one more number since format 3, inserts
/// the value 0 for it after the first `old_numbers` numbers. Returns `None` if it is not a row of format 2.
pub(super) fn sealed(position: Position, bytes: &[u8], old_numbers: Option<usize>) -> Option<Vec<u8>> {
    let (&layout, rest) = bytes.split_first()?;
    if layout != PLAIN_LAYOUT {
        return None;
    }
    // A damaged row that is too short stays too short, and is refused when it is read.
    let parts = old_numbers.and_then(|numbers| rest.split_at_checked(8 * numbers));
    Some(match parts {
        Some((numbers, tail)) => row(position, [], &[numbers, &0_u64.to_le_bytes(), tail]),
        None => row(position, [], &[rest]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redb::format::{ENTRIES, PENDING, Pair};

    #[test]
    fn refuses_every_changed_byte_and_every_other_position() {
        let position = Position::of::<Pair>(&ENTRIES, &(1, 2));
        let written = row(position, [7], &[b"body"]);
        assert_eq!(fields::<1>(position, &written).unwrap(), ([7], b"body".as_slice()));
        for at in 0..written.len() {
            for bit in 0..8 {
                let mut changed = written.clone();
                changed[at] ^= 1 << bit;
                assert!(fields::<1>(position, &changed).is_err(), "bit {bit} of byte {at}");
            }
        }
        for length in 0..written.len() {
            assert!(fields::<1>(position, &written[..length]).is_err(), "cut after {length}");
        }
        for other in [Position::of::<Pair>(&ENTRIES, &(2, 1)), Position::of::<Pair>(&PENDING, &(1, 2))] {
            assert!(fields::<1>(other, &written).is_err());
        }
    }

    #[test]
    fn gives_a_row_of_format_2_its_checksum_once() {
        let position = Position::of::<Pair>(&ENTRIES, &(1, 2));
        let mut old = vec![PLAIN_LAYOUT];
        old.extend_from_slice(&7u64.to_le_bytes());
        old.extend_from_slice(b"body");
        assert!(fields::<1>(position, &old).is_err());
        let new = sealed(position, &old, None).unwrap();
        assert_eq!(fields::<1>(position, &new).unwrap(), ([7], b"body".as_slice()));
        assert!(sealed(position, &new, None).is_none());
        let with_number = sealed(position, &old, Some(1)).unwrap();
        assert_eq!(fields::<2>(position, &with_number).unwrap(), ([7, 0], b"body".as_slice()));
    }
}
