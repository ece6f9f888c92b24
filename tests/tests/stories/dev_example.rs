//! `cargo xtask dev`: the gateway has the example service, whose backend answers calls and publishes events.

use std::process::Stdio;

use realtime_gateway_brokers::ReservedPort;
use realtime_gateway_tests::{Socket, gateway_program, http_client, must};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A gateway with the example service and its backend, as `cargo xtask dev` starts it.
pub(crate) struct DevelopmentGateway {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl DevelopmentGateway {
    pub(crate) async fn start() -> Self {
        let port = ReservedPort::take();
        let address = format!("127.0.0.1:{}", port.number());
        // `cargo xtask test` has built it, next to the tests.
        let xtask = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("xtask");
        let mut command = Command::new(xtask);
        command.args(["dev", "--listen", &address, "--program"]).arg(gateway_program());
        command.env("GATEWAY_STORE__URL", "memory").env_remove("RUST_LOG");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        while !must("the links", output.next_line()).await.unwrap().unwrap().starts_with("  orders ") {}
        Self { process, output, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns a token of `/dev/token`.
    pub(crate) async fn token(&self, user: &str) -> String {
        let request = http_client().post(format!("http://{}/dev/token", self.address));
        let made: Value = request.json(&json!({ "userId": user })).send().await.unwrap().json().await.unwrap();
        made["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn development_gateway_has_an_example_service_with_a_backend() {
    let mut gateway = DevelopmentGateway::start().await;
    let url = format!("ws://{}/ws", gateway.address());
    let mut alice = Socket::connect_to(&url, &gateway.token("alice").await).await;
    let call =
        |method: &str, data: Value| json!({ "type": "call", "service": "orders", "method": method, "data": data });
    alice.send_text(&call("place", json!({ "items": ["tea", "cups"] })).to_string()).await;
    let order_id = alice.wait_for("call_result").await["data"]["orderId"].as_str().unwrap().to_owned();

    let topic = format!("order-{order_id}");
    let subscribe = json!({ "type": "subscribe", "service": "orders", "topic": topic, "history": 10 });
    alice.send_text(&subscribe.to_string()).await;
    assert_eq!(
        alice.wait_for("event").await["data"],
        json!({ "type": "placed", "items": ["tea", "cups"], "totalCents": 4_200 })
    );
    alice.send_text(&call("cancel", json!({ "orderId": order_id })).to_string()).await;
    // The order may have been received meanwhile.
    let mut event = alice.wait_for("event").await;
    if event["data"]["status"] == "received" {
        event = alice.wait_for("event").await;
    }
    assert_eq!(event["data"], json!({ "type": "status", "status": "cancelled", "by": "alice" }));
    assert_eq!(alice.wait_for("call_result").await["data"], json!({ "refundCents": 4_200 }));
    alice.send_text(&call("cancel", json!({ "orderId": order_id })).to_string()).await;
    let refused = alice.wait_for("error").await;
    assert_eq!((&refused["code"], &refused["details"]["code"]), (&json!("call_failed"), &json!("cancelled")));

    gateway.process.kill().await.unwrap();
    // The backend ends with the gateway: it held the other end of the output.
    must("the end of the output", async { while gateway.output.next_line().await.unwrap().is_some() {} }).await;
}
