//! Wrong wall clocks, simulated with libfaketime: they never make the gateway delete or expire data or forget ids.

use std::time::{Duration, SystemTime};

use realtime_gateway_brokers::FakeClock;
use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually, within};
use serde_json::{Value, json};

/// Returns a token that outlives every clock jump of these tests.
fn long_lived(user: &str) -> Token {
    Token::for_user(user).valid_for(Duration::from_secs(365 * 86_400))
}

/// A gateway that has stored three chat messages and a pending notification.
struct Stored {
    gateway: Gateway,
    clock: FakeClock,
    notification: String,
}

impl Stored {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let clock = FakeClock::right();
        let gateway = Gateway::with_clock(settings, &clock).await;
        let mut alice = Socket::connect_with(&gateway, &long_lived("alice")).await;
        for n in 1..=3 {
            assert_eq!(alice.request(message(n)).await["offset"], n);
        }
        let notification = gateway.api().notify("bob", "waits").await;
        Self { gateway, clock, notification }
    }

    async fn deletion(&self) -> Value {
        self.gateway.api().health().await["clock"]["deletion"].clone()
    }

    async fn wait_for_paused_deletion(&self) {
        eventually("the jump is detected", || async { self.deletion().await == "paused" }).await;
    }

    /// Checks that all data is present and that repeated messages are recognised.
    async fn expect_all(&self) {
        let mut alice = Socket::connect_with(&self.gateway, &long_lived("alice")).await;
        for n in 1..=3 {
            let again = alice.request(message(n)).await;
            assert_eq!((&again["offset"], &again["duplicate"]), (&json!(n), &json!(true)), "{again}");
        }
        assert_eq!(history(&mut alice).await, ["1", "2", "3"]);
        let mut bob = Socket::connect_with(&self.gateway, &long_lived("bob")).await;
        bob.send(json!({ "type": "subscribe_notifications" })).await;
        assert_eq!(bob.wait_for("notification").await["id"], self.notification);
    }
}

fn message(n: u64) -> Value {
    json!({ "type": "chat", "clanId": "c", "content": n.to_string(), "clientMessageId": format!("m{n}") })
}

async fn history(socket: &mut Socket) -> Vec<String> {
    let page = socket.request(json!({ "type": "chat_history", "clanId": "c" })).await;
    let content = |chat: &Value| chat["content"].as_str().unwrap().to_owned();
    page["messages"].as_array().unwrap().iter().map(content).collect()
}

#[tokio::test]
async fn loses_nothing_while_clock_is_ahead() {
    moves_clock_ahead_and_back(Stored::start().await).await;
}

#[tokio::test]
async fn memory_store_loses_nothing_while_clock_is_ahead() {
    moves_clock_ahead_and_back(Stored::with(Settings::default().set("store.url", "\"memory\"")).await).await;
}

async fn moves_clock_ahead_and_back(stored: Stored) {
    for ahead in ["+8d", "+40d", "+25h"] {
        stored.clock.set(ahead);
        stored.wait_for_paused_deletion().await;
        let health = stored.gateway.api().health().await;
        assert_eq!((&health["status"], &health["clock"]["status"]), (&json!("degraded"), &json!("degraded")));
        assert!(health["clock"]["differenceMs"].as_i64().unwrap() > 86_400_000, "{health}");
        assert!(health["warnings"][0].as_str().unwrap().contains("accept-clock"), "{health}");
        stored.expect_all().await;
    }
    stored.clock.set("+0");
    stored.expect_all().await;
    let jumps = stored.gateway.log().iter().filter(|line| line.contains("the clock has jumped")).count();
    assert_eq!(jumps, 1, "the jump is logged more than once");
}

#[tokio::test]
async fn resumes_deletion_after_clock_is_right_for_a_minute() {
    let stored = Stored::start().await;
    stored.clock.set("-8d");
    stored.wait_for_paused_deletion().await;
    stored.clock.set("+0");
    let is_running = || async { stored.deletion().await == "running" };
    within(Duration::from_secs(120), "the clock is trusted again", is_running).await;
    assert_eq!(stored.gateway.api().health().await["status"], "ok");
    stored.expect_all().await;
}

#[tokio::test]
async fn loses_nothing_when_clock_is_wrong_at_restart() {
    let mut stored = Stored::start().await;
    stored.clock.set("+8d");
    stored.gateway.signal("TERM").await;
    assert_eq!(stored.gateway.exit_code().await, Some(0));
    stored.gateway.restart().await;
    stored.wait_for_paused_deletion().await;
    stored.expect_all().await;
    // The trusted time is stored regularly, so it survives a kill too.
    stored.gateway.kill().await;
    stored.gateway.restart().await;
    stored.wait_for_paused_deletion().await;
    stored.expect_all().await;
}

#[tokio::test]
async fn stamps_messages_with_trusted_time() {
    let stored = Stored::start().await;
    stored.clock.set("-8d");
    stored.wait_for_paused_deletion().await;
    let mut alice = Socket::connect_with(&stored.gateway, &long_lived("alice")).await;
    alice.send(json!({ "type": "ping" })).await;
    let shown: Timestamp = serde_json::from_value(alice.expect("pong").await["timestamp"].clone()).unwrap();
    let now = Timestamp::from(SystemTime::now());
    assert!(shown.millis().abs_diff(now.millis()) < 3_600_000, "{shown} at {now}");
}

#[tokio::test]
async fn operator_confirms_clock_of_running_gateway() {
    let stored = Stored::start().await;
    stored.clock.set("+8d");
    stored.wait_for_paused_deletion().await;
    let output = stored.gateway.command(&["store", "accept-clock", "--config", "gateway.toml"]).await;
    assert!(output.status.success(), "{output:?}");
    eventually("deletion is running", || async { stored.deletion().await == "running" }).await;
    let mut alice = Socket::connect_with(&stored.gateway, &long_lived("alice")).await;
    assert!(history(&mut alice).await.is_empty(), "entries older than the retention are still there");
    assert!(stored.gateway.log().iter().any(|line| line.contains("an operator has confirmed the clock")));
}

#[tokio::test]
async fn operator_confirms_clock_of_stopped_gateway() {
    let mut stored = Stored::start().await;
    stored.gateway.signal("TERM").await;
    assert_eq!(stored.gateway.exit_code().await, Some(0));
    stored.clock.set("+8d");
    let output = stored.gateway.command(&["store", "accept-clock", "--config", "gateway.toml"]).await;
    assert!(output.status.success(), "{output:?}");
    stored.gateway.restart().await;
    assert_eq!(stored.deletion().await, "running");
    let mut alice = Socket::connect_with(&stored.gateway, &long_lived("alice")).await;
    assert!(history(&mut alice).await.is_empty());
}

#[tokio::test]
async fn expires_open_sessions_when_clock_jumps_ahead() {
    let stored = Stored::start().await;
    let mut hour = Socket::connect_with(&stored.gateway, &Token::for_user("hour")).await;
    let mut year = Socket::connect_with(&stored.gateway, &long_lived("year")).await;
    stored.clock.set("+2h");
    assert_eq!(hour.wait_for("error").await["code"], "token_expired");
    assert_eq!(year.chat("c", "still connected").await["type"], "message_sent");
    let renewed = hour.request(json!({ "type": "authenticate", "token": long_lived("hour").text() })).await;
    assert_eq!(renewed["type"], "authenticated");
    hour.chat("c", "still connected").await;
}
