//! Timestamps: RFC 3339 in UTC with milliseconds.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The last millisecond of the year 9999, the latest time that RFC 3339 can represent.
const MAX_MILLIS: u64 = 253_402_300_799_999;

/// A point in time in milliseconds since 1970, written as `2026-01-31T12:00:00.000Z` (RFC 3339, section 5.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Creates a timestamp from milliseconds since 1970-01-01T00:00:00Z. Times after the year 9999 are clamped to its
    /// end.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MAX_MILLIS { MAX_MILLIS } else { millis })
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> u64 {
        self.0
    }
}

/// The format of a timestamp, as a sentence for error texts.
pub(crate) const FORM: &str = "a time is RFC 3339 in UTC, such as 2026-01-31T12:00:00.000Z";

/// The layout of the text before the fraction of a second. `0` stands for a digit.
const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";

impl Timestamp {
    /// Parses an RFC 3339 time in UTC. Returns `None` for anything else. Digits beyond milliseconds are dropped, and a
    /// leap second becomes the second before it.
    // Not humantime's parser: it depends on the system clock, which enlarges the WebAssembly build.
    pub fn read(text: &str) -> Option<Self> {
        let (date_and_time, rest) = text.split_at_checked(DATE_AND_TIME.len())?;
        let mut numbers = [0_u64; 6];
        let mut at = 0;
        for (place, byte) in DATE_AND_TIME.iter().zip(date_and_time.bytes()) {
            if *place == b'0' {
                let number = numbers.get_mut(at)?;
                *number = *number * 10 + digit(byte)?;
            } else {
                (byte == *place).then(|| at += 1)?;
            }
        }
        let [year, month, day, hour, minute, second] = numbers;
        let days = days_since_1970(year, month, day).filter(|_| hour < 24 && minute < 60 && second <= 60)?;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second.min(59);
        Some(Self(seconds * 1_000 + millis(rest)?))
    }
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

/// Returns the days since 1970 in the proleptic Gregorian calendar. Returns `None` for an invalid date or before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let most = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    if year < 1970 || day == 0 || day > most {
        return None;
    }
    // Count years from March, so that the leap day is the last day of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

/// Parses the fraction of a second and the UTC offset.
fn millis(rest: &str) -> Option<u64> {
    let rest = rest.strip_suffix('Z').or_else(|| rest.strip_suffix("+00:00"))?;
    if rest.is_empty() {
        return Some(0);
    }
    let fraction = rest.strip_prefix('.').filter(|digits| !digits.is_empty())?;
    let (mut millis, mut unit) = (0, 100);
    for byte in fraction.bytes() {
        millis += digit(byte)? * unit;
        unit /= 10;
    }
    Some(millis)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(u64::try_from(since.as_millis()).unwrap_or(MAX_MILLIS))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        SystemTime::UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

/// The text of a timestamp, which is ASCII. Every message has one, so it is written without the machinery of formats.
struct Text([u8; 24]);

impl From<Timestamp> for Text {
    fn from(timestamp: Timestamp) -> Self {
        let (seconds, millis) = (timestamp.0 / 1_000, timestamp.0 % 1_000);
        let (year, month, day) = date(seconds / 86_400);
        let numbers = [
            (year, 0..4),
            (month, 5..7),
            (day, 8..10),
            (seconds / 3_600 % 24, 11..13),
            (seconds / 60 % 60, 14..16),
            (seconds % 60, 17..19),
            (millis, 20..23),
        ];
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (mut number, place) in numbers {
            for digit in text.get_mut(place).into_iter().flatten().rev() {
                *digit += (number % 10) as u8;
                number /= 10;
            }
        }
        Self(text)
    }
}

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns year, month and day of a day since 1970: the inverse of [`days_since_1970`]. The years begin in March, and 400 of them
/// have 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::from(*self).as_str())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Text::from(*self).as_str())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| de::Error::custom(FORM))
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00.000Z"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn humantime(text: &str) -> Option<Timestamp> {
        humantime::parse_rfc3339(text).ok().map(Timestamp::from)
    }

    #[test]
    fn parses_rfc_3339_times_in_utc() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("2026-01-31T12:00:00.000Z", Some(1_769_860_800_000)),
            ("2026-01-31T12:00:00.5+00:00", Some(1_769_860_800_500)),
            ("2026-01-31T12:00:00.123456789012Z", Some(1_769_860_800_123)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000)),
            ("9999-12-31T23:59:59.999Z", Some(MAX_MILLIS)),
            ("2023-02-29T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2026-04-31T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T12:60:00Z", None),
            ("2026-01-31T12:00:61Z", None),
            ("2026-01-31T12:00:00", None),
            ("2026-01-31T12:00:00.Z", None),
            ("2026-01-31T12:00:00.1", None),
            ("2026-01-31T12:00:00.1x", None),
            ("2026-01-31T12:00:00+01:00", None),
            ("2026-01-31 12:00:00Z", None),
            ("2026-01-31t12:00:00z", None),
            ("\u{e9}026-01-31T12:00:00Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::read(text).map(Timestamp::millis), millis, "{text}");
        }
    }

    #[test]
    fn writes_every_day_of_five_centuries_as_humantime_does() {
        for day in 0..183_000 {
            let time = Timestamp::from_millis(day * 86_400_000 + day);
            assert_eq!(time.to_string(), humantime::format_rfc3339_millis(time.into()).to_string());
        }
    }

    proptest! {
        #[test]
        fn formatted_times_round_trip(millis in 0..=MAX_MILLIS) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::read(&time.to_string()), Some(time));
        }

        #[test]
        fn is_written_as_humantime_writes_it(millis in 0..=MAX_MILLIS) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string(), humantime::format_rfc3339_millis(time.into()).to_string());
        }

        #[test]
        fn agrees_with_humantime_on_every_day(year in 1960_u32..3000, month in 0_u32..14, day in 0_u32..33) {
            let text = format!("{year:04}-{month:02}-{day:02}T01:02:03.004Z");
            prop_assert_eq!(Timestamp::read(&text), humantime(&text));
        }
    }
}
