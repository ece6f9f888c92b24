//! The backend decides what is published to a topic without history: what it allows is sent to the current subscribers, and
//! nothing is stored or recognised as a repeat.

use super::*;

const TOPIC: &str = "live-1";
const EVENTS: &str = "/api/v1/services/forum/topics/live-1/events";

/// Subscribes a new session of a user.
async fn join(forum: &Forum, user: &str) -> Socket {
    let mut socket = forum.connect(user).await;
    assert_eq!(socket.request(subscribe(TOPIC)).await["status"], "subscribed");
    socket
}

fn accepted(id: &str) -> Value {
    json!({ "type": "publish_accepted", "service": "forum", "topic": TOPIC, "clientMessageId": id, "requestId": id })
}

/// Returns the texts of the events that a subscriber has received, up to now.
async fn texts(subscriber: &mut Socket) -> Vec<String> {
    let messages = subscriber.messages_until_pong().await;
    let text = |message: &Value| {
        assert_eq!(message["type"], "ephemeral_event", "{message}");
        message["data"]["text"].as_str().unwrap().to_owned()
    };
    messages.iter().map(text).collect()
}

#[tokio::test]
async fn sends_what_the_backend_returns_and_asks_about_every_repeat() {
    let mut forum = Forum::start().await;
    let (mut alice, mut bob) = (join(&forum, "alice").await, forum.connect("bob").await);
    bob.send(publish(TOPIC, "hello", "m1")).await;
    let request = forum.request("publish").await;
    let body = request.body();
    assert_eq!(
        (&body["topic"], &body["params"], &body["data"], &body["clientMessageId"], &body["userId"]),
        (&json!(TOPIC), &json!({ "roomId": "1" }), &json!({ "text": "hello" }), &json!("m1"), &json!("bob"))
    );
    request.answer(200, &json!({ "data": post("HELLO") })).await;
    assert_eq!(bob.next().await.unwrap(), accepted("m1"));
    let event = alice.expect("ephemeral_event").await;
    let members = json!({
        "type": "ephemeral_event", "service": "forum", "topic": TOPIC, "data": post("HELLO"),
        "publishedAt": event["publishedAt"], "userId": "bob", "clientMessageId": "m1",
    });
    assert_eq!(event, members);
    // The backend is asked about a repeat, gets the same id, and decides again; other data under the id is no conflict.
    for text in ["hello", "other"] {
        bob.send(publish(TOPIC, text, "m1")).await;
        let request = forum.request("publish").await;
        assert_eq!(request.body()["clientMessageId"], "m1");
        request.answer(200, &json!({ "data": post(text) })).await;
        assert_eq!(bob.next().await.unwrap(), accepted("m1"));
        assert_eq!(alice.expect("ephemeral_event").await["data"], post(text));
    }
    bob.send(publish(TOPIC, "hello", "m1")).await;
    forum.request("publish").await.answer(409, &json!({ "code": "known" })).await;
    let refused = bob.expect("error").await;
    assert_eq!((&refused["code"], &refused["details"]["code"]), (&json!("forbidden"), &json!("known")));
    assert_eq!(texts(&mut alice).await, [""; 0]);
    // The history of another topic, and of this one, has nothing of it.
    let history = json!({ "type": "topic_history", "service": "forum", "topic": TOPIC });
    assert_eq!(alice.request(history).await["code"], "invalid_message");
    // Backends publish without a question.
    let response =
        forum.gateway.api().call(Method::POST, EVENTS, Some(json!({ "data": post("of the backend") }))).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(texts(&mut alice).await, ["of the backend"]);
    assert!(!forum.backend.has_request());
}

#[tokio::test]
async fn refusal_and_outage_of_backend_send_nothing() {
    let mut forum = Forum::with(Settings::default().set("services.forum.backend.timeout", "\"300ms\"")).await;
    let (mut alice, mut bob) = (join(&forum, "alice").await, forum.connect("bob").await);
    let not_post = json!({ "data": { "text": "without by" } }).to_string();
    for (status, body, code) in [
        (400, r#"{"code":"profanity","message":"mind your language"}"#, "forbidden"),
        (404, "", "forbidden"),
        (302, "", "unavailable"),
        (408, "", "unavailable"),
        (429, "", "unavailable"),
        (500, "", "unavailable"),
        (503, "", "unavailable"),
        (204, "", "unavailable"),
        (200, "rubbish", "unavailable"),
        (200, not_post.as_str(), "unavailable"),
    ] {
        bob.send(publish(TOPIC, "hello", "m1")).await;
        forum.request("publish").await.answer_with(status, "location: /elsewhere\r\n", body).await;
        let error = bob.expect("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!(code), &json!("m1")), "{status} {body}");
        assert_eq!((&error["service"], &error["topic"]), (&json!("forum"), &json!(TOPIC)));
        assert_eq!(error["retryAfterMs"].is_u64(), code == "unavailable", "{error}");
    }
    bob.send(publish(TOPIC, "hello", "m1")).await;
    forum.request("publish").await.hang_up();
    assert_eq!(bob.expect("error").await["code"], "unavailable");
    bob.send(publish(TOPIC, "hello", "m1")).await;
    let unanswered = forum.request("publish").await;
    assert_eq!(bob.expect("error").await["code"], "unavailable");
    // It is too late for this answer.
    unanswered.answer(200, &json!({ "data": post("late") })).await;
    let invalid = json!({ "type": "publish", "service": "forum", "topic": TOPIC, "data": { "text": 7 } });
    assert_eq!(bob.request(invalid).await["details"]["pointer"], "/text");
    assert!(!forum.backend.has_request(), "data that does not fit is not asked about");
    assert_eq!(texts(&mut alice).await, [""; 0]);
    bob.send(publish(TOPIC, "hello", "m1")).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("at last") })).await;
    assert_eq!(bob.expect("publish_accepted").await["requestId"], "m1");
    assert_eq!(texts(&mut alice).await, ["at last"]);
}

#[tokio::test]
async fn slow_backend_keeps_the_order_and_delays_no_other_command() {
    let mut forum = Forum::start().await;
    let (mut alice, mut bob, mut carol) =
        (join(&forum, "alice").await, forum.connect("bob").await, forum.connect("carol").await);
    for number in 1..=3 {
        bob.send(publish(TOPIC, &number.to_string(), &format!("m{number}"))).await;
    }
    let first = forum.request("publish").await;
    // What others publish, and other commands of this session, do not wait.
    assert_eq!(bob.request(json!({ "type": "ping" })).await["type"], "pong");
    assert_eq!(bob.chat("c", "between").await["type"], "message_sent");
    carol.send(publish(TOPIC, "of carol", "c1")).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("of carol") })).await;
    assert_eq!(carol.expect("publish_accepted").await["clientMessageId"], "c1");
    forum.gateway.api().call(Method::POST, EVENTS, Some(json!({ "data": post("of the backend") }))).await;
    assert!(!forum.backend.has_request(), "the second publication waits for the first");
    first.answer(200, &json!({ "data": post("1") })).await;
    forum.request("publish").await.answer(403, &json!({})).await;
    // The session ends while the backend decides.
    let third = forum.request("publish").await;
    let replies = [bob.next().await.unwrap(), bob.next().await.unwrap()];
    assert_eq!(replies.each_ref().map(|reply| reply["type"].as_str().unwrap()), ["publish_accepted", "error"]);
    drop(bob);
    eventually("the session has ended", async || metrics(&forum.gateway).await.contains("gateway_sessions_active 2\n"))
        .await;
    third.answer(200, &json!({ "data": post("3") })).await;
    for text in ["of carol", "of the backend", "1", "3"] {
        assert_eq!(alice.expect("ephemeral_event").await["data"], post(text));
    }
}

#[tokio::test]
async fn reload_gives_the_topic_a_history_while_the_backend_decides() {
    let mut forum = Forum::start().await;
    let (mut alice, mut bob) = (join(&forum, "alice").await, forum.connect("bob").await);
    bob.send(publish(TOPIC, "asked before", "m1")).await;
    bob.send(publish(TOPIC, "waits", "m2")).await;
    let before = forum.request("publish").await;
    forum.files.write_contract(&CONTRACT.replace("history = false", "history = { max_entries = 3 }"));
    forum.gateway.signal("HUP").await;
    // Subscriptions without a position end when the topic gets one.
    assert_eq!(alice.expect("subscription_ended").await["code"], "unavailable");
    assert_eq!(alice.request(subscribe(TOPIC)).await["offset"], 0);
    // The decision was asked for under the earlier contract. The client learns that the event is not stored.
    before.answer(200, &json!({ "data": post("asked before") })).await;
    assert_eq!(bob.expect("publish_accepted").await["clientMessageId"], "m1");
    assert_eq!(alice.expect("ephemeral_event").await["data"], post("asked before"));
    forum.request("publish").await.answer(200, &json!({ "data": post("waits") })).await;
    let sent = bob.expect("message_sent").await;
    assert_eq!((&sent["clientMessageId"], &sent["offset"]), (&json!("m2"), &json!(1)));
    assert_eq!(alice.expect("event").await["offset"], 1);
    assert_eq!(bob.request(publish(TOPIC, "waits", "m2")).await["duplicate"], true, "now a repeat is recognised");
    assert!(!forum.backend.has_request());
}
