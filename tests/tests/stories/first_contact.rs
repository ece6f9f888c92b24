//! What a newcomer does first, as the pages say it: the README's production commands, the example of a custom service,
//! a reload.

use std::{path::Path, process::Output};

use realtime_gateway_brokers::free_port;
use realtime_gateway_tests::{Gateway, Settings, Socket, eventually, gateway_program, http_client, must};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The commands of the README that come after a sentence.
fn readme_commands(after: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, rest) = readme.split_once(after).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_production_commands_of_the_readme_work_as_written() {
    let (folder, address) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", free_port()));
    std::os::unix::fs::symlink(gateway_program(), folder.path().join("gateway")).unwrap();
    let commands = readme_commands("In production the gateway wants one secret");
    // The program is built already, and the port may be taken.
    let commands: Vec<_> = commands.lines().filter(|line| !line.starts_with("cargo install")).collect();
    let commands = commands.join("\n").replace("localhost:4000", &address);
    let script = format!(
        "PATH='{}':\"$PATH\"; trap 'kill %1; wait' EXIT\n{commands}\nprintf '\\n%s' \"$GATEWAY_API_KEY\"",
        folder.path().display()
    );
    let mut shell = Command::new("bash");
    shell.args(["-euc", &script]).current_dir(&folder).kill_on_drop(true);
    shell.env("GATEWAY_LISTEN", &address).env("GATEWAY_DRAIN__DELAY", "0s");
    let output = must("the end of the commands", shell.output()).await.unwrap();
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(out.contains(r#""war-17""#) && out.contains("\"ids\""), "{}", text(&output));
    assert!(!out.contains("no API key is configured"), "{out}");
    assert_eq!(out.lines().filter(|line| line.split('.').count() == 3 && line.starts_with("ey")).count(), 1, "{out}");
}

#[tokio::test]
async fn the_example_of_a_service_of_ones_own_does_what_its_page_says() {
    let gateway = Gateway::custom_service_without_arguments().await;
    let ask = json!({ "userId": "alice", "topics": { "dice": ["*"] } });
    let (status, made) = gateway.api().json(Method::POST, "/dev/token", Some(ask)).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let path = format!("/ws?token={}", made["token"].as_str().unwrap());
    let mut alice = Socket::open(&gateway, &path, None).await.unwrap();
    alice.expect("connected").await;
    // The two messages of the page.
    alice.send_text(r#"{"type":"subscribe","service":"dice","topic":"table-1"}"#).await;
    alice.expect("subscription_confirmed").await;
    alice.send_text(r#"{"type":"publish","service":"dice","topic":"table-1","data":6}"#).await;
    let event = alice.until("event").await;
    assert_eq!((&event["data"]["by"], &event["data"]["sides"]), (&json!("alice"), &json!(6)));
    assert!((1..=6).contains(&event["data"]["thrown"].as_u64().unwrap()));
}

#[tokio::test]
async fn a_token_of_the_command_line_allows_topics() {
    let gateway = Gateway::custom_service().await;
    let made = gateway.command(&["token", "--user", "alice", "--topics", "dice:table-1,dice:table-2,orders:*"]).await;
    assert!(made.status.success(), "{}", text(&made));
    let token = String::from_utf8(made.stdout).unwrap();
    let mut alice = Socket::open(&gateway, "/ws", Some(token.trim())).await.unwrap();
    alice.expect("connected").await;
    for (topic, answer) in
        [("table-1", "subscription_confirmed"), ("table-2", "subscription_confirmed"), ("table-3", "error")]
    {
        let answered = alice.ask(json!({ "type": "subscribe", "service": "dice", "topic": topic })).await;
        assert_eq!(answered["type"], answer, "{topic}: {answered}");
    }
}

/// Whether a key is let in.
async fn is_let_in(gateway: &Gateway, key: &str) -> bool {
    let url = format!("http://{}/api/v1/nodes", gateway.address());
    http_client().get(url).bearer_auth(key).send().await.unwrap().status() == StatusCode::OK
}

/// `gateway reload`, with the configuration of a gateway.
async fn reload(gateway: &Gateway) -> Output {
    gateway.command(&["reload", "--config", "gateway.toml"]).await
}

#[tokio::test]
async fn a_reload_finds_the_gateway_of_a_configuration_and_brings_its_changes() {
    let mut gateway = Gateway::start().await;
    let other = Gateway::start().await;
    let output = gateway.command(&["key", "new"]).await;
    let out = text(&output);
    let key = out.lines().find_map(|line| line.strip_prefix("GATEWAY_API_KEY=")).unwrap();
    let sha256 = out.lines().find_map(|line| line.strip_prefix("# sha256 = ")).unwrap();
    gateway.rewrite(Settings::default().set("auth.api_keys", &format!("[{{ name = \"new\", sha256 = {sha256} }}]")));
    assert!(!is_let_in(&gateway, key).await);
    let several = gateway.command(&["reload"]).await;
    assert!(!several.status.success() && text(&several).contains("--config or --pid"), "{}", text(&several));

    let told = reload(&gateway).await;
    assert!(told.status.success() && text(&told).contains(&gateway.pid().to_string()), "{}", text(&told));
    eventually("the new key is let in", || async { is_let_in(&gateway, key).await }).await;
    assert!(!other.log().iter().any(|line| line.contains("the configuration was reloaded")));

    gateway.rewrite(Settings::default());
    let told = gateway.command(&["reload", "--pid", &gateway.pid().to_string()]).await;
    assert!(told.status.success(), "{}", text(&told));
    eventually("the new key is refused", || async { !is_let_in(&gateway, key).await }).await;
}

#[tokio::test]
async fn a_reload_that_would_be_refused_is_not_asked_for() {
    let mut gateway = Gateway::start().await;
    gateway.rewrite(Settings::default().set("limits.conections", "5"));
    let refused = reload(&gateway).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("the nearest known one is `limits.connections`"), "{}", text(&refused));
    assert!(!gateway.log().iter().any(|line| line.contains("not reloaded")), "it was told nothing");
    let without_match = gateway.command(&["reload", "--config", "/dev/null"]).await;
    assert!(
        text(&without_match).contains("no gateway of this program runs here with /dev/null"),
        "{}",
        text(&without_match)
    );
}

#[tokio::test]
async fn a_reload_ends_no_process_that_is_no_gateway() {
    let gateway = Gateway::start().await;
    let mut sleeps = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    let id = sleeps.id().unwrap().to_string();
    let refused = gateway.command(&["reload", "--pid", &id]).await;
    assert!(!refused.status.success() && text(&refused).contains("does not handle SIGHUP"), "{}", text(&refused));
    assert_eq!(sleeps.try_wait().unwrap(), None, "it goes on");
    let wrong = gateway.command(&["reload", "--pid", "-1"]).await;
    assert_eq!(wrong.status.code(), Some(2), "not every process of this user");
}
