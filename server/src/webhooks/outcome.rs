//! What the response of a receiver means.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};

/// What a request has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has taken all events.
    Taken,
    /// The receiver refuses at least one of the events.
    Refused,
    /// The receiver wants no more requests.
    Gone,
    /// The receiver may take the events later.
    Failed {
        /// After how long, if the receiver has said so.
        retry_after: Option<Duration>,
        /// The problem, for the log.
        problem: String,
    },
}

impl Outcome {
    /// Returns what a response means.
    pub(super) fn of(response: &Response) -> Self {
        match response.status() {
            status if status.is_success() => Self::Taken,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => Self::Refused,
            StatusCode::GONE => Self::Gone,
            status => {
                let value = response.headers().get(RETRY_AFTER);
                let retry_after = value.and_then(|value| seconds(value.to_str().ok()?));
                Self::Failed { retry_after, problem: format!("status {}", status.as_u16()) }
            }
        }
    }

    /// Returns what it means that there is no response.
    pub(super) fn without_response(error: &reqwest::Error) -> Self {
        let problem = if error.is_timeout() {
            "no response in time"
        } else if error.is_connect() {
            "no connection"
        } else {
            "the connection was lost"
        };
        Self::Failed { retry_after: None, problem: problem.into() }
    }
}

/// Returns the delay of `Retry-After` in seconds. A date, which needs a clock that agrees with ours, counts as absent.
fn seconds(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, retry_after: Option<&str>) -> Outcome {
        let mut response = http::Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        Outcome::of(&Response::from(response.body("").unwrap()))
    }

    #[test]
    fn status_decides() {
        for status in [200, 202, 204] {
            assert_eq!(outcome(status, None), Outcome::Taken);
        }
        for status in [400, 413, 422] {
            assert_eq!(outcome(status, Some("9")), Outcome::Refused);
        }
        assert_eq!(outcome(410, None), Outcome::Gone);
        for status in [301, 302, 307, 401, 403, 404, 408, 409, 429, 500, 503] {
            assert!(matches!(outcome(status, None), Outcome::Failed { retry_after: None, .. }), "{status}");
        }
    }

    #[test]
    fn reads_retry_after_in_seconds() {
        let after = |value| match outcome(503, Some(value)) {
            Outcome::Failed { retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!((after("soon"), after("-1"), after("Wed, 21 Oct 2026 07:28:00 GMT")), (None, None, None));
    }
}
