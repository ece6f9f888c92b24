//! Webhooks: events over HTTP, signed, in order and at least once, whatever the receiver does.

mod dead_letters;
mod escalations;
mod failures;
mod many_escalations;
mod nodes;
mod shown_escalations;

use realtime_gateway_tests::{BackendRequest, Gateway, ServiceBackend, Settings, Socket, eventually, write_secret};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The name of the webhook of these tests.
const NAME: &str = "shop";

/// A receiver, and the folder with the secret.
struct Receiver {
    receiver: ServiceBackend,
    folder: TempDir,
    /// The path of the secret, as a value of a setting.
    secret: String,
}

impl Receiver {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = write_secret(folder.path());
        Self { receiver: ServiceBackend::start().await, folder, secret }
    }

    /// Adds the webhook to settings.
    fn named(&self, settings: Settings, name: &str, events: &str) -> Settings {
        settings
            .set(&format!("webhooks.{name}.url"), &format!("\"{}\"", self.receiver.url()))
            .set(&format!("webhooks.{name}.secret_file"), &self.secret)
            .set(&format!("webhooks.{name}.events"), events)
    }

    fn settings(&self) -> Settings {
        self.named(Settings::default(), NAME, "[\"chat.message\"]")
    }

    /// Waits for the next request and takes its events. Returns their ids.
    async fn take(&mut self) -> Vec<String> {
        let request = self.receiver.next().await;
        let ids = ids(&request);
        request.answer(200, &json!({})).await;
        ids
    }

    /// Takes requests until this many different chat messages have come. Returns their contents in order.
    async fn take_chats(&mut self, count: usize) -> Vec<String> {
        let mut contents: Vec<String> = Vec::new();
        while contents.len() < count {
            let request = self.receiver.next().await;
            for event in events(&request) {
                let content = event["content"].as_str().unwrap().to_owned();
                if !contents.contains(&content) {
                    contents.push(content);
                }
            }
            request.answer(204, &json!({})).await;
        }
        contents
    }
}

fn events(request: &BackendRequest) -> Vec<Value> {
    request.body()["events"].as_array().unwrap().clone()
}

fn ids(request: &BackendRequest) -> Vec<String> {
    events(request).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn contents(request: &BackendRequest) -> Vec<String> {
    events(request).iter().map(|event| event["content"].as_str().unwrap().to_owned()).collect()
}

/// Sends chat messages with these contents, each confirmed.
async fn chat(socket: &mut Socket, contents: impl IntoIterator<Item = String>) {
    for content in contents {
        assert_eq!(socket.chat("c", &content).await["type"], "message_sent");
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Returns the number of waiting events and of dead letters.
async fn counts(gateway: &Gateway) -> (u64, u64) {
    let list = gateway.api().get("/api/v1/webhooks").await;
    let shop = list["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["name"] == NAME).unwrap().clone();
    (shop["waiting"].as_u64().unwrap(), shop["dead"].as_u64().unwrap())
}

async fn wait_for_counts(gateway: &Gateway, waiting: u64, dead: u64) {
    eventually(&format!("{waiting} waiting, {dead} dead"), || async { counts(gateway).await == (waiting, dead) }).await;
}

async fn dead(gateway: &Gateway) -> Vec<Value> {
    gateway.api().get("/api/v1/webhooks/shop/dead").await["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sends_every_kind_of_event_signed_with_type_and_subject() {
    let mut shop = Receiver::start().await;
    let settings = shop.named(Settings::default(), NAME, "[\"chat\", \"notification.*\", \"session\"]");
    let gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let request = shop.receiver.next().await;
    let [opened] = &events(&request)[..] else { panic!("{}", request.text) };
    assert_eq!((&opened["type"], &opened["userId"]), (&json!("session.opened"), &json!("alice")));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let id = header("webhook-id");
    assert!(id.starts_with("msg_") && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{id}");
    assert!(header("webhook-signature").starts_with("v1,") && header("webhook-timestamp").parse::<u64>().is_ok());
    assert_eq!(header("content-type"), "application/json");
    request.answer(200, &json!({})).await;

    alice.chat("clan.1", "hello").await;
    let request = shop.receiver.next().await;
    let [chat] = &events(&request)[..] else { panic!("{}", request.text) };
    assert_eq!(
        (&chat["type"], &chat["clanId"], &chat["userId"], &chat["content"], &chat["offset"]),
        (&json!("chat.message"), &json!("clan.1"), &json!("alice"), &json!("hello"), &json!(1))
    );
    assert!(chat["id"].is_string() && chat["at"].is_string() && chat["epoch"].is_string());
    request.answer(204, &json!({})).await;

    let notification = gateway.api().notify("alice", "title").await;
    alice.send(json!({ "type": "subscribe_notifications" })).await;
    alice.wait_for("notification").await;
    alice.request(json!({ "type": "notification_ack", "notificationId": notification })).await;
    let request = shop.receiver.next().await;
    let [acked] = &events(&request)[..] else { panic!("{}", request.text) };
    assert_eq!((&acked["type"], &acked["userId"]), (&json!("notification.acked"), &json!("alice")));
    assert_eq!(acked["notificationIds"], json!([notification]));
    request.answer(200, &json!({})).await;
    alice.close().await;
    let request = shop.receiver.next().await;
    assert_eq!(events(&request)[0]["type"], "session.closed");
    request.answer(200, &json!({})).await;
    wait_for_counts(&gateway, 0, 0).await;
}

#[tokio::test]
async fn batches_waiting_events_in_order() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.settings().set("webhooks.shop.max_batch", "10")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let first = shop.receiver.next().await;
    chat(&mut alice, numbers(1..26)).await;
    assert_eq!(counts(&gateway).await.0, 26, "events of a request under way count as waiting");
    first.answer(200, &json!({})).await;
    let mut found = Vec::new();
    for size in [10, 10, 5] {
        let request = shop.receiver.next().await;
        assert_eq!(events(&request).len(), size);
        found.extend(contents(&request));
        request.answer(200, &json!({})).await;
    }
    assert_eq!(found, numbers(1..26));
    wait_for_counts(&gateway, 0, 0).await;
}

#[tokio::test]
async fn sends_what_backends_published_only_on_request() {
    let (mut shop, mut all) = (Receiver::start().await, Receiver::start().await);
    let settings = all.named(shop.settings(), "all", "[\"chat\"]").set("webhooks.all.backend_events", "true");
    let gateway = Gateway::with(settings).await;
    let api = gateway.api();
    let body = json!({ "content": "from a backend" });
    api.json(Method::POST, "/api/v1/clans/c/messages", Some(body)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "from a client").await;
    assert_eq!(shop.take_chats(1).await, ["from a client"]);
    assert_eq!(all.take_chats(2).await, ["from a backend", "from a client"]);
}

#[tokio::test]
async fn reload_adds_changes_and_removes_webhooks() {
    let mut shop = Receiver::start().await;
    let mut gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, ["before".into()]).await;
    let reloaded = || {
        let log = gateway.log();
        log.iter().filter(|line| line.contains("the configuration was reloaded")).count()
    };
    assert_eq!(reloaded(), 0);
    gateway.rewrite_config(shop.settings());
    reload(&gateway, "the configuration was reloaded").await;
    chat(&mut alice, ["after".into()]).await;
    assert_eq!(shop.take_chats(1).await, ["after"]);

    // Other events, and another receiver. The session of Alice was opened before there was a webhook.
    let mut bob = Socket::connect(&gateway, "bob").await;
    let mut other = Receiver::start().await;
    gateway.rewrite_config(other.named(Settings::default(), NAME, "[\"session\"]"));
    reload(&gateway, "the configuration was reloaded").await;
    chat(&mut bob, ["not sent".into()]).await;
    bob.close().await;
    let request = other.receiver.next().await;
    assert_eq!(events(&request)[0]["type"], "session.closed");
    request.answer(200, &json!({})).await;

    // A secret that cannot be read changes nothing.
    std::fs::write(other.folder.path().join("secret"), "whsec_short").unwrap();
    reload(&gateway, "the configuration was not reloaded").await;
    let error = gateway.log().iter().rev().find(|line| line.contains("not reloaded")).unwrap().clone();
    assert!(error.contains("webhooks.shop.secret_file: ") && error.contains("line 1"), "{error}");
    gateway.rewrite_config(Settings::default());
    reload(&gateway, "the configuration was reloaded").await;
    let list = gateway.api().get("/api/v1/webhooks").await;
    assert_eq!(list["webhooks"], json!([]));
    assert!(!shop.receiver.has_request());
}

/// Sends SIGHUP and waits for a new log line with this message.
async fn reload(gateway: &Gateway, report: &str) {
    let count = || gateway.log().iter().filter(|line| line.contains(report)).count();
    let before = count();
    gateway.signal("HUP").await;
    eventually(report, || async { count() > before }).await;
}

#[tokio::test]
async fn start_fails_with_key_and_reason() {
    let shop = Receiver::start().await;
    for (key, value, error) in [
        ("url", "\"ftp://x\"", "webhooks.shop.url is not an http:// or https:// URL"),
        ("events", "[\"chat.mesage\"]", "the nearest known one is \\\"chat.message\\\""),
        ("secret_file", "\"/nonexistent\"", "webhooks.shop.secret_file: /nonexistent: cannot be read"),
        ("max_batch", "0", "webhooks.shop.max_batch is not 1 to 1000"),
        ("event", "[\"chat\"]", "the nearest known one is `webhooks.shop.events`"),
    ] {
        let settings = shop.settings().set(&format!("webhooks.shop.{key}"), value);
        let output = Gateway::run_once(settings, "check").await;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace('"', "\\\"");
        assert!(!output.status.success() && text.contains(error), "{key}: {text}");
    }
}
