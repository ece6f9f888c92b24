//! The examples of docs/examples, run as a backend team runs them: through a real broker and over HTTP, to real clients.

use std::path::{Path, PathBuf};

use realtime_gateway_brokers::rabbitmq::RabbitServer;
use realtime_gateway_tests::{Api, Gateway, Settings, Socket, eventually, must};
use serde_json::{Value, json};
use tokio::process::Command;

/// An identifier that a routing key cannot hold as it is.
const USER: &str = "alice.o'hara~1";
const CLAN: &str = "clan.of*all";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples").join(name)
}

fn python(name: &str) -> Command {
    let python = std::env::var_os("GATEWAY_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.arg(example(name));
    command
}

fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(example(name));
    command
}

/// The lines that it prints before it ends well.
async fn lines(command: &mut Command) -> Vec<Value> {
    let output = must("the example's end", command.kill_on_drop(true).output()).await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A broker and a gateway that is connected to it.
async fn broker() -> (RabbitServer, String, Gateway) {
    let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
    let url = format!("{}/%2f", broker.url());
    let gateway = Gateway::with(Settings::default().set("bus.url", &format!("\"{url}\""))).await;
    eventually("the connection", || async { gateway.api().get("/health").await["bus"]["status"] == "ok" }).await;
    (broker, url, gateway)
}

/// A client that gets notifications and hears a clan.
async fn listener(gateway: &Gateway) -> Socket {
    let mut socket = Socket::of(gateway, USER).await;
    socket.join(CLAN).await;
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    socket.until("subscription_confirmed").await;
    socket
}

#[tokio::test]
async fn examples_publish_through_a_broker() {
    let (_broker, url, gateway) = broker().await;
    let mut alice = listener(&gateway).await;
    let named = ["--amqp", &url, "--user", USER, "--clan", CLAN];
    let (mut in_python, mut in_node) = (python("publish.py"), node("publish.mjs"));
    in_python.args(named);
    in_node.args(named);
    let mut in_rust =
        Command::new(std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/publish"));
    in_rust.args([&url, USER, CLAN]);
    for command in [&mut in_python, &mut in_node, &mut in_rust] {
        let said = lines(command).await;
        assert_eq!(said.len(), 2, "{said:?}");
        let notification = alice.until("notification").await;
        assert_eq!((&notification["id"], &notification["title"]), (&said[0]["id"], &json!("Quest")));
        assert_eq!(notification["data"], json!({ "quest": 7 }));
        assert_eq!(alice.until("chat").await["content"], "Hello from the backend, by RabbitMQ");
    }
}

#[tokio::test]
async fn examples_publish_over_http() {
    let gateway = Gateway::start().await;
    let address = format!("http://{}", gateway.address());
    let mut alice = listener(&gateway).await;
    for mut command in [python("publish.py"), node("publish.mjs")] {
        command.args(["--gateway", &address, "--api-key", Api::KEY, "--user", USER, "--clan", CLAN]);
        let said = lines(&mut command).await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(alice.until("notification").await["id"], said[0]["id"]);
        assert_eq!(alice.until("chat").await["messageId"], said[1]["id"]);
    }
}

#[tokio::test]
async fn an_example_reads_what_clients_say() {
    let (broker, url, gateway) = broker().await;
    let mut command = python("consume.py");
    command.args(["--amqp", &url, "--queue", "moderation", "--keys", "chat.message.*", "--count", "2"]);
    let (read, ()) = tokio::join!(lines(&mut command), async {
        eventually("the queue", || async { broker.ctl(&["list_bindings"]).contains("chat.message.*") }).await;
        let mut alice = listener(&gateway).await;
        alice.chat(CLAN, "first").await;
        alice.chat(CLAN, "second").await;
    });
    let said = |event: &Value| (event["userId"].clone(), event["content"].clone(), event["routingKey"].clone());
    let key = json!("chat.message.clan%2Eof%2Aall");
    assert_eq!(
        read.iter().map(said).collect::<Vec<_>>(),
        [(json!(USER), json!("first"), key.clone()), (json!(USER), json!("second"), key)]
    );
}
