//! Receivers that fail, and a gateway that is killed.

use std::time::Duration;

use realtime_gateway_tests::within;

use super::*;

#[tokio::test]
async fn repeats_failed_request_with_same_body_and_id() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings().set("webhooks.shop.timeout", "\"1s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let first = shop.receiver.next().await;
    let (id, text) = (first.headers["webhook-id"].clone(), first.text.clone());
    let timestamp = |request: &BackendRequest| request.headers["webhook-timestamp"].parse::<u64>().unwrap();
    let first_at = timestamp(&first);
    // A redirect is not followed.
    let elsewhere = ServiceBackend::start().await;
    first.answer_with(302, &format!("location: {}\r\n", elsewhere.url()), "").await;
    // Later events do not change what is repeated.
    chat(&mut alice, numbers(1..3)).await;
    let second = shop.receiver.next().await;
    assert_eq!((&second.headers["webhook-id"], &second.text), (&id, &text));
    assert!(timestamp(&second) > first_at, "the timestamp is that of the attempt");
    second.answer_with(500, "content-type: text/html\r\n", "<html>rubbish \u{fffd}").await;
    // No answer at all.
    let silent = shop.receiver.next().await;
    let last = shop.receiver.next().await;
    drop(silent);
    assert_eq!((&last.headers["webhook-id"], &last.text), (&id, &text));
    last.answer(200, &json!({})).await;
    assert_eq!(shop.take_chats(2).await, numbers(1..3));
    assert!(!elsewhere.has_request());
}

#[tokio::test]
async fn waits_for_retry_after() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let refused = std::time::Instant::now();
    shop.receiver.next().await.answer_with(503, "retry-after: 3\r\n", "").await;
    let request = shop.receiver.next().await;
    assert!(refused.elapsed() >= Duration::from_secs(3), "{:?}", refused.elapsed());
    // A date is compared with the clock of the receiver, which is another one.
    let refused = std::time::Instant::now();
    let headers = "date: Sat, 01 Jan 2000 00:00:00 GMT\r\nretry-after: Sat, 01 Jan 2000 00:00:04 GMT\r\n";
    request.answer_with(503, headers, "").await;
    assert_eq!(shop.take_chats(1).await, numbers(0..1));
    assert!(refused.elapsed() >= Duration::from_secs(4), "{:?}", refused.elapsed());
}

#[tokio::test]
async fn large_response_is_not_read() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let request = shop.receiver.next().await;
    let body = "x".repeat(50 * 1024 * 1024);
    // The gateway closes the connection, because the status says enough.
    request.answer_with(200, "", &body).await;
    chat(&mut alice, numbers(1..2)).await;
    assert_eq!(shop.take_chats(1).await, numbers(1..2));
    wait_for_counts(&gateway, 0, 0).await;
}

#[tokio::test]
async fn slow_receiver_delays_neither_others_nor_clients() {
    let (mut shop, mut quick) = (Receiver::start().await, Receiver::start().await);
    let gateway = Gateway::with(quick.named(shop.settings(), "quick", "[\"chat\"]")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let slow = shop.receiver.next().await;
    assert_eq!(quick.take_chats(1).await, numbers(0..1));
    chat(&mut alice, numbers(1..50)).await;
    assert_eq!(quick.take_chats(49).await, numbers(1..50));
    assert_eq!(counts(&gateway).await.0, 50);
    slow.answer(200, &json!({})).await;
    assert_eq!(shop.take_chats(49).await, numbers(1..50));
}

#[tokio::test]
async fn gone_pauses_until_reload() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    shop.receiver.next().await.answer_with(410, "", "").await;
    let is_paused = || gateway.log().iter().any(|line| line.contains("410 Gone"));
    eventually("the webhook is paused", || async { is_paused() }).await;
    chat(&mut alice, numbers(1..3)).await;
    // More than the longest time between the first two repeats.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!shop.receiver.has_request());
    reload(&gateway, "the configuration was reloaded").await;
    assert_eq!(shop.take_chats(3).await, numbers(0..3));
}

#[tokio::test]
async fn killed_gateway_sends_again_after_its_start() {
    let mut shop = Receiver::start().await;
    let mut gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..3)).await;
    let mut first = shop.receiver.next().await;
    while contents(&first).len() < 3 {
        first.answer(200, &json!({})).await;
        chat(&mut alice, numbers(0..3)).await;
        first = shop.receiver.next().await;
    }
    let sent = ids(&first);
    gateway.kill().await;
    first.answer(200, &json!({})).await;
    gateway.restart().await;
    let again = shop.receiver.next().await;
    assert!(ids(&again).starts_with(&sent), "the answer was not stored, so the events are sent again");
    again.answer(200, &json!({})).await;
    wait_for_counts(&gateway, 0, 0).await;
}

#[tokio::test]
async fn receiver_that_is_away_gets_everything_later() {
    let shop = Receiver::start().await;
    // The port of a receiver that is gone refuses connections.
    let away = ServiceBackend::start().await;
    let url = away.url().to_owned();
    drop(away);
    let gateway = Gateway::with(shop.settings().set("webhooks.shop.url", &format!("\"{url}\""))).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..20)).await;
    eventually("a failed request", || async { gateway.log().iter().any(|line| line.contains("no connection")) }).await;
    let mut shop = shop;
    let mut gateway = gateway;
    gateway.rewrite_config(shop.settings());
    reload(&gateway, "the configuration was reloaded").await;
    assert_eq!(shop.take_chats(20).await, numbers(0..20));
    within(Duration::from_secs(5), "nothing waits", || async { counts(&gateway).await == (0, 0) }).await;
}
