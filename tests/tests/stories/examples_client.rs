//! The example of a client without an SDK, through everything that breaks a connection, and the example of a program that
//! embeds the gateway.

use realtime_gateway_tests::{ExampleProgram, Gateway, Settings, Socket, Token, must};
use serde_json::{Value, json};

use crate::examples_auth::start_identity_provider;

/// The client in Python as this user, in the clan `c`.
fn client(gateway: &Gateway, token: &Token) -> ExampleProgram {
    let mut command = ExampleProgram::python_command("websocket_client.py");
    let url = format!("ws://{}/ws", gateway.address());
    command.args(["--url", &url, "--clan", "c", "--token", &token.text()]);
    ExampleProgram::start(command)
}

/// Passes over lines until one has this event.
async fn until(client: &mut ExampleProgram, event: &str) -> Value {
    loop {
        let line = client.line().await;
        if line["event"] == event {
            return line;
        }
    }
}

/// The offsets of the next chat messages. What the client reports as lost is a failure.
async fn offsets(client: &mut ExampleProgram, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        let line = client.line().await;
        assert_ne!(line["event"], "gap", "{line}");
        if line["event"] == "chat" {
            offsets.push(line["offset"].as_u64().unwrap());
        }
    }
    offsets
}

#[tokio::test]
async fn client_in_python_misses_nothing_when_the_gateway_is_killed() {
    let mut gateway = Gateway::start().await;
    let mut client = client(&gateway, &Token::for_user("alice"));
    assert_eq!(until(&mut client, "subscribed").await["recovered"], false);
    client.type_line("first").await;
    assert_eq!(offsets(&mut client, 1).await, [1]);
    gateway.kill().await;
    assert_eq!(until(&mut client, "closed").await["code"], 1006);
    // Said while there is no gateway: it waits, and is sent once.
    client.type_line("second").await;
    gateway.restart().await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    let recovered = until(&mut client, "subscribed").await;
    assert_eq!((&recovered["recovered"], offsets(&mut client, 1).await), (&json!(true), vec![2]));
    bob.chat("c", "third").await;
    assert_eq!(offsets(&mut client, 1).await, [3]);
    client.end_input();
    assert_eq!(client.exit_code().await, Some(0));
}

#[tokio::test]
async fn client_in_python_recovers_what_was_said_while_it_was_away() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"0s\"").set("drain.grace", "\"5s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut client = client(&gateway, &Token::for_user("alice"));
    until(&mut client, "subscribed").await;
    gateway.signal("TERM").await;
    assert_eq!(until(&mut client, "closed").await["code"], 1012);
    gateway.exit_code().await;
    gateway.restart().await;
    for n in 0..5 {
        Socket::connect(&gateway, "bob").await.chat("c", &format!("message {n}")).await;
    }
    assert_eq!(offsets(&mut client, 5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn client_in_python_shows_a_notification_once_and_acknowledges_it() {
    let mut gateway = Gateway::start().await;
    let mut alice = client(&gateway, &Token::for_user("alice"));
    until(&mut alice, "subscribed").await;
    gateway.api().notify("alice", "first").await;
    assert_eq!(until(&mut alice, "notification").await["title"], "first");
    gateway.kill().await;
    gateway.restart().await;
    gateway.api().notify("alice", "second").await;
    assert_eq!(until(&mut alice, "notification").await["title"], "second", "the first is not shown again");
    alice.end_input();
    assert_eq!(alice.exit_code().await, Some(0));
    // What it acknowledged waits no more. The acknowledgement of the second may still be on its way when it ends.
    let mut socket = Socket::connect(&gateway, "alice").await;
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    let pending = socket.wait_for("subscription_confirmed").await["pending"].as_u64().unwrap();
    assert!(pending <= 1, "{pending}");
}

#[tokio::test]
async fn client_in_python_stays_away_when_another_session_replaces_it() {
    let gateway = Gateway::start().await;
    let mut alice = client(&gateway, &Token::for_user("alice"));
    until(&mut alice, "subscribed").await;
    let _second = Socket::connect(&gateway, "alice").await;
    assert_eq!(until(&mut alice, "ended").await["reason"], "closed with 4409");
    assert_eq!(alice.exit_code().await, Some(1));
}

#[tokio::test]
async fn client_in_python_stays_away_with_a_token_that_is_not_valid() {
    let gateway = Gateway::start().await;
    let mut alice = client(&gateway, &Token::for_user("alice").signed_with("another secret of at least 32 bytes!"));
    assert_eq!(until(&mut alice, "refused upgrade").await["status"], 401);
    let reason = until(&mut alice, "ended").await["reason"].clone();
    assert_eq!(reason, "the token is not valid any more, and there is no other");
    assert_eq!(alice.exit_code().await, Some(1));
}

#[tokio::test]
async fn client_in_python_signs_in_again_when_its_token_has_expired() {
    let (_provider, listening) = start_identity_provider().await;
    let setting = |name: &str| format!("\"{}\"", listening[name].as_str().unwrap());
    let gateway = Gateway::with(Settings::default().set("auth.jwks_url", &setting("jwksUrl"))).await;
    let mut command = ExampleProgram::python_command("websocket_client.py");
    let (url, token) = (format!("ws://{}/ws", gateway.address()), Token::for_user("alice").expired_for(PAST).text());
    let sign_in = format!("{}/token", listening["issuer"].as_str().unwrap());
    command.args(["--url", &url, "--token", &token, "--sign-in", &sign_in, "--user", "alice", "--password", "rabbit"]);
    let mut client = ExampleProgram::start(command);
    assert_eq!(until(&mut client, "refused upgrade").await["status"], 401);
    assert_eq!(until(&mut client, "subscribed").await["offset"], 0);
}

/// Longer ago than the leeway for clocks that differ.
const PAST: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test]
async fn program_with_an_embedded_gateway_serves_its_own_state_and_shuts_down() {
    let mut command = ExampleProgram::rust_command("embedded");
    command.arg("127.0.0.1:0");
    let mut program = ExampleProgram::start(command);
    let url = program.until_field("url").await["url"].as_str().unwrap().to_owned();
    let mut players = Vec::new();
    for _ in 0..2 {
        let token = program.until_field("token").await["token"].as_str().unwrap().to_owned();
        let mut socket = Socket::connect_to(&url, &token).await;
        socket.request(json!({ "type": "subscribe", "service": "score", "topic": "match-1" })).await;
        players.push(socket);
    }
    for (points, total) in [(5, 5), (7, 12)] {
        let publish = json!({ "type": "publish", "service": "score", "topic": "match-1", "data": points });
        assert_eq!(players[0].request(publish).await["type"], "message_sent");
        assert_eq!(players[1].wait_for("event").await["data"], json!({ "player": "alice", "total": total }));
    }
    program.signal("TERM").await;
    assert_eq!(players[1].close_code().await, 1012);
    assert_eq!(program.until_field("totals").await, json!({ "totals": { "alice": 12 } }));
    assert_eq!(must("the end", program.exit_code()).await, Some(0));
}
