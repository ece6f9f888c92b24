//! The tokio driver over real sockets, against a gateway that follows a script.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use realtime_gateway_sdk::protocol::{CloseCode, ErrorCode, ServerMessage};
use realtime_gateway_sdk::{ChatEvent, ErrorKind, GapReason, Outcome, RawEvent, State};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::{Gateway, chat, connected};

#[tokio::test]
async fn connects_and_identifies_client_at_first_use() {
    let gateway = Gateway::start().await;
    let client = gateway.builder().device_id("phone").build().unwrap();
    assert_eq!(*client.state().borrow(), State::Idle);
    let (connecting, (peer, authenticate)) = tokio::join!(client.connect(), gateway.greet());
    connecting.unwrap();
    assert!(client.state().borrow().is_connected());
    assert_eq!(authenticate["token"], "a token");
    assert_eq!(authenticate["deviceId"], "phone");
    assert_eq!(authenticate["client"]["name"], "realtime-gateway-sdk");
    assert_eq!(authenticate["client"]["attempt"], 1);
    drop(peer);
}

#[tokio::test]
async fn stream_continues_after_lost_connection() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let clan = client.clan_chat("c").unwrap();
    let server = async {
        let (mut peer, first) = gateway.greet().await;
        let requested = peer.confirm(2, false).await;
        assert_eq!((requested.get("recover"), &requested["history"]), (None, &json!(2)));
        peer.send(chat(1)).await;
        peer.send(chat(2)).await;
        peer.send(chat(3)).await;
        peer.close(1012).await;
        let (mut peer, second) = gateway.greet().await;
        assert_eq!(second["client"]["instance"], first["client"]["instance"]);
        assert_eq!(second["client"]["attempt"], 2);
        let requested = peer.confirm(4, true).await;
        assert_eq!(requested["recover"], json!({"offset": 3, "epoch": "e"}));
        peer.send(chat(3)).await;
        peer.send(chat(4)).await;
        peer
    };
    let app = async {
        let mut stream = clan.subscribe().history(2).await.unwrap();
        for offset in 1..=4 {
            let Some(ChatEvent::Message(message)) = stream.next().await else { panic!("no message") };
            assert_eq!(message.offset, offset);
            assert_eq!(stream.position().unwrap().offset(), offset);
        }
        stream
    };
    let (_peer, _stream) = tokio::join!(server, app);
}

#[tokio::test]
async fn repeats_send_with_same_client_message_id() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let clan = client.clan_chat("c").unwrap();
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        let first = peer.receive("chat").await;
        assert_eq!(first["content"], "Hello!");
        drop(peer);
        let (mut peer, _) = gateway.greet().await;
        let again = peer.receive("chat").await;
        assert_eq!(again["clientMessageId"], first["clientMessageId"]);
        let sent = json!({"type": "message_sent", "messageId": "m1", "clanId": "c", "offset": 7, "duplicate": true});
        peer.answer(&again, sent).await;
        peer
    };
    let (_peer, receipt) = tokio::join!(server, async { clan.send("Hello!").await });
    let receipt = receipt.unwrap();
    assert_eq!((receipt.message_id.as_str(), receipt.offset, receipt.duplicate), ("m1", 7, true));
}

#[tokio::test]
async fn renews_expired_token_on_same_connection() {
    let gateway = Gateway::start().await;
    let requested = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&requested);
    let provider = move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, String>(format!("token {number}")) }
    };
    let client = gateway.builder().token(provider).build().unwrap();
    let server = async {
        let (mut peer, first) = gateway.greet().await;
        assert_eq!(first["token"], "token 0");
        let query = peer.receive("presence").await;
        peer.answer(&query, json!({"type": "error", "code": "token_expired", "message": "expired"})).await;
        let renewal = peer.receive("authenticate").await;
        assert_eq!(renewal["token"], "token 1");
        let done = json!({"type": "authenticated", "userId": "me", "expiresAt": "2026-01-31T13:00:00.000Z"});
        peer.answer(&renewal, done).await;
        let query = peer.receive("presence").await;
        peer.answer(&query, json!({"type": "presence", "clanId": "c", "users": [], "count": 0})).await;
        peer
    };
    let clan = client.clan_chat("c").unwrap();
    let (_peer, presence) = tokio::join!(server, clan.presence());
    assert_eq!(presence.unwrap().count, 0);
    assert_eq!(requested.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn slow_stream_gets_gap_without_delaying_others() {
    let gateway = Gateway::start().await;
    let client = gateway.builder().stream_buffer(10).build().unwrap();
    let clan = client.clan_chat("c").unwrap();
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        peer.confirm(0, false).await;
        peer
    };
    let (mut peer, slow) = tokio::join!(server, async { clan.subscribe().await.unwrap() });
    let mut slow = slow;
    let mut quick = clan.subscribe().await.unwrap();
    for offset in 1..=100 {
        peer.send(chat(offset)).await;
        let Some(ChatEvent::Message(message)) = quick.next().await else { panic!("no message") };
        assert_eq!(message.offset, offset);
    }
    assert!(matches!(slow.next().await, Some(ChatEvent::Message(message)) if message.offset == 1));
    // There is room again, but what comes now lies behind the gap.
    peer.send(chat(101)).await;
    assert!(matches!(quick.next().await, Some(ChatEvent::Message(message)) if message.offset == 101));
    for offset in 2..=10 {
        assert!(matches!(slow.next().await, Some(ChatEvent::Message(message)) if message.offset == offset));
    }
    let Some(ChatEvent::Gap(gap)) = slow.next().await else { panic!("no gap") };
    assert_eq!((gap.before, gap.after.offset(), gap.reason), (10, 101, GapReason::Slow));
    assert_eq!(slow.position(), Some(&gap.after));
    peer.send(chat(102)).await;
    assert!(matches!(slow.next().await, Some(ChatEvent::Message(message)) if message.offset == 102));
}

#[tokio::test]
async fn last_stream_unsubscribes_and_last_handle_closes() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let clan = client.clan_chat("c").unwrap();
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        peer.confirm(0, false).await;
        peer
    };
    let (mut peer, stream) = tokio::join!(server, async { clan.subscribe().await.unwrap() });
    let second = clan.subscribe().await.unwrap();
    drop(stream);
    drop(second);
    let command = peer.receive("unsubscribe_clan_chat").await;
    assert_eq!(command["clanId"], "c");
    let state = client.state();
    drop(client);
    drop(clan);
    assert_eq!(peer.receive_close().await, 1000);
    drop(peer);
    let mut state = state;
    state.wait_for(|state| matches!(state, State::Closed(_))).await.unwrap();
}

#[tokio::test]
async fn unsubscribes_when_the_subscribing_future_is_dropped() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let clan = client.clan_chat("c").unwrap();
    let mut subscribing = clan.subscribe().into_future();
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        peer.receive("subscribe_clan_chat").await;
        peer
    };
    let mut peer = tokio::select! {
        _ = &mut subscribing => panic!("no confirmation was sent"),
        peer = server => peer,
    };
    drop(subscribing);
    peer.receive("unsubscribe_clan_chat").await;
}

#[tokio::test]
async fn does_not_subscribe_for_future_dropped_immediately() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let clan = client.clan_chat("c").unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The client's task has not run yet: it finds all of these in one turn.
    for _ in 0..50 {
        let mut subscribing = clan.subscribe().into_future();
        assert!(subscribing.as_mut().poll(&mut context).is_pending());
    }
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        let query = peer.receive("presence").await;
        peer.answer(&query, json!({"type": "presence", "clanId": "c", "users": [], "count": 0})).await;
        peer
    };
    let (_peer, presence) = tokio::join!(server, clan.presence());
    presence.unwrap();
}

#[tokio::test]
async fn replaced_client_refuses_calls_until_resumed() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let inbox = async {
        let notifications = client.notifications();
        notifications.subscribe().await
    };
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        peer.receive("subscribe_notifications").await;
        peer.close(4409).await;
    };
    let (inbox, ()) = tokio::join!(inbox, server);
    assert_eq!(inbox.unwrap_err().close_code(), Some(CloseCode::REPLACED));
    assert_eq!(client.closed().await.close_code(), Some(CloseCode::REPLACED));
    let error = client.clan_chat("c").unwrap().send("x").await.unwrap_err();
    assert_eq!((error.is_retryable(), error.outcome()), (false, Outcome::NotSent));
    assert!(client.connect().await.is_err());
    let clan = client.clan_chat("c").unwrap();
    let server = async {
        let (mut peer, second) = gateway.greet().await;
        assert_eq!(second["client"]["attempt"], 2);
        peer.confirm(0, false).await;
        peer.close(4409).await;
    };
    let app = async {
        client.resume().await.unwrap();
        let stream = clan.subscribe().await.unwrap();
        client.closed().await;
        stream
    };
    let ((), mut stream) = tokio::join!(server, app);
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        let requested = peer.confirm(1, true).await;
        assert_eq!(requested["recover"], json!({"offset": 0, "epoch": "e"}));
        peer.send(chat(1)).await;
        peer
    };
    let (_peer, (resumed, event)) = tokio::join!(server, async { (client.resume().await, stream.next().await) });
    resumed.unwrap();
    assert!(matches!(event, Some(ChatEvent::Message(message)) if message.offset == 1));
    client.close().await;
    assert!(stream.next().await.is_none() && client.resume().await.is_err());
}

#[tokio::test]
async fn delivers_notifications_once_and_repeats_acknowledgements() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let notification = json!({
        "type": "notification", "id": "n1", "title": "Hi", "message": "there", "offset": 1,
        "createdAt": "2026-01-31T12:00:00.000Z",
    });
    let confirmed = json!({
        "type": "subscription_confirmed", "service": "notifications", "status": "subscribed", "offset": 1,
        "epoch": "e", "recovered": true, "pending": 1,
    });
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        let command = peer.receive("subscribe_notifications").await;
        peer.answer(&command, confirmed.clone()).await;
        peer.send(notification.clone()).await;
        peer.receive("notification_ack").await;
        drop(peer);
        let (mut peer, _) = gateway.greet().await;
        let command = peer.receive("subscribe_notifications").await;
        let ack = peer.receive("notification_ack").await;
        assert_eq!(ack["notificationIds"], json!(["n1"]));
        peer.answer(&command, confirmed.clone()).await;
        peer.send(notification.clone()).await;
        let mut second = notification.clone();
        (second["id"], second["offset"]) = (json!("n2"), json!(2));
        peer.send(second).await;
        peer.answer(&ack, json!({"type": "ack_confirmed", "notificationIds": ["n1"]})).await;
        peer
    };
    let app = async {
        let mut inbox = client.notifications().subscribe().await.unwrap();
        let first = inbox.next().await.unwrap();
        assert_eq!(first.title, "Hi");
        inbox.ack(&first).await.unwrap();
        assert_eq!(inbox.next().await.unwrap().id.as_str(), "n2");
        inbox
    };
    let (_peer, _inbox) = tokio::join!(server, app);
}

#[tokio::test]
async fn retries_refused_upgrade() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let server = async {
        let (mut socket, _) = gateway.listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        drop(socket);
        gateway.greet().await
    };
    let (result, _peer) = tokio::join!(client.connect(), server);
    result.unwrap();
}

#[tokio::test]
async fn requests_and_messages_of_later_versions_pass_through() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let mut messages = client.messages().await.unwrap();
    let server = async {
        let (mut peer, _) = gateway.greet().await;
        let command = peer.receive("dance").await;
        assert_eq!(command["style"], "tango");
        peer.answer(&command, json!({"type": "danced", "steps": 3})).await;
        let command = peer.receive("dance").await;
        peer.answer(&command, json!({"type": "error", "code": "unknown_type", "message": "no"})).await;
        peer
    };
    let app = async {
        let ServerMessage::Unknown(answer) = client.request("dance", json!({"style": "tango"})).await.unwrap() else {
            panic!("known")
        };
        assert_eq!(answer.type_name, "danced");
        client.request("dance", json!({})).await.unwrap_err()
    };
    let (_peer, error) = tokio::join!(server, app);
    assert_eq!((error.code(), error.outcome()), (Some(&ErrorCode::UnknownType), Outcome::Refused));
    let mut types = vec![];
    while types.len() < 3 {
        if let Some(RawEvent::Message(message)) = messages.next().await {
            types.push(message.type_name().to_owned());
        }
    }
    assert_eq!(types, ["connected", "danced", "error"]);
    assert_eq!(connected()["type"], types[0]);
}

#[test]
fn refuses_invalid_calls_immediately() {
    let gateway =
        |url: &str| realtime_gateway_sdk::Client::builder(url).token(|| async { Ok::<_, String>("t") }).build();
    assert!(gateway("http://example.com").is_err());
    assert!(gateway("not an address").is_err());
    assert!(realtime_gateway_sdk::Client::builder("ws://example.com").build().is_err());
    let client = gateway("wss://example.com/ws").unwrap();
    assert!(client.clan_chat("two words").is_err());
    assert!(client.topic("clan_chat", "x").is_err());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let connecting = std::pin::pin!(client.connect());
    let std::task::Poll::Ready(result) = connecting.poll(&mut context) else { panic!("it waits") };
    assert_eq!(result.unwrap_err().kind(), &ErrorKind::Runtime);
}
