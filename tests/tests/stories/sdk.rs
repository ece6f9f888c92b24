//! The Rust SDK against a real gateway: what an app sees while its connections are killed, moved and refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use realtime_gateway_sdk::{ChatEvent, ChatStream, Client, Outcome};
use realtime_gateway_tests::{Answers, Gateway, Settings, Socket, Token, must};
use serde_json::json;

fn client(gateway: &Gateway, user: &str) -> Client {
    let token = Token::of(user).text();
    let url = format!("ws://{}/ws", gateway.address());
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    Client::builder(url).token(provider).build().unwrap()
}

/// The offsets of the next messages; a gap is a failure.
async fn offsets(chat: &mut ChatStream, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        match must("a chat event", chat.next()).await.expect("the stream goes on") {
            ChatEvent::Message(message) => offsets.push(message.offset),
            ChatEvent::Gap(gap) => panic!("a gap: {gap:?}"),
            _ => {}
        }
    }
    offsets
}

#[tokio::test]
async fn two_users_talk_while_the_gateway_is_killed_and_restarted() {
    let mut gateway = Gateway::start().await;
    let (alice, bob) = (client(&gateway, "alice"), client(&gateway, "bob"));
    let mut stream = bob.clan_chat("c").unwrap().subscribe().await.unwrap();
    let says = alice.clan_chat("c").unwrap();
    for n in 0..20 {
        says.send(format!("before {n}")).await.unwrap();
    }
    gateway.kill().await;
    // What is said while nobody is there waits, and is said once.
    let sending: Vec<_> = (0..20).map(|n| says.send(format!("meanwhile {n}")).into_future()).collect();
    let ((), receipts) = tokio::join!(gateway.restart(), futures_util::future::join_all(sending));
    let sent: Vec<u64> = receipts.into_iter().map(|receipt| receipt.unwrap().offset).collect();
    assert_eq!(sent, (21..=40).collect::<Vec<_>>());
    for n in 0..20 {
        says.send(format!("after {n}")).await.unwrap();
    }
    assert_eq!(offsets(&mut stream, 60).await, (1..=60).collect::<Vec<_>>());
}

#[tokio::test]
async fn notifications_come_once_and_acknowledgements_hold() {
    let mut gateway = Gateway::start().await;
    let alice = client(&gateway, "alice");
    let mut inbox = alice.notifications().subscribe().await.unwrap();
    gateway.api().notify("alice", "first").await;
    let first = must("the first", inbox.next()).await.unwrap();
    assert_eq!(first.title, "first");
    inbox.ack(&first).await.unwrap();
    gateway.api().notify("alice", "second").await;
    assert_eq!(must("the second", inbox.next()).await.unwrap().title, "second");
    gateway.kill().await;
    gateway.restart().await;
    gateway.api().notify("alice", "third").await;
    // The second is sent again by the gateway, and not shown again by the SDK.
    assert_eq!(must("the third", inbox.next()).await.unwrap().title, "third");
}

#[tokio::test]
async fn a_draining_node_is_left_without_losing_or_doubling_anything() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"1s\"").set("drain.grace", "\"5s\"");
    let mut gateway = Gateway::with(settings).await;
    let (alice, bob) = (client(&gateway, "alice"), client(&gateway, "bob"));
    let mut stream = bob.clan_chat("c").unwrap().subscribe().await.unwrap();
    let says = alice.clan_chat("c").unwrap();
    let talk = async {
        for n in 0..100 {
            says.send(n.to_string()).await.unwrap();
        }
    };
    let deploy = async {
        gateway.signal("TERM").await;
        assert_eq!(gateway.exit_code().await, Some(0));
        gateway.restart().await;
    };
    let ((), (), heard) = tokio::join!(talk, deploy, offsets(&mut stream, 100));
    assert_eq!(heard, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let gateway = Gateway::start().await;
    let url = format!("ws://{}/ws", gateway.address());
    let asked = Arc::new(AtomicU64::new(0));
    let counted = asked.clone();
    let provider = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, std::io::Error>(Token::of("alice").lasting(Duration::from_secs(4)).text()) }
    };
    let alice = Client::builder(url).token(provider).build().unwrap();
    let clan = alice.clan_chat("c").unwrap();
    let mut stream = clan.subscribe().await.unwrap();
    let mut sent = 0;
    while asked.load(Ordering::SeqCst) < 4 {
        clan.send("still here").await.unwrap();
        sent += 1;
        assert_eq!(offsets(&mut stream, 1).await, [sent]);
    }
}

#[tokio::test]
async fn whoever_is_replaced_is_told_and_stays_away() {
    let gateway = Gateway::start().await;
    let alice = client(&gateway, "alice");
    alice.connect().await.unwrap();
    let mut newer = Socket::of(&gateway, "alice").await;
    let end = must("the end", alice.closed()).await;
    assert_eq!(end.close_code().map(|code| code.0), Some(4409));
    newer.drain().await;
}

#[tokio::test]
async fn a_refused_send_says_that_it_was_refused() {
    let gateway = Gateway::start().await;
    let token = Token::of("alice").clans(&["mine"]).text();
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
async fn a_restarted_app_goes_on_from_a_saved_position() {
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
async fn a_stream_outlives_a_permission_service_that_is_away_for_too_long() {
    let service = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let settings = Settings::default()
        .set("permissions.source", "\"http\"")
        .set("permissions.url", &format!("\"{}\"", service.url()))
        .set("permissions.stale_grace", "\"0s\"");
    let gateway = Gateway::with(settings).await;
    let alice = client(&gateway, "alice");
    let mut stream = alice.clan_chat("c").unwrap().subscribe().await.unwrap();
    let say = async |content: &str| {
        let body = json!({ "content": content });
        gateway.api().json(reqwest::Method::POST, "/api/v1/clans/c/messages", Some(body)).await.0
    };
    assert!(say("before").await.is_success());
    assert_eq!(offsets(&mut stream, 1).await, [1]);
    service.set(json!("not an answer"));
    // The gateway asks, ends the subscription, and asks again when the SDK subscribes again.
    service.asked_times(service.asked() + 3).await;
    assert!(say("meanwhile").await.is_success());
    service.set(json!({ "allowed": true, "ttlSeconds": 1 }));
    assert!(say("after").await.is_success());
    assert_eq!(offsets(&mut stream, 2).await, [2, 3]);
}
