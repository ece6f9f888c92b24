//! What the response of a receiver means.

use std::time::Duration;

use reqwest::{Response, StatusCode};

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
    /// Returns what a response means. `retry_after` is what its `Retry-After` says.
    pub(super) fn of(response: &Response, retry_after: Option<Duration>) -> Self {
        match response.status() {
            status if status.is_success() => Self::Taken,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => Self::Refused,
            StatusCode::GONE => Self::Gone,
            status => Self::Failed { retry_after, problem: format!("status {}", status.as_u16()) },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, retry_after: Option<Duration>) -> Outcome {
        let response = http::Response::builder().status(status).body("").unwrap();
        Outcome::of(&Response::from(response), retry_after)
    }

    #[test]
    fn status_decides() {
        for status in [200, 202, 204] {
            assert_eq!(outcome(status, None), Outcome::Taken);
        }
        for status in [400, 413, 422] {
            assert_eq!(outcome(status, Some(Duration::ZERO)), Outcome::Refused);
        }
        assert_eq!(outcome(410, None), Outcome::Gone);
        for status in [301, 302, 307, 401, 403, 404, 408, 409, 429, 500, 503] {
            let wait = Some(Duration::from_secs(9));
            assert!(
                matches!(outcome(status, wait), Outcome::Failed { retry_after, .. } if retry_after == wait),
                "{status}"
            );
        }
    }
}
