//! Runs the examples of docs/examples as a backend team would: through a broker and over HTTP, with connected clients.

use realtime_gateway_brokers::rabbitmq::RabbitServer;
use realtime_gateway_tests::{Api, ExampleProgram, Gateway, Settings, Socket, eventually, must};
use serde_json::{Value, json};
use tokio::process::Command;

/// An identifier that must be encoded in a routing key.
const USER: &str = "alice.o'hara~1";
const CLAN: &str = "clan.of*all";

/// Runs an example, which must succeed, and returns the JSON lines that it prints.
async fn lines(command: &mut Command) -> Vec<Value> {
    let output = must("the example ends", command.kill_on_drop(true).output()).await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Starts a broker and a gateway that is connected to it.
async fn broker() -> (RabbitServer, String, Gateway) {
    let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
    let url = format!("{}/%2f", broker.url());
    let gateway = Gateway::with(Settings::default().set("bus.url", &format!("\"{url}\""))).await;
    eventually("the gateway is connected to the broker", || async {
        gateway.api().get("/health").await["bus"]["status"] == "ok"
    })
    .await;
    (broker, url, gateway)
}

/// Connects a client that subscribes to notifications and to a clan.
async fn listener(gateway: &Gateway) -> Socket {
    let mut socket = Socket::connect(gateway, USER).await;
    socket.join(CLAN).await;
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    socket.wait_for("subscription_confirmed").await;
    socket
}

#[tokio::test]
async fn examples_publish_through_a_broker() {
    let (_broker, url, gateway) = broker().await;
    let mut alice = listener(&gateway).await;
    let arguments = ["--amqp", &url, "--user", USER, "--clan", CLAN];
    let (mut in_python, mut in_node) =
        (ExampleProgram::python_command("publish.py"), ExampleProgram::node_command("publish.mjs"));
    in_python.args(arguments);
    in_node.args(arguments);
    let mut in_rust = ExampleProgram::rust_command("publish");
    in_rust.args([&url, USER, CLAN]);
    for command in [&mut in_python, &mut in_node, &mut in_rust] {
        let published = lines(command).await;
        assert_eq!(published.len(), 2, "{published:?}");
        let notification = alice.wait_for("notification").await;
        assert_eq!((&notification["id"], &notification["title"]), (&published[0]["id"], &json!("Quest")));
        assert_eq!(notification["data"], json!({ "quest": 7 }));
        assert_eq!(alice.wait_for("chat").await["content"], "Hello from the backend, by RabbitMQ");
    }
}

#[tokio::test]
async fn examples_publish_over_http() {
    let gateway = Gateway::start().await;
    let address = format!("http://{}", gateway.address());
    let mut alice = listener(&gateway).await;
    for mut command in [ExampleProgram::python_command("publish.py"), ExampleProgram::node_command("publish.mjs")] {
        command.args(["--gateway", &address, "--api-key", Api::KEY, "--user", USER, "--clan", CLAN]);
        let published = lines(&mut command).await;
        assert_eq!(published.len(), 2, "{published:?}");
        assert_eq!(alice.wait_for("notification").await["id"], published[0]["id"]);
        assert_eq!(alice.wait_for("chat").await["messageId"], published[1]["id"]);
    }
}

#[tokio::test]
async fn example_consumes_chat_messages() {
    let (broker, url, gateway) = broker().await;
    let mut command = ExampleProgram::python_command("consume.py");
    command.args(["--amqp", &url, "--queue", "moderation", "--keys", "chat.message.*", "--count", "2"]);
    let (read, ()) = tokio::join!(lines(&mut command), async {
        eventually("the queue of the example is bound", || async {
            broker.ctl(&["list_bindings"]).contains("chat.message.*")
        })
        .await;
        let mut alice = listener(&gateway).await;
        alice.chat(CLAN, "first").await;
        alice.chat(CLAN, "second").await;
    });
    let published = |event: &Value| (event["userId"].clone(), event["content"].clone(), event["routingKey"].clone());
    let key = json!("chat.message.clan%2Eof%2Aall");
    assert_eq!(
        read.iter().map(published).collect::<Vec<_>>(),
        [(json!(USER), json!("first"), key.clone()), (json!(USER), json!("second"), key)]
    );
}
