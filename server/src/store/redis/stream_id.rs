//! Ids of streams whose entries are named by time (`1795000000000-3`) as numbers. They go on ascending when a server
//! that knows less takes over, which a count would not.

use super::fault::Fault;

/// How many bits count the entries of one millisecond.
const COUNT_BITS: u32 = 22;

/// The number of an id.
pub(super) fn number_of(id: &str) -> Result<u64, Fault> {
    let (millis, count) = id.split_once('-').ok_or(Fault::Strange)?;
    let (millis, count): (u64, u64) = (parse(millis)?, parse(count)?);
    Ok((millis << COUNT_BITS) | count.min((1 << COUNT_BITS) - 1))
}

/// The id of a number.
pub(super) fn id_of(number: u64) -> String {
    format!("{}-{}", number >> COUNT_BITS, number & ((1 << COUNT_BITS) - 1))
}

/// The least id that is greater than that of a number.
pub(super) fn id_after(number: u64) -> String {
    id_of(number.saturating_add(1))
}

fn parse(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| Fault::Strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_ids_and_lead_back_to_them() {
        let ids = ["0-0", "0-1", "1795000000000-0", "1795000000000-7", "1795000000001-0", "4000000000000-4194303"];
        let numbers: Vec<u64> = ids.iter().map(|id| number_of(id).unwrap()).collect();
        assert!(numbers.is_sorted());
        for (id, number) in ids.iter().zip(numbers) {
            assert_eq!(id_of(number), *id);
        }
        assert_eq!(id_after(number_of("5-4194303").unwrap()), "6-0");
    }
}
