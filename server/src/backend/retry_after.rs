//! The header `Retry-After` of a response (RFC 9110, section 10.2.3): a number of seconds, or a date.

use std::time::{Duration, Instant, SystemTime};

use realtime_gateway_protocol::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Returns after how long the sender of a response wants the next request, if it has said so. A date in the past means
/// immediately. The request was `sent` at the time `at` of the wall clock.
///
/// A date is compared with the `Date` of the response, because both are times of the same clock. A response without it is
/// compared with the clock of this machine.
pub(crate) fn retry_after(headers: &HeaderMap, at: Timestamp, sent: Instant) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let here = || SystemTime::UNIX_EPOCH + Duration::from_millis(at.millis()) + sent.elapsed();
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(here);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wed, 21 Oct 2026 07:28:00 GMT.
    const AT: Timestamp = Timestamp::from_millis(1_792_567_680_000);

    fn after(pairs: &[(HeaderName, &str)]) -> Option<u64> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        // A part of a second has passed since the request.
        retry_after(&headers, AT, Instant::now()).map(|wait| wait.as_secs_f64().ceil() as u64)
    }

    #[test]
    fn reads_seconds() {
        for (value, seconds) in
            [("120", Some(120)), (" 0 ", Some(0)), ("-1", None), ("1.5", None), ("soon", None), ("", None)]
        {
            assert_eq!(after(&[(RETRY_AFTER, value)]), seconds, "{value}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn reads_every_format_of_a_date() {
        for value in ["Wed, 21 Oct 2026 07:30:00 GMT", "Wednesday, 21-Oct-26 07:30:00 GMT", "Wed Oct 21 07:30:00 2026"]
        {
            assert_eq!(after(&[(RETRY_AFTER, value)]), Some(120), "{value}");
        }
        assert_eq!(after(&[(RETRY_AFTER, "Wed, 21 Oct 2026 07:27:00 GMT")]), Some(0), "a date in the past");
        assert_eq!(after(&[(RETRY_AFTER, "Wed, 32 Oct 2026 07:30:00 GMT")]), None);
    }

    #[test]
    fn compares_date_with_clock_of_the_sender() {
        let (date, retry) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:30 GMT");
        assert_eq!(after(&[(RETRY_AFTER, retry), (DATE, date)]), Some(30));
        assert_eq!(after(&[(RETRY_AFTER, retry), (DATE, "yesterday")]), Some(0));
    }
}
