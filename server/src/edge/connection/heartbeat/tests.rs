//! The heartbeat with a paused clock.

use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::edge::connection::decoder::BinaryMessages;

const HEARTBEAT: Heartbeat = Heartbeat { interval: Duration::from_secs(25), timeout: Duration::from_secs(60) };

fn close_code(due: &Due) -> Option<CloseCode> {
    match due {
        Due::End(end) => Some(end.code()),
        Due::Nothing | Due::Ping => None,
    }
}

#[tokio::test(start_paused = true)]
async fn pings_silent_client_twice_and_then_closes() {
    let mut timer = HeartbeatTimer::new(HEARTBEAT, Instant::now());
    for seconds in [25, 25] {
        assert_eq!(timer.next(), Instant::now() + Duration::from_secs(seconds));
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(timer.due(Instant::now()), Due::Ping);
    }
    assert_eq!(timer.next(), Instant::now() + Duration::from_secs(10));
    advance(Duration::from_secs(10)).await;
    assert_eq!(close_code(&timer.due(Instant::now())), Some(CloseCode::HEARTBEAT_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn excludes_time_while_reading_is_paused() {
    let mut timer = HeartbeatTimer::new(HEARTBEAT, Instant::now());
    let mut decoder = Decoder::new(1000, BinaryMessages::Rejected, Instant::now());
    advance(Duration::from_secs(50)).await;
    timer.pause();
    advance(Duration::from_secs(50)).await;
    assert_eq!(timer.due(Instant::now()), Due::Ping);
    timer.resume(&mut decoder);
    assert_eq!(timer.due(Instant::now()), Due::Nothing);
    advance(Duration::from_secs(10)).await;
    assert_eq!(close_code(&timer.due(Instant::now())), Some(CloseCode::HEARTBEAT_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn closes_slow_consumer_while_reading_is_paused() {
    let mut timer = HeartbeatTimer::new(HEARTBEAT, Instant::now());
    timer.pause();
    advance(Duration::from_secs(59)).await;
    timer.record_write();
    advance(Duration::from_secs(59)).await;
    assert_eq!(close_code(&timer.due(Instant::now())), None);
    advance(Duration::from_secs(1)).await;
    assert_eq!(close_code(&timer.due(Instant::now())), Some(CloseCode::SLOW_CONSUMER));
}
