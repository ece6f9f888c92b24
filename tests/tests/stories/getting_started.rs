//! First steps as documented: the production commands of the README, the custom service example, the token command and
//! `gateway reload`.

use std::{path::Path, process::Output};

use realtime_gateway_brokers::free_port;
use realtime_gateway_tests::{
    ExampleProgram, Gateway, Settings, Socket, eventually, gateway_program, http_client, must,
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Returns the first shell block of the README after a sentence.
fn readme_commands(after: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, rest) = readme.split_once(after).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn production_commands_of_readme_work() {
    let (folder, address) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", free_port()));
    std::os::unix::fs::symlink(gateway_program(), folder.path().join("gateway")).unwrap();
    let commands = readme_commands("In production the gateway wants one secret");
    // The program is already built, and the documented port may be in use.
    let commands: Vec<_> = commands.lines().filter(|line| !line.starts_with("cargo install")).collect();
    let commands = commands.join("\n").replace("localhost:4000", &address);
    let script = format!(
        "PATH='{}':\"$PATH\"; trap 'kill %1; wait' EXIT\n{commands}\nprintf '\\n%s' \"$GATEWAY_API_KEY\"",
        folder.path().display()
    );
    let mut shell = Command::new("bash");
    shell.args(["-euc", &script]).current_dir(&folder).kill_on_drop(true);
    shell.env("GATEWAY_LISTEN", &address).env("GATEWAY_DRAIN__DELAY", "0s");
    let output = must("the commands end", shell.output()).await.unwrap();
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(out.contains(r#""war-17""#) && out.contains("\"ids\""), "{}", text(&output));
    assert!(!out.contains("no API key is configured"), "{out}");
    assert_eq!(out.lines().filter(|line| line.split('.').count() == 3 && line.starts_with("ey")).count(), 1, "{out}");
}

/// Returns the lines of a text without their indentation.
fn trimmed_lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// The programs of the SDKs, which their tests run, have the code of the README.
#[test]
fn first_messages_of_readme_are_the_programs_of_the_sdks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("The first message in each language.").unwrap();
    for (language, program) in [
        ("rust,ignore", "sdk-rust/examples/quickstart.rs"),
        ("ts", "sdk-wasm/examples/quickstart.js"),
        ("go", "sdk-go/examples/quickstart/main.go"),
        ("python", "sdk-python/examples/quickstart.py"),
        ("kotlin", "sdk-kotlin/examples/kotlin/quickstart/QuickStart.kt"),
        ("java", "sdk-kotlin/examples/java/src/quickstart/QuickStart.java"),
    ] {
        let (_, code) = section.split_once(&format!("```{language}\n")).unwrap();
        let code = trimmed_lines(code.split_once("\n```").unwrap().0);
        let source = std::fs::read_to_string(root.join(program)).unwrap();
        assert!(code.len() <= 10, "{language}: more than ten lines");
        assert!(section.contains(program), "the README has no link to {program}");
        assert!(
            trimmed_lines(&source).windows(code.len()).any(|lines| lines == code),
            "{program} has other code: {code:?}"
        );
    }
}

/// The pages of the SDKs with a quick start, whose commands set `GATEWAY_URL` and `GATEWAY_TOKEN`.
const QUICK_STARTS: [&str; 5] = [
    "docs/sdk-typescript.md",
    "sdk-go/README.md",
    "sdk-kotlin/README.md",
    "sdk-python/README.md",
    "sdk-rust/README.md",
];

/// Returns the commands of a quick start that set the variables of the programs.
fn variables_of_quick_start(page: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page)).unwrap();
    let begin = text.find("export GATEWAY_URL=");
    let end = text.find("\\1/')\"\n").map(|end| end + "\\1/')\"\n".len());
    let (Some(begin), Some(end)) = (begin, end) else { panic!("{page} does not set GATEWAY_URL and GATEWAY_TOKEN") };
    text.get(begin..end).unwrap_or_else(|| panic!("{page} sets GATEWAY_TOKEN first")).to_owned()
}

#[test]
fn quick_starts_get_a_token_by_the_same_commands() {
    for page in QUICK_STARTS {
        assert_eq!(variables_of_quick_start(page), variables_of_quick_start("sdk-rust/README.md"), "{page}");
    }
}

#[tokio::test]
async fn first_message_in_rust_comes_back_with_commands_of_quick_start() {
    let gateway = Gateway::dev_with(Settings::default()).await;
    let commands = variables_of_quick_start("sdk-rust/README.md").replace("127.0.0.1:4000", gateway.address());
    let mut program = Command::new("sh");
    program.args(["-euc", &format!("{commands}exec \"$QUICK_START\"")]).kill_on_drop(true);
    program.env("QUICK_START", ExampleProgram::rust_command("quickstart").as_std().get_program());
    let output = must("the program ends", program.output()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ada: hello\n", "{}", text(&output));
}

#[tokio::test]
async fn custom_service_example_works_as_documented() {
    let gateway = Gateway::custom_service_without_arguments().await;
    let token_request = json!({ "userId": "alice", "topics": { "dice": ["*"] } });
    let (status, made) = gateway.api().json(Method::POST, "/dev/token", Some(token_request)).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let path = format!("/ws?token={}", made["token"].as_str().unwrap());
    let mut alice = Socket::open(&gateway, &path, None).await.unwrap();
    alice.expect("connected").await;
    // The two messages in the example's documentation.
    alice.send_text(r#"{"type":"subscribe","service":"dice","topic":"table-1"}"#).await;
    alice.expect("subscription_confirmed").await;
    alice.send_text(r#"{"type":"publish","service":"dice","topic":"table-1","data":6}"#).await;
    let event = alice.wait_for("event").await;
    assert_eq!((&event["data"]["by"], &event["data"]["sides"]), (&json!("alice"), &json!(6)));
    assert!((1..=6).contains(&event["data"]["thrown"].as_u64().unwrap()));
}

#[tokio::test]
async fn token_command_grants_topics() {
    let gateway = Gateway::custom_service().await;
    let made = gateway.command(&["token", "--user", "alice", "--topics", "dice:table-1,dice:table-2,orders:*"]).await;
    assert!(made.status.success(), "{}", text(&made));
    let token = String::from_utf8(made.stdout).unwrap();
    let mut alice = Socket::open(&gateway, "/ws", Some(token.trim())).await.unwrap();
    alice.expect("connected").await;
    for (topic, response) in
        [("table-1", "subscription_confirmed"), ("table-2", "subscription_confirmed"), ("table-3", "error")]
    {
        let answered = alice.request(json!({ "type": "subscribe", "service": "dice", "topic": topic })).await;
        assert_eq!(answered["type"], response, "{topic}: {answered}");
    }
}

/// Returns whether the HTTP API accepts a key.
async fn is_accepted(gateway: &Gateway, key: &str) -> bool {
    let url = format!("http://{}/api/v1/nodes", gateway.address());
    http_client().get(url).bearer_auth(key).send().await.unwrap().status() == StatusCode::OK
}

/// Runs `gateway reload` with the configuration of a gateway.
async fn run_reload(gateway: &Gateway) -> Output {
    gateway.command(&["reload", "--config", "gateway.toml"]).await
}

#[tokio::test]
async fn reload_command_finds_gateway_by_configuration() {
    let mut gateway = Gateway::start().await;
    let other = Gateway::start().await;
    let output = gateway.command(&["key", "new"]).await;
    let out = text(&output);
    let key = out.lines().find_map(|line| line.strip_prefix("GATEWAY_API_KEY=")).unwrap();
    let sha256 = out.lines().find_map(|line| line.strip_prefix("# sha256 = ")).unwrap();
    gateway.rewrite_config(
        Settings::default().set("auth.api_keys", &format!("[{{ name = \"new\", sha256 = {sha256} }}]")),
    );
    assert!(!is_accepted(&gateway, key).await);
    let several = gateway.command(&["reload"]).await;
    assert!(!several.status.success() && text(&several).contains("--config or --pid"), "{}", text(&several));

    let output = run_reload(&gateway).await;
    assert!(output.status.success() && text(&output).contains(&gateway.pid().to_string()), "{}", text(&output));
    eventually("the new key is accepted", || async { is_accepted(&gateway, key).await }).await;
    assert!(!other.log().iter().any(|line| line.contains("the configuration was reloaded")));

    gateway.rewrite_config(Settings::default());
    let output = gateway.command(&["reload", "--pid", &gateway.pid().to_string()]).await;
    assert!(output.status.success(), "{}", text(&output));
    eventually("the new key is refused", || async { !is_accepted(&gateway, key).await }).await;
}

#[tokio::test]
async fn reload_command_rejects_invalid_configuration() {
    let mut gateway = Gateway::start().await;
    gateway.rewrite_config(Settings::default().set("limits.conections", "5"));
    let refused = run_reload(&gateway).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("the nearest known one is `limits.connections`"), "{}", text(&refused));
    assert!(!gateway.log().iter().any(|line| line.contains("not reloaded")), "the gateway received a signal");
    let without_match = gateway.command(&["reload", "--config", "/dev/null"]).await;
    assert!(
        text(&without_match).contains("no gateway of this program runs here with /dev/null"),
        "{}",
        text(&without_match)
    );
}

#[tokio::test]
async fn reload_command_rejects_process_that_is_not_a_gateway() {
    let gateway = Gateway::start().await;
    let mut sleeps = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    let id = sleeps.id().unwrap().to_string();
    let refused = gateway.command(&["reload", "--pid", &id]).await;
    assert!(!refused.status.success() && text(&refused).contains("does not handle SIGHUP"), "{}", text(&refused));
    assert_eq!(sleeps.try_wait().unwrap(), None, "the process is still running");
    let wrong = gateway.command(&["reload", "--pid", "-1"]).await;
    assert_eq!(wrong.status.code(), Some(2), "-1 would signal every process of this user");
}
