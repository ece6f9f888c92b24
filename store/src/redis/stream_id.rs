//! Converts ids of stream entries (`1795000000000-3`: milliseconds and a count) to numbers. They keep ascending when a
//! server with older data takes over, which a count would not.

use super::fault::Fault;

/// How many bits of a number are the count within one millisecond.
const COUNT_BITS: u32 = 22;

/// Converts an id to a number.
pub(super) fn number_of(id: &str) -> Result<u64, Fault> {
    let (millis, count) = id.split_once('-').ok_or(Fault::UnexpectedReply)?;
    let (millis, count): (u64, u64) = (parse(millis)?, parse(count)?);
    Ok((millis << COUNT_BITS) | count.min((1 << COUNT_BITS) - 1))
}

/// Converts a number to an id.
pub(super) fn id_of(number: u64) -> String {
    format!("{}-{}", number >> COUNT_BITS, number & ((1 << COUNT_BITS) - 1))
}

/// Returns the id that follows the id of a number.
pub(super) fn id_after(number: u64) -> String {
    id_of(number.saturating_add(1))
}

fn parse(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| Fault::UnexpectedReply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_order_of_ids_and_convert_back() {
        let ids = ["0-0", "0-1", "1795000000000-0", "1795000000000-7", "1795000000001-0", "4000000000000-4194303"];
        let numbers: Vec<u64> = ids.iter().map(|id| number_of(id).unwrap()).collect();
        assert!(numbers.is_sorted());
        for (id, number) in ids.iter().zip(numbers) {
            assert_eq!(id_of(number), *id);
        }
        assert_eq!(id_after(number_of("5-4194303").unwrap()), "6-0");
    }
}
