//! The heartbeat by a clock that stands still until it is moved.

use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::connection::decoder::Binary;

const HEARTBEAT: Heartbeat = Heartbeat { interval: Duration::from_secs(25), timeout: Duration::from_secs(60) };

fn codes(due: &Due) -> Option<CloseCode> {
    match due {
        Due::End(end) => Some(end.code()),
        Due::Nothing | Due::Ping => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_twice_and_then_ended() {
    let mut pace = Pace::new(HEARTBEAT, Instant::now());
    for seconds in [25, 25] {
        assert_eq!(pace.next(), Instant::now() + Duration::from_secs(seconds));
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(pace.due(Instant::now()), Due::Ping);
    }
    assert_eq!(pace.next(), Instant::now() + Duration::from_secs(10));
    advance(Duration::from_secs(10)).await;
    assert_eq!(codes(&pace.due(Instant::now())), Some(CloseCode::HEARTBEAT_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_listens_does_not_count() {
    let mut pace = Pace::new(HEARTBEAT, Instant::now());
    let mut decoder = Decoder::new(1000, Binary::Refused, Instant::now());
    advance(Duration::from_secs(50)).await;
    pace.pause();
    advance(Duration::from_secs(50)).await;
    assert_eq!(pace.due(Instant::now()), Due::Ping);
    pace.resume(&mut decoder);
    assert_eq!(pace.due(Instant::now()), Due::Nothing);
    advance(Duration::from_secs(10)).await;
    assert_eq!(codes(&pace.due(Instant::now())), Some(CloseCode::HEARTBEAT_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_listened_to_must_at_least_read() {
    let mut pace = Pace::new(HEARTBEAT, Instant::now());
    pace.pause();
    advance(Duration::from_secs(59)).await;
    pace.wrote();
    advance(Duration::from_secs(59)).await;
    assert_eq!(codes(&pace.due(Instant::now())), None);
    advance(Duration::from_secs(1)).await;
    assert_eq!(codes(&pace.due(Instant::now())), Some(CloseCode::SLOW_CONSUMER));
}
