//! Events that are given up: refused, expired and overflowing ones, their list, deletion and replay.

use super::*;

/// Answers requests: those with this content are refused. Returns when all other contents were taken.
async fn refuse(shop: &mut Receiver, content: &str, others: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < others {
        let request = shop.receiver.next().await;
        let sent = contents(&request);
        if sent.iter().any(|sent| sent == content) {
            request.answer(422, &json!({})).await;
        } else {
            taken.extend(sent);
            request.answer(200, &json!({})).await;
        }
    }
    taken
}

#[tokio::test]
async fn event_that_is_refused_alone_becomes_dead_letter_and_can_be_replayed() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..20)).await;
    let others: Vec<String> = numbers(0..20).into_iter().filter(|content| content != "13").collect();
    assert_eq!(refuse(&mut shop, "13", 19).await, others);
    wait_for_counts(&gateway, 0, 1).await;
    let letters = dead(&gateway).await;
    let letter = &letters[0];
    assert_eq!((&letter["type"], &letter["reason"]), (&json!("chat.message"), &json!("refused")));
    assert!(letter["attempts"].as_u64().unwrap() >= 1 && letter["failedAt"].is_string(), "{letter}");
    assert_eq!((&letter["event"]["content"], &letter["event"]["id"]), (&json!("13"), &letter["id"]));

    let api = gateway.api();
    let (status, answer) =
        api.json(Method::POST, "/api/v1/webhooks/shop/dead/replay", Some(json!({ "ids": [letter["id"]] }))).await;
    assert_eq!((status.as_u16(), answer), (200, json!({ "replayed": 1, "isFull": false })));
    assert_eq!(json!(shop.take().await), json!([letter["id"]]), "the event keeps its id");
    wait_for_counts(&gateway, 0, 0).await;
    let metrics = api.json(Method::GET, "/metrics", None).await.1;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("gateway_webhook_events_total{outcome=\"refused\",webhook=\"shop\"} 1"), "{metrics}");
    assert!(metrics.contains("gateway_webhook_events_total{outcome=\"taken\",webhook=\"shop\"} 20"), "{metrics}");
}

#[tokio::test]
async fn pages_and_deletes_dead_letters_with_scopes() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..5)).await;
    while counts(&gateway).await != (0, 5) {
        if shop.receiver.has_request() {
            shop.receiver.next().await.answer(400, &json!({})).await;
        }
    }
    let api = gateway.api();
    let first = api.get("/api/v1/webhooks/shop/dead?limit=3").await;
    let content = |letter: &Value| letter["event"]["content"].as_str().unwrap().to_owned();
    let events = first["events"].as_array().unwrap();
    assert_eq!((events.iter().map(content).collect::<Vec<_>>(), &first["hasMore"]), (numbers(0..3), &json!(true)));
    let after = events[2]["id"].as_str().unwrap();
    let second = api.get(&format!("/api/v1/webhooks/shop/dead?limit=3&after={after}")).await;
    let events = second["events"].as_array().unwrap();
    assert_eq!((events.iter().map(content).collect::<Vec<_>>(), &second["hasMore"]), (numbers(3..5), &json!(false)));
    for (path, status) in [
        ("/api/v1/webhooks/shop/dead?after=unknown", 400),
        ("/api/v1/webhooks/other/dead", 404),
        ("/api/v1/webhooks/Shop/dead", 400),
        ("/api/v1/webhooks/shop/dead?limit=0", 400),
    ] {
        assert_eq!(api.json(Method::GET, path, None).await.0.as_u16(), status, "{path}");
    }
    let (status, answer) = api.json(Method::DELETE, "/api/v1/webhooks/shop/dead", None).await;
    assert_eq!((status.as_u16(), answer), (200, json!({ "deleted": 5 })));
    assert_eq!(counts(&gateway).await, (0, 0));
}

#[tokio::test]
async fn events_that_wait_for_too_long_become_dead_letters() {
    let mut shop = Receiver::start().await;
    let mut gateway = Gateway::with(shop.settings().set("webhooks.shop.retry_for", "\"2s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..3)).await;
    let mut attempts = 0;
    while counts(&gateway).await != (0, 3) {
        if shop.receiver.has_request() {
            attempts += 1;
            shop.receiver.next().await.answer(500, &json!({})).await;
        }
    }
    assert!(attempts >= 2, "{attempts}");
    let letters = dead(&gateway).await;
    assert!(letters.iter().all(|letter| letter["reason"] == "expired"), "{letters:?}");
    // A reload ends the wait for the next attempt, and a replayed event has all of its time again.
    gateway.rewrite_config(shop.settings());
    reload(&gateway, "the configuration was reloaded").await;
    let body = Some(json!({}));
    let replayed = gateway.api().json(Method::POST, "/api/v1/webhooks/shop/dead/replay", body).await.1;
    assert_eq!(replayed["replayed"], 3);
    assert_eq!(shop.take_chats(3).await, numbers(0..3));
}

#[tokio::test]
async fn oldest_events_beyond_max_waiting_become_dead_letters_and_oldest_of_these_are_deleted() {
    let mut shop = Receiver::start().await;
    let settings = shop.settings().set("webhooks.shop.max_waiting", "5").set("webhooks.shop.max_dead", "3");
    let settings = settings.set("webhooks.shop.timeout", "\"30s\"");
    let gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let first = shop.receiver.next().await;
    chat(&mut alice, numbers(1..10)).await;
    // The bound is kept while the request is under way, whose event is not given up.
    wait_for_counts(&gateway, 5, 3).await;
    let letters = dead(&gateway).await;
    let found: Vec<_> = letters.iter().map(|letter| letter["event"]["content"].clone()).collect();
    assert_eq!(found, [json!("3"), json!("4"), json!("5")]);
    assert!(letters.iter().all(|letter| letter["reason"] == "overflow"), "{letters:?}");
    assert!(!shop.receiver.has_request(), "the request is under way still");
    first.answer(500, &json!({})).await;
    assert_eq!(shop.take_chats(5).await, ["0", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn counts_attempts_over_a_restart() {
    let mut shop = Receiver::start().await;
    let mut gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    for _ in 0..2 {
        shop.receiver.next().await.answer(500, &json!({})).await;
    }
    let under_way = shop.receiver.next().await;
    gateway.kill().await;
    gateway.restart().await;
    under_way.hang_up();
    shop.receiver.next().await.answer(400, &json!({})).await;
    wait_for_counts(&gateway, 0, 1).await;
    assert_eq!(dead(&gateway).await[0]["attempts"], 3, "all but the attempt during which the gateway was killed");
}

#[tokio::test]
async fn command_line_lists_and_replays() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, ["one".into()]).await;
    shop.receiver.next().await.answer(413, &json!({})).await;
    wait_for_counts(&gateway, 0, 1).await;
    let url = format!("http://{}", gateway.address());
    let run = async |arguments: &[&str]| {
        let arguments = [&["webhooks"], arguments, &["--gateway", &url]].concat();
        let output = gateway.command_with_key(&arguments).await;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    };
    assert_eq!(run(&["list"]).await, (true, "shop  0 waiting, 1 dead\n".into()));
    let (succeeded, text) = run(&["dead", "shop"]).await;
    let letter: Value = text.trim().parse().unwrap();
    assert!(succeeded && letter["event"]["content"] == "one", "{text}");
    assert_eq!(run(&["replay", "shop", "unknown"]).await, (true, "0 events are sent again\n".into()));
    assert_eq!(run(&["replay", "shop"]).await, (true, "1 events are sent again\n".into()));
    assert_eq!(shop.take_chats(1).await, ["one"]);
    let (succeeded, text) = run(&["dead", "other"]).await;
    assert!(!succeeded && text.contains("no webhook of this name"), "{text}");
}
