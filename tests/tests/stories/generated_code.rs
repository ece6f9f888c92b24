//! The Rust code that `gateway codegen` writes for the example service, with a running gateway. `codegen/tests/golden.rs`
//! keeps it up to date.

/// The generated code.
#[allow(dead_code, unreachable_pub, reason = "the stories do not use every type, and no other crate does")]
mod gateway_gen {
    include!("../../../codegen/tests/golden/example/gateway_gen.rs");
}

use gateway_gen::{CancelRequest, OrderComment, OrderEvent, OrderStatusStatus, PlaceRequest, Viewer, orders};
use realtime_gateway_sdk::{CallOptions, Client, Published, TopicEvent, TopicStream, protocol::Event};
use realtime_gateway_tests::{
    Gateway, ServiceBackend, ServiceFiles, Settings, Token, gateway_program, http_client, must,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::dev_example::DevelopmentGateway;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/orders");
const COMMITTED: &str = include_str!("../../../codegen/tests/golden/example/gateway_gen.rs");

fn client(address: &str, token: String) -> Client {
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    Client::builder(format!("ws://{address}/ws")).token(provider).build().unwrap()
}

fn viewer(name: &str) -> Viewer {
    Viewer { name: Some(name.to_owned()) }
}

/// Returns the next event, and skips presence.
async fn event(stream: &mut TopicStream) -> Event {
    loop {
        match must("an event", stream.next()).await.unwrap() {
            TopicEvent::Message(event) => return event,
            TopicEvent::Presence(_) | TopicEvent::PresenceChanged(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn generated_rust_uses_a_declared_service_and_its_backend() {
    let gateway = DevelopmentGateway::start().await;
    let alice = client(gateway.address(), gateway.token("alice").await);
    let bob = client(gateway.address(), gateway.token("bob").await);

    let request = PlaceRequest { items: vec!["tea".into(), "cups".into()] };
    let order_id = orders(&alice).place(&request, CallOptions::default()).await.unwrap().order_id;
    let order = orders(&alice).order(&order_id).unwrap();
    let mut events = order.subscribe_with(&viewer("Alice")).history(10).await.unwrap();
    let OrderEvent::OrderPlaced(placed) = order.decode(&event(&mut events).await).unwrap() else { panic!() };
    assert_eq!((placed.items, placed.total_cents), (request.items, 4_200));

    let of_bob = orders(&bob).order(&order_id).unwrap();
    let mut seen_by_bob = of_bob.subscribe_with(&viewer("Bob")).await.unwrap();
    let joined = async {
        loop {
            if let Some(TopicEvent::PresenceChanged(changed)) = events.next().await {
                return changed;
            }
        }
    };
    let joined = must("Bob becomes present", joined).await;
    assert_eq!(joined.user_id.as_str(), "bob");
    assert_eq!(order.decode_presence(&joined.data.unwrap()).unwrap(), viewer("Bob"));
    let present = of_bob.presence().await.unwrap();
    let names = present.users.iter().map(|user| of_bob.decode_presence(user.data.as_ref().unwrap()).unwrap().name);
    assert_eq!(names.map(Option::unwrap).collect::<Vec<_>>(), ["Alice", "Bob"]);

    let comment = OrderComment { text: "Please ring.".into() };
    let Published::Stored(receipt) = of_bob.publish(&comment).await.unwrap() else { panic!("the topic has a history") };
    let offset = loop {
        let event = event(&mut seen_by_bob).await;
        // The backend may have published a status before it.
        if let OrderEvent::OrderComment(found) = of_bob.decode(&event).unwrap() {
            assert_eq!(found, comment);
            break event.offset;
        }
    };
    assert_eq!(offset, receipt.offset);
    let page = order.history().before(receipt.offset).limit(1).await.unwrap();
    assert_eq!((page.events.len(), page.events[0].offset), (1, receipt.offset - 1));

    let cancel = CancelRequest { order_id: order_id.clone(), reason: None };
    let cancelled = orders(&alice).cancel(&cancel, CallOptions::default().call_id("c1")).await.unwrap();
    assert_eq!(cancelled.refund_cents, 4_200);
    let cancelled = loop {
        match of_bob.decode(&event(&mut seen_by_bob).await).unwrap() {
            OrderEvent::OrderStatus(status) if status.status == OrderStatusStatus::Cancelled => break status,
            OrderEvent::OrderStatus(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(cancelled.by.as_deref(), Some("alice"));
    let refused = orders(&alice).cancel(&cancel, CallOptions::default()).await.unwrap_err();
    let details: Value = serde_json::from_str(refused.details().unwrap()).unwrap();
    assert_eq!(details["code"], "cancelled");
}

#[tokio::test]
async fn generated_rust_is_what_the_running_gateway_describes() {
    let gateway = DevelopmentGateway::start().await;
    let (folder, url) = (tempfile::tempdir().unwrap(), format!("http://{}", gateway.address()));
    let mut codegen = Command::new(gateway_program());
    codegen.args(["codegen", "--lang", "rust", "--url", &url, "--out"]).arg(folder.path());
    let output = codegen.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let written = std::fs::read_to_string(folder.path().join("gateway_gen.rs")).unwrap();
    // The first line names the command.
    let code = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(code(&written), code(COMMITTED));
}

/// Returns the contract of the example with more branches and members than the generated code knows.
fn newer_contract() -> ServiceFiles {
    let read = |name: &str| std::fs::read_to_string(format!("{EXAMPLE}/{name}")).unwrap();
    let mut schema: Value = serde_json::from_str(&read("orders.schema.json")).unwrap();
    schema["$defs"]["OrderReturned"] = json!({
        "type": "object",
        "required": ["type", "weight"],
        "properties": { "type": { "const": "returned" }, "weight": { "type": "number" } }
    });
    let event = schema["$defs"]["OrderEvent"]["oneOf"].as_array_mut().unwrap();
    event.push(json!({ "$ref": "#/$defs/OrderReturned" }));
    let words = schema["$defs"]["OrderStatus"]["properties"]["status"]["enum"].as_array_mut().unwrap();
    words.push(json!("lost"));
    ServiceFiles::new("orders", &read("orders.service.toml"), &schema.to_string())
}

#[tokio::test]
async fn generated_rust_reads_what_a_newer_contract_adds() {
    let (files, mut backend) = (newer_contract(), ServiceBackend::start().await);
    let gateway = Gateway::with(files.with_backend(Settings::default(), backend.url())).await;
    let alice = client(gateway.address(), Token::for_user("alice").text());
    let order = orders(&alice).order("42").unwrap();
    let mut events = order.subscribe().await.unwrap();

    let returned = r#"{"weight":1.50,"type":"returned"}"#;
    let url = format!("http://{}/api/v1/services/orders/topics/order-42/events", gateway.address());
    for data in [returned, r#"{"type":"status","status":"lost"}"#, r#"{"type":"comment","text":"found","later":1}"#] {
        let request = http_client().post(&url).bearer_auth(realtime_gateway_tests::Api::KEY);
        let body = format!(r#"{{"data":{data}}}"#);
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.status(), 202);
    }
    let unknown = order.decode(&event(&mut events).await).unwrap();
    assert!(matches!(unknown, OrderEvent::Unknown(_)));
    assert_eq!(serde_json::to_string(&unknown).unwrap(), returned, "it is written back as it was");
    let OrderEvent::OrderStatus(status) = order.decode(&event(&mut events).await).unwrap() else { panic!() };
    assert_eq!(status.status, OrderStatusStatus::Unknown("lost".into()));
    let OrderEvent::OrderComment(comment) = order.decode(&event(&mut events).await).unwrap() else { panic!() };
    assert_eq!(comment.text, "found");

    let request = PlaceRequest { items: vec!["tea".into()] };
    let service = orders(&alice);
    let (placed, ()) = tokio::join!(service.place(&request, CallOptions::default()), async {
        backend.next().await.answer(200, &json!({ "data": { "orderId": "43", "later": true } })).await;
    });
    assert_eq!(placed.unwrap().order_id, "43");
}
