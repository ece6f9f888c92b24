//! Tests of the command line: exit codes and output of the `gateway` process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail anywhere")]

#[path = "cli/damage.rs"]
mod damage;

#[path = "cli/check.rs"]
mod check;

#[path = "cli/codegen.rs"]
mod codegen;

#[path = "cli/codegen_url.rs"]
mod codegen_url;

#[path = "cli/notify.rs"]
mod notify;

#[path = "cli/schema_diff.rs"]
mod schema_diff;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Output},
    thread,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A temporary folder and an otherwise empty environment in which commands run.
struct Sandbox {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Sandbox {
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn with_secret() -> Self {
        Self::empty().variable("GATEWAY_AUTH__JWT_SECRET", SECRET)
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.variables.iter().map(|(n, v)| (n, v)));
        CommandOutput(command.output().unwrap())
    }
}

/// The result of a finished command.
struct CommandOutput(Output);

impl CommandOutput {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Checks that the command exited with 1 and printed one line in addition to its log, and returns that line.
    #[track_caller]
    fn refusal(&self) -> String {
        let err = self.err();
        let lines: Vec<_> = err.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!((self.code(), lines.len()), (1, 1), "{err}");
        assert_eq!(self.out(), "");
        lines.concat()
    }
}

#[test]
fn exits_with_2_on_wrong_usage() {
    let sandbox = Sandbox::with_secret();
    for arguments in
        [&["bogus"][..], &["token"], &["token", "--user", "a b"], &["token", "--user", "a", "--ttl", "soon"], &[]]
    {
        let output = sandbox.run(arguments);
        assert_eq!(output.code(), 2, "{arguments:?}");
        assert!(output.err().contains("Usage") || output.err().contains("--help"), "{}", output.err());
    }
    assert_eq!(sandbox.run(&["--help"]).code(), 0);
    assert!(sandbox.run(&["--version"]).out().starts_with("gateway "));
}

#[test]
fn failed_start_exits_with_1_and_prints_one_line_with_the_fix() {
    let none = Sandbox::empty().run(&["serve"]).refusal();
    assert!(none.starts_with("gateway: no key verifies tokens: set auth.jwt_secret"), "{none}");
    let short = Sandbox::empty().variable("GATEWAY_AUTH__JWT_SECRET", "short").run(&["serve"]).refusal();
    assert!(short.contains("shorter than 32 bytes") && !short.contains("\"short\""), "{short}");
    let unknown = Sandbox::with_secret().file("gateway.toml", "[limits]\nconections = 1\n").run(&["serve"]).refusal();
    assert_eq!(
        unknown,
        "gateway: gateway.toml, line 2: unknown key `limits.conections`; the nearest known one is `limits.connections`"
    );
    let public = Sandbox::empty().run(&["serve", "--dev", "--listen", "0.0.0.0:0"]).refusal();
    assert!(public.contains("--dev listens on loopback only"), "{public}");
    let missing = Sandbox::with_secret().run(&["serve", "--config", "nowhere.toml"]).refusal();
    assert!(missing.starts_with("gateway: nowhere.toml: cannot be read"), "{missing}");
}

#[test]
fn token_command_prints_token_with_requested_claims() {
    let sandbox = Sandbox::empty().file(".env", &format!("GATEWAY_AUTH__JWT_SECRET={SECRET}\n"));
    let output = sandbox.run(&["token", "--user", "alice", "--clans", "c1,c2", "--ttl", "10m"]);
    assert_eq!(output.code(), 0, "{}", output.err());
    let claims = output.out().trim_end().split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["clans"]), (&json!("alice"), &json!(["c1", "c2"])));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    assert!(sandbox.run(&["token", "--user", "system"]).refusal().contains("system"));
    let public = Sandbox::empty().variable("GATEWAY_AUTH__JWKS_URL", "https://id.example.com/keys");
    assert!(public.run(&["token", "--user", "alice"]).refusal().contains("no secret to sign with"));
}

#[test]
fn token_command_grants_topics_and_calls() {
    let sandbox = Sandbox::with_secret();
    let output = sandbox.run(&["token", "--user", "alice", "--topics", "dice:table-1,orders:order:7,dice:*"]);
    assert_eq!(output.code(), 0, "{}", output.err());
    let claims = output.out().trim_end().split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["topics"], json!({ "dice": ["table-1", "*"], "orders": ["order:7"] }));
    for wrong in ["dice", "Dice:1", "dice:", ":x", "dice:a b"] {
        assert_eq!(sandbox.run(&["token", "--user", "alice", "--topics", wrong]).code(), 2, "{wrong}");
    }
    let granted = ["--topics", "orders:order-42,orders:eu-*", "--calls", "orders:cancel,shop:buy,orders:payNow"];
    let output = sandbox.run(&[&["token", "--user", "alice"][..], &granted].concat());
    let claims = output.out().trim_end().split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["topics"], json!({ "orders": ["order-42", "eu-*"] }));
    assert_eq!(claims["calls"], json!({ "orders": ["cancel", "payNow"], "shop": ["buy"] }));
    for wrong in ["orders", "Orders:cancel", "orders:", ":cancel", "orders:*", "orders:Cancel", "orders:pay now"] {
        assert_eq!(sandbox.run(&["token", "--user", "alice", "--calls", wrong]).code(), 2, "{wrong}");
    }
}

#[test]
fn key_command_prints_key_and_its_configuration() {
    let made = Sandbox::empty().run(&["key", "new"]);
    let value = |output: &CommandOutput, start: &str| {
        output.out().lines().find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap()
    };
    let (key, line) = (value(&made, "GATEWAY_API_KEY="), value(&made, "GATEWAY_AUTH__API_KEYS="));
    assert!(key.starts_with("gw_") && key.len() == 67 && !line.contains(&key), "{}", made.out());
    assert_ne!(value(&Sandbox::empty().run(&["key", "new"]), "GATEWAY_API_KEY="), key);
    let shown = Sandbox::with_secret().variable("GATEWAY_AUTH__API_KEYS", line.trim_matches('\'')).run(&["config"]);
    assert!(shown.out().contains("backend") && shown.out().contains("publish"), "{}{}", shown.out(), shown.err());

    // The printed lines for the configuration file, for two keys one after the other.
    let tables = ["ops", "shop"].map(|name| {
        let made = Sandbox::empty().run(&["key", "new", "--name", name, "--scopes", "admin,read"]).out();
        let lines = made.lines().skip_while(|line| *line != "# [[auth.api_keys]]");
        lines.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect::<String>()
    });
    let shown = Sandbox::with_secret().file("gateway.toml", &tables.concat()).run(&["config"]);
    assert!(shown.out().contains("ops") && shown.out().contains("shop"), "{}{}", shown.out(), shown.err());
    for wrong in [&["key", "new", "--name", "it's"][..], &["key", "new", "--scopes", "all"], &["key"]] {
        assert_eq!(Sandbox::empty().run(wrong).code(), 2, "{wrong:?}");
    }
}

#[test]
fn reload_without_gateway_exits_with_1() {
    let sandbox = Sandbox::empty().file("gateway.toml", "");
    let without_match = sandbox.run(&["reload", "--config", "gateway.toml"]).refusal();
    assert!(without_match.contains("no gateway of this program runs here with gateway.toml"), "{without_match}");
    assert_eq!(sandbox.run(&["reload", "--pid", "0"]).code(), 2);
    assert_eq!(sandbox.run(&["reload", "--pid", "1", "--config", "gateway.toml"]).code(), 2);
}

#[test]
fn config_command_shows_sources_and_hides_secrets() {
    let sandbox = Sandbox::with_secret().file("gateway.toml", "[limits]\nburst = 7\n");
    let shown = sandbox.run(&["config"]).out();
    assert!(!shown.contains(SECRET));
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("burst = 7").ends_with("# gateway.toml, line 2"), "{shown}");
    assert!(line("jwt_secret = \"***\"").ends_with("# environment GATEWAY_AUTH__JWT_SECRET"), "{shown}");
    assert!(line("listen = ").ends_with("# default"), "{shown}");
}

#[test]
fn examples_need_no_configuration() {
    let sandbox = Sandbox::empty();
    assert!(sandbox.run(&["config", "--example", "toml"]).out().contains("\n[heartbeat]\n"));
    assert!(sandbox.run(&["config", "--example", "env"]).out().contains("\n#GATEWAY_HEARTBEAT__INTERVAL=25s\n"));
}

#[test]
fn check_prints_each_finding_and_creates_nothing() {
    let sandbox = Sandbox::with_secret();
    let output = sandbox.run(&["check"]);
    assert_eq!(output.code(), 0, "{}", output.out());
    assert!(output.out().contains("ok       ./data/gateway.redb will be made by the first start"), "{}", output.out());
    assert_eq!(fs::read_dir(&sandbox.folder).unwrap().count(), 0);
    let open =
        Sandbox::with_secret().variable("GATEWAY_LISTEN", "0.0.0.0:4000").variable("GATEWAY_STORE__DURABILITY", "os");
    let output = open.run(&["check"]);
    for warning in ["proxies.trusted", "tls.cert", "internal.listen", "durability"] {
        assert!(
            output.out().lines().any(|line| line.starts_with("warning") && line.contains(warning)),
            "{}",
            output.out()
        );
    }
    assert_eq!(output.code(), 0);
}

#[test]
fn check_exits_with_1_when_gateway_would_not_start() {
    let refused = Sandbox::empty().run(&["check"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.out().starts_with("error    no key verifies tokens"));
    let sandbox = Sandbox::with_secret().variable("GATEWAY_STORE__URL", "redb:store").file("store", "not a store");
    let output = sandbox.run(&["check"]);
    assert_eq!(output.code(), 1, "{}", output.out());
    assert!(output.out().contains("error    store is not a data file"), "{}", output.out());
    let log = Sandbox::with_secret().variable("RUST_LOG", "gateway=loud").run(&["check"]);
    assert_eq!((log.code(), log.out().contains("error    RUST_LOG or log.level is not a filter")), (1, true));
}

#[test]
fn check_warns_about_risky_redis_settings_and_hides_password() {
    use realtime_gateway_brokers::redis::RedisServer;
    let server = RedisServer::with(&[("save", ""), ("requirepass", "hush"), ("maxmemory-policy", "allkeys-lru")]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/1", server.port());
    let output = Sandbox::with_secret().variable("GATEWAY_STORE__URL", &url("hush")).run(&["check"]);
    assert_eq!(output.code(), 0, "{}", output.out());
    for line in
        ["ok       the store can be opened", "warning  Redis has maxmemory-policy", "warning  Redis keeps nothing"]
    {
        assert!(output.out().lines().any(|found| found.starts_with(line)), "{}", output.out());
    }
    let output = Sandbox::with_secret().variable("GATEWAY_STORE__URL", &url("hushhush")).run(&["check"]);
    assert_eq!(output.code(), 1);
    assert!(output.out().contains("error    Redis at 127.0.0.1:"), "{}", output.out());
    assert!(!output.out().contains("hush") && !output.err().contains("hush"));
}

#[test]
fn copies_store_to_redis_and_back() {
    use realtime_gateway_brokers::redis::{Persistence, RedisServer};
    let server = RedisServer::start(Persistence::None);
    let sandbox = Sandbox::empty();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/fixtures");
    let fixture = fs::read_dir(fixtures).unwrap().next().unwrap().unwrap().path();
    fs::copy(fixture, sandbox.folder.path().join("old.redb")).unwrap();
    let summary = "copied 1 logs with 3 entries, 5 idempotency keys, 1 pending notifications, 0 events, 0 events of webhooks, 0 blocked users, 0 server-side subscriptions\n";
    let copied = sandbox.run(&["store", "copy", "redb:old.redb", &server.url()]);
    assert_eq!((copied.code(), copied.out().as_str()), (0, summary), "{}", copied.err());
    let full = sandbox.run(&["store", "copy", "redb:old.redb", &server.url()]).refusal();
    assert!(full.contains("the target is not empty"), "{full}");

    // A configuration file may set a key prefix; this one uses the default, so it names the same store.
    let config = format!("store.url = \"{}\"\nauth.jwt_secret = \"{SECRET}\"\n", server.url());
    let sandbox = sandbox.file("redis.toml", &config);
    let copied = sandbox.run(&["store", "copy", "redis.toml", "redb:back.redb"]);
    assert_eq!((copied.code(), copied.out().as_str()), (0, summary), "{}", copied.err());
    let missing = sandbox.run(&["store", "copy", "redb:none.redb", "redb:new.redb"]).refusal();
    assert!(missing.contains("there is no store at none.redb"), "{missing}");
    assert!(!sandbox.folder.path().join("none.redb").exists());
    let unknown = sandbox.run(&["store", "copy", "nothing.toml", "redb:new.redb"]).refusal();
    assert!(unknown.contains("nothing.toml"), "{unknown}");

    let open = redb::Database::open(sandbox.folder.path().join("back.redb")).unwrap();
    let used = sandbox.run(&["store", "copy", "redb:back.redb", "redb:new.redb"]).refusal();
    assert!(used.contains("in use"), "{used}");
    drop(open);

    // `store copy` warns about nodes that are running on the source.
    server.cli(&["hset", "{gw}:nodes", "1", r#"{"id":"n1","incarnation":"1","address":"a","version":"0","started":"2026-01-01T00:00:00Z","connections":0,"draining":false}"#]);
    server.cli(&["set", "{gw}:lease:1", "e"]);
    let copied = sandbox.run(&["store", "copy", &server.url(), "redb:live.redb"]);
    assert_eq!(copied.code(), 0);
    assert!(copied.err().contains("warning  n1 runs on the source"), "{}", copied.err());
}

#[test]
fn schema_command_writes_to_requested_folder() {
    let sandbox = Sandbox::empty();
    let output = sandbox.run(&["schema", "--out", "a/b"]);
    assert_eq!(output.code(), 0, "{}", output.err());
    for name in output.out().lines() {
        let document: Value = serde_json::from_slice(&fs::read(sandbox.folder.path().join(name)).unwrap()).unwrap();
        assert!(document.is_object(), "{name}");
    }
    for name in ["client.json", "server.json", "asyncapi.json", "openapi.json"] {
        assert!(output.out().contains(&format!("a/b/{name}\n")), "{name}");
    }
}

/// Starts a server that answers one request, and returns its URL and the request.
fn respond_once(status: &str, body: &Value) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = body.to_string();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // Reads up to the end of the JSON body, or of a request without a body.
        while !(request.ends_with(b"}") || request.starts_with(b"GET ") && request.ends_with(b"\r\n\r\n")) {
            let mut buffer = [0; 4096];
            let read = socket.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        socket.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

#[test]
fn notify_command_uses_api_key_of_environment() {
    let (url, served) = respond_once("202 Accepted", &json!({ "ids": ["n-1"] }));
    let sandbox = Sandbox::empty().variable("GATEWAY_API_KEY", "k-1");
    let output = sandbox.run(&["notify", "--user", "alice", "--title", "T", "--message", "M", "--gateway", &url]);
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /api/v1/notifications HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer k-1\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "userId": "alice", "title": "T", "message": "M" }));
    assert_eq!((output.code(), output.out().as_str()), (0, "n-1\n"), "{}", output.err());
}

#[test]
fn rejected_notification_exits_with_1_and_reason() {
    let notify = |url: &str, sandbox: Sandbox| {
        sandbox.run(&["notify", "--user", "alice", "--title", "T", "--message", "M", "--gateway", url]).refusal()
    };
    let (url, served) = respond_once("401 Unauthorized", &json!({ "title": "Unauthorized", "detail": "no such key" }));
    let refusal = notify(&url, Sandbox::empty().variable("GATEWAY_API_KEY", "k-1"));
    assert!(refusal.ends_with("refused with 401 Unauthorized: no such key") && !refusal.contains("k-1"), "{refusal}");
    served.join().unwrap();
    let (url, served) = respond_once("404 Not Found", &json!({}));
    let refusal = notify(&url, Sandbox::empty());
    assert!(refusal.contains("--api-key"), "{refusal}");
    assert!(served.join().unwrap().starts_with("POST /dev/notifications "));
    assert!(notify("http://127.0.0.1:1", Sandbox::empty()).contains("does not answer"));
    for wrong in ["", "127.0.0.1:4000", "ftp://127.0.0.1"] {
        let inspection = Sandbox::empty().variable("GATEWAY_API_KEY", "k-1").run(&["users", "--gateway", wrong]);
        for refusal in [notify(wrong, Sandbox::empty()), inspection.refusal()] {
            assert!(refusal.contains("--gateway is not the address of a gateway"), "{wrong}: {refusal}");
        }
    }
}

#[test]
fn healthcheck_reports_state_by_exit_code() {
    let (url, served) = respond_once("200 OK", &json!({ "status": "ok" }));
    // Without a URL the command uses the configured address, as the health check of the image does.
    let sandbox = Sandbox::with_secret().variable("GATEWAY_LISTEN", url.trim_start_matches("http://"));
    let output = sandbox.run(&["healthcheck"]);
    assert_eq!((output.code(), output.out().contains(r#""status":"ok""#)), (0, true), "{}", output.err());
    assert!(served.join().unwrap().starts_with("GET /health/ready "));

    let (url, served) = respond_once("503 Service Unavailable", &json!({ "status": "draining" }));
    let health = format!("{url}/health");
    let refusal = Sandbox::empty().run(&["healthcheck", "--url", &health]).refusal();
    assert!(refusal.contains("503") && refusal.contains("draining"), "{refusal}");
    assert!(served.join().unwrap().starts_with("GET /health "));
    let without_match = Sandbox::empty().run(&["healthcheck", "--url", "http://127.0.0.1:1/health"]).refusal();
    assert!(without_match.contains("http://127.0.0.1:1/health does not answer"), "{without_match}");
}
