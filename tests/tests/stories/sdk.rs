//! The Rust SDK against a real gateway: what an app sees while the gateway is killed, drained or rejects commands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use realtime_gateway_sdk::{ChatEvent, ChatStream, Client, Outcome};
use realtime_gateway_tests::{Gateway, Settings, Socket, StubHttpServer, Token, must};
use serde_json::json;

fn client(gateway: &Gateway, user: &str) -> Client {
    let token = Token::for_user(user).text();
    let url = format!("ws://{}/ws", gateway.address());
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    Client::builder(url).token(provider).build().unwrap()
}

/// Returns the offsets of the next messages, and fails on a gap.
async fn offsets(chat: &mut ChatStream, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        match must("a chat event", chat.next()).await.expect("the stream is open") {
            ChatEvent::Message(message) => offsets.push(message.offset),
            ChatEvent::Gap(gap) => panic!("a gap: {gap:?}"),
            _ => {}
        }
    }
    offsets
}

#[tokio::test]
async fn delivers_every_message_once_across_gateway_restart() {
    let mut gateway = Gateway::start().await;
    let (alice, bob) = (client(&gateway, "alice"), client(&gateway, "bob"));
    let mut stream = bob.clan_chat("c").unwrap().subscribe().await.unwrap();
    let sender = alice.clan_chat("c").unwrap();
    for n in 0..20 {
        sender.send(format!("before {n}")).await.unwrap();
    }
    gateway.kill().await;
    // Messages that are sent during the outage are queued by the SDK and published once.
    let sending: Vec<_> = (0..20).map(|n| sender.send(format!("meanwhile {n}")).into_future()).collect();
    let ((), receipts) = tokio::join!(gateway.restart(), futures_util::future::join_all(sending));
    let sent: Vec<u64> = receipts.into_iter().map(|receipt| receipt.unwrap().offset).collect();
    assert_eq!(sent, (21..=40).collect::<Vec<_>>());
    for n in 0..20 {
        sender.send(format!("after {n}")).await.unwrap();
    }
    assert_eq!(offsets(&mut stream, 60).await, (1..=60).collect::<Vec<_>>());
}

#[tokio::test]
async fn delivers_notifications_once_across_gateway_restart() {
    let mut gateway = Gateway::start().await;
    let alice = client(&gateway, "alice");
    let mut notifications = alice.notifications().subscribe().await.unwrap();
    gateway.api().notify("alice", "first").await;
    let first = must("the first notification", notifications.next()).await.unwrap();
    assert_eq!(first.title, "first");
    notifications.ack(&first).await.unwrap();
    gateway.api().notify("alice", "second").await;
    assert_eq!(must("the second notification", notifications.next()).await.unwrap().title, "second");
    gateway.kill().await;
    gateway.restart().await;
    gateway.api().notify("alice", "third").await;
    // The gateway redelivers the second notification, and the SDK does not return it again.
    assert_eq!(must("the third notification", notifications.next()).await.unwrap().title, "third");
}

#[tokio::test]
async fn delivers_every_message_once_across_drain() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"1s\"").set("drain.grace", "\"5s\"");
    let mut gateway = Gateway::with(settings).await;
    let (alice, bob) = (client(&gateway, "alice"), client(&gateway, "bob"));
    let mut stream = bob.clan_chat("c").unwrap().subscribe().await.unwrap();
    let sender = alice.clan_chat("c").unwrap();
    let talk = async {
        for n in 0..100 {
            sender.send(n.to_string()).await.unwrap();
        }
    };
    let deploy = async {
        gateway.signal("TERM").await;
        assert_eq!(gateway.exit_code().await, Some(0));
        gateway.restart().await;
    };
    let ((), (), received) = tokio::join!(talk, deploy, offsets(&mut stream, 100));
    assert_eq!(received, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn renews_token_before_it_expires() {
    let gateway = Gateway::start().await;
    let url = format!("ws://{}/ws", gateway.address());
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    let provider = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, std::io::Error>(Token::for_user("alice").valid_for(Duration::from_secs(4)).text()) }
    };
    let alice = Client::builder(url).token(provider).build().unwrap();
    let clan = alice.clan_chat("c").unwrap();
    let mut stream = clan.subscribe().await.unwrap();
    let mut sent = 0;
    while requests.load(Ordering::SeqCst) < 4 {
        clan.send("still here").await.unwrap();
        sent += 1;
        assert_eq!(offsets(&mut stream, 1).await, [sent]);
    }
}

#[tokio::test]
async fn replaced_client_ends_with_4409_and_does_not_reconnect() {
    let gateway = Gateway::start().await;
    let alice = client(&gateway, "alice");
    alice.connect().await.unwrap();
    let mut newer = Socket::connect(&gateway, "alice").await;
    let end = must("the client ends", alice.closed()).await;
    assert_eq!(end.close_code().map(|code| code.0), Some(4409));
    newer.messages_until_pong().await;
}

#[tokio::test]
async fn refused_send_has_outcome_refused() {
    let gateway = Gateway::start().await;
    let token = Token::for_user("alice").clans(&["mine"]).text();
    let url = format!("ws://{}/ws", gateway.address());
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    let alice = Client::builder(url).token(provider).build().unwrap();
    let error = alice.clan_chat("theirs").unwrap().send("x").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.code().map(|code| code.as_str()), Some("forbidden"));
    assert!(alice.clan_chat("not an id").is_err());
}

#[tokio::test]
async fn resumes_from_saved_position_after_app_restart() {
    let gateway = Gateway::start().await;
    let writer = client(&gateway, "writer").clan_chat("c").unwrap();
    let saved = {
        let app = client(&gateway, "app");
        let mut chat = app.clan_chat("c").unwrap().subscribe().await.unwrap();
        writer.send("seen").await.unwrap();
        assert_eq!(offsets(&mut chat, 1).await, [1]);
        let saved = chat.position().cloned().unwrap();
        app.close().await;
        saved
    };
    for n in 0..5 {
        writer.send(n.to_string()).await.unwrap();
    }
    let app = client(&gateway, "app");
    let mut chat = app.clan_chat("c").unwrap().subscribe().from(saved).await.unwrap();
    assert_eq!(offsets(&mut chat, 5).await, [2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn stream_survives_long_outage_of_permission_service() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let settings = Settings::default()
        .set("permissions.source", "\"http\"")
        .set("permissions.url", &format!("\"{}\"", service.url()))
        .set("permissions.stale_grace", "\"0s\"");
    let gateway = Gateway::with(settings).await;
    let alice = client(&gateway, "alice");
    let mut stream = alice.clan_chat("c").unwrap().subscribe().await.unwrap();
    let post = async |content: &str| {
        let body = json!({ "content": content });
        gateway.api().json(reqwest::Method::POST, "/api/v1/clans/c/messages", Some(body)).await.0
    };
    assert!(post("before").await.is_success());
    assert_eq!(offsets(&mut stream, 1).await, [1]);
    service.set_response(json!("not an answer"));
    // The gateway checks the permission, ends the subscription, and checks again when the SDK resubscribes.
    service.wait_for_requests(service.request_count() + 3).await;
    assert!(post("meanwhile").await.is_success());
    service.set_response(json!({ "allowed": true, "ttlSeconds": 1 }));
    assert!(post("after").await.is_success());
    assert_eq!(offsets(&mut stream, 2).await, [2, 3]);
}
