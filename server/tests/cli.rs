//! The command line as a process: exit codes, and what it prints.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail anywhere")]

#[path = "cli/damage.rs"]
mod damage;

#[path = "cli/check.rs"]
mod check;

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

/// A folder and an environment of its own, with nothing set.
struct Place {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Place {
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

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.variables.iter().map(|(n, v)| (n, v)));
        Ended(command.output().unwrap())
    }
}

struct Ended(Output);

impl Ended {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// It ended with 1 and one line besides its log, which this returns.
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
fn wrong_usage_is_2() {
    let place = Place::with_secret();
    for arguments in
        [&["bogus"][..], &["token"], &["token", "--user", "a b"], &["token", "--user", "a", "--ttl", "soon"], &[]]
    {
        let ended = place.run(arguments);
        assert_eq!(ended.code(), 2, "{arguments:?}");
        assert!(ended.err().contains("Usage") || ended.err().contains("--help"), "{}", ended.err());
    }
    assert_eq!(place.run(&["--help"]).code(), 0);
    assert!(place.run(&["--version"]).out().starts_with("gateway "));
}

#[test]
fn a_start_that_fails_is_1_with_one_line_that_says_how_to_mend_it() {
    let none = Place::empty().run(&["serve"]).refusal();
    assert!(none.starts_with("gateway: no key verifies tokens: set auth.jwt_secret"), "{none}");
    let short = Place::empty().variable("GATEWAY_AUTH__JWT_SECRET", "short").run(&["serve"]).refusal();
    assert!(short.contains("shorter than 32 bytes") && !short.contains("\"short\""), "{short}");
    let unknown = Place::with_secret().file("gateway.toml", "[limits]\nconections = 1\n").run(&["serve"]).refusal();
    assert_eq!(
        unknown,
        "gateway: gateway.toml: unknown key `limits.conections`; the nearest known one is `limits.connections`"
    );
    let public = Place::empty().run(&["serve", "--dev", "--listen", "0.0.0.0:0"]).refusal();
    assert!(public.contains("--dev listens on loopback only"), "{public}");
    let missing = Place::with_secret().run(&["serve", "--config", "nowhere.toml"]).refusal();
    assert!(missing.starts_with("gateway: nowhere.toml: cannot be read"), "{missing}");
}

#[test]
fn a_token_is_printed_and_says_what_was_asked() {
    let place = Place::empty().file(".env", &format!("GATEWAY_AUTH__JWT_SECRET={SECRET}\n"));
    let ended = place.run(&["token", "--user", "alice", "--clans", "c1,c2", "--ttl", "10m"]);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    let claims = ended.out().trim_end().split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["clans"]), (&json!("alice"), &json!(["c1", "c2"])));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    assert!(place.run(&["token", "--user", "system"]).refusal().contains("system"));
    let public = Place::empty().variable("GATEWAY_AUTH__JWKS_URL", "https://id.example.com/keys");
    assert!(public.run(&["token", "--user", "alice"]).refusal().contains("no secret to sign with"));
}

#[test]
fn a_token_says_which_topics_it_allows() {
    let place = Place::with_secret();
    let ended = place.run(&["token", "--user", "alice", "--topics", "dice:table-1,orders:order:7,dice:*"]);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    let claims = ended.out().trim_end().split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["topics"], json!({ "dice": ["table-1", "*"], "orders": ["order:7"] }));
    for wrong in ["dice", "Dice:1", "dice:", ":x", "dice:a b"] {
        assert_eq!(place.run(&["token", "--user", "alice", "--topics", wrong]).code(), 2, "{wrong}");
    }
}

#[test]
fn a_new_key_comes_with_the_lines_that_configure_it() {
    let made = Place::empty().run(&["key", "new"]);
    let value = |ended: &Ended, start: &str| {
        ended.out().lines().find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap()
    };
    let (key, line) = (value(&made, "GATEWAY_API_KEY="), value(&made, "GATEWAY_AUTH__API_KEYS="));
    assert!(key.starts_with("gw_") && key.len() == 67 && !line.contains(&key), "{}", made.out());
    assert_ne!(value(&Place::empty().run(&["key", "new"]), "GATEWAY_API_KEY="), key);
    let shown = Place::with_secret().variable("GATEWAY_AUTH__API_KEYS", line.trim_matches('\'')).run(&["config"]);
    assert!(shown.out().contains("backend") && shown.out().contains("publish"), "{}{}", shown.out(), shown.err());

    // The lines for the file, of two keys that follow one another.
    let tables = ["ops", "shop"].map(|name| {
        let made = Place::empty().run(&["key", "new", "--name", name, "--scopes", "admin,read"]).out();
        let lines = made.lines().skip_while(|line| *line != "# [[auth.api_keys]]");
        lines.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect::<String>()
    });
    let shown = Place::with_secret().file("gateway.toml", &tables.concat()).run(&["config"]);
    assert!(shown.out().contains("ops") && shown.out().contains("shop"), "{}{}", shown.out(), shown.err());
    for wrong in [&["key", "new", "--name", "it's"][..], &["key", "new", "--scopes", "all"], &["key"]] {
        assert_eq!(Place::empty().run(wrong).code(), 2, "{wrong:?}");
    }
}

#[test]
fn a_reload_without_a_gateway_is_1_and_says_what_it_looked_for() {
    let place = Place::empty().file("gateway.toml", "");
    let without_match = place.run(&["reload", "--config", "gateway.toml"]).refusal();
    assert!(without_match.contains("no gateway of this program runs here with gateway.toml"), "{without_match}");
    assert_eq!(place.run(&["reload", "--pid", "0"]).code(), 2);
    assert_eq!(place.run(&["reload", "--pid", "1", "--config", "gateway.toml"]).code(), 2);
}

#[test]
fn the_configuration_is_shown_with_sources_and_without_secrets() {
    let place = Place::with_secret().file("gateway.toml", "[limits]\nburst = 7\n");
    let shown = place.run(&["config"]).out();
    assert!(!shown.contains(SECRET));
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("burst = 7").ends_with("# gateway.toml"), "{shown}");
    assert!(line("jwt_secret = \"***\"").ends_with("# environment GATEWAY_AUTH__JWT_SECRET"), "{shown}");
    assert!(line("listen = ").ends_with("# default"), "{shown}");
}

#[test]
fn examples_need_no_configuration() {
    let place = Place::empty();
    assert!(place.run(&["config", "--example", "toml"]).out().contains("\n[heartbeat]\n"));
    assert!(place.run(&["config", "--example", "env"]).out().contains("\n#GATEWAY_HEARTBEAT__INTERVAL=25s\n"));
}

#[test]
fn check_prints_each_finding_and_makes_nothing() {
    let place = Place::with_secret();
    let ended = place.run(&["check"]);
    assert_eq!(ended.code(), 0, "{}", ended.out());
    assert!(ended.out().contains("ok       ./data/gateway.redb will be made by the first start"), "{}", ended.out());
    assert_eq!(fs::read_dir(&place.folder).unwrap().count(), 0);
    let open =
        Place::with_secret().variable("GATEWAY_LISTEN", "0.0.0.0:4000").variable("GATEWAY_STORE__DURABILITY", "os");
    let ended = open.run(&["check"]);
    for warning in ["proxies.trusted", "tls.cert", "internal.listen", "durability"] {
        assert!(
            ended.out().lines().any(|line| line.starts_with("warning") && line.contains(warning)),
            "{}",
            ended.out()
        );
    }
    assert_eq!(ended.code(), 0);
}

#[test]
fn check_is_1_when_the_gateway_would_not_start() {
    let refused = Place::empty().run(&["check"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.out().starts_with("error    no key verifies tokens"));
    let place = Place::with_secret().variable("GATEWAY_STORE__URL", "redb:store").file("store", "not a store");
    let ended = place.run(&["check"]);
    assert_eq!(ended.code(), 1, "{}", ended.out());
    assert!(ended.out().contains("error    store is not a data file"), "{}", ended.out());
    let log = Place::with_secret().variable("RUST_LOG", "gateway=loud").run(&["check"]);
    assert_eq!((log.code(), log.out().contains("error    RUST_LOG or log.level is not a filter")), (1, true));
}

#[test]
fn check_names_settings_of_redis_that_hurt_and_hides_its_password() {
    use realtime_gateway_brokers::redis::RedisServer;
    let server = RedisServer::with(&[("save", ""), ("requirepass", "hush"), ("maxmemory-policy", "allkeys-lru")]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/1", server.port());
    let ended = Place::with_secret().variable("GATEWAY_STORE__URL", &url("hush")).run(&["check"]);
    assert_eq!(ended.code(), 0, "{}", ended.out());
    for line in
        ["ok       the store can be opened", "warning  Redis has maxmemory-policy", "warning  Redis keeps nothing"]
    {
        assert!(ended.out().lines().any(|found| found.starts_with(line)), "{}", ended.out());
    }
    let ended = Place::with_secret().variable("GATEWAY_STORE__URL", &url("hushhush")).run(&["check"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.out().contains("error    Redis at 127.0.0.1:"), "{}", ended.out());
    assert!(!ended.out().contains("hush") && !ended.err().contains("hush"));
}

#[test]
fn a_store_is_copied_there_and_back() {
    use realtime_gateway_brokers::redis::{Persistence, RedisServer};
    let server = RedisServer::start(Persistence::None);
    let place = Place::empty();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store");
    let fixture = fs::read_dir(fixtures).unwrap().next().unwrap().unwrap().path();
    fs::copy(fixture, place.folder.path().join("old.redb")).unwrap();
    let said = "copied 1 logs with 3 entries, 5 idempotency keys, 1 pending notifications, 0 events, 0 blocked users\n";
    let copied = place.run(&["store", "copy", "redb:old.redb", &server.url()]);
    assert_eq!((copied.code(), copied.out().as_str()), (0, said), "{}", copied.err());
    let full = place.run(&["store", "copy", "redb:old.redb", &server.url()]).refusal();
    assert!(full.contains("the target is not empty"), "{full}");

    // A configuration file knows a prefix; here it has none of its own, so it means the same.
    let config = format!("store.url = \"{}\"\nauth.jwt_secret = \"{SECRET}\"\n", server.url());
    let place = place.file("redis.toml", &config);
    let copied = place.run(&["store", "copy", "redis.toml", "redb:back.redb"]);
    assert_eq!((copied.code(), copied.out().as_str()), (0, said), "{}", copied.err());
    let missing = place.run(&["store", "copy", "redb:none.redb", "redb:new.redb"]).refusal();
    assert!(missing.contains("there is no store at none.redb"), "{missing}");
    assert!(!place.folder.path().join("none.redb").exists());
    let unknown = place.run(&["store", "copy", "nothing.toml", "redb:new.redb"]).refusal();
    assert!(unknown.contains("nothing.toml"), "{unknown}");

    let open = redb::Database::open(place.folder.path().join("back.redb")).unwrap();
    let used = place.run(&["store", "copy", "redb:back.redb", "redb:new.redb"]).refusal();
    assert!(used.contains("in use"), "{used}");
    drop(open);

    // Whoever runs on Redis is warned of.
    server.cli(&["hset", "{gw}:nodes", "1", r#"{"id":"n1","incarnation":"1","address":"a","version":"0","started":"2026-01-01T00:00:00Z","connections":0,"draining":false}"#]);
    server.cli(&["set", "{gw}:lease:1", "e"]);
    let copied = place.run(&["store", "copy", &server.url(), "redb:live.redb"]);
    assert_eq!(copied.code(), 0);
    assert!(copied.err().contains("warning  n1 runs on the source"), "{}", copied.err());
}

#[test]
fn schemas_are_written_to_the_folder_that_was_named() {
    let place = Place::empty();
    let ended = place.run(&["schema", "--out", "a/b"]);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    for name in ended.out().lines() {
        let document: Value = serde_json::from_slice(&fs::read(place.folder.path().join(name)).unwrap()).unwrap();
        assert!(document.is_object(), "{name}");
    }
    for name in ["client.json", "server.json", "asyncapi.json", "openapi.json"] {
        assert!(ended.out().contains(&format!("a/b/{name}\n")), "{name}");
    }
}

/// Answers one request, and returns it.
fn answer_once(status: &str, body: &Value) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // The end of a JSON body, or of a request that has none.
        while !(request.ends_with(b"}") || request.starts_with(b"GET ") && request.ends_with(b"\r\n\r\n")) {
            let mut buffer = [0; 4096];
            let read = socket.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        socket.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

#[test]
fn a_notification_is_sent_with_the_key_of_the_environment() {
    let (url, served) = answer_once("202 Accepted", &json!({ "ids": ["n-1"] }));
    let place = Place::empty().variable("GATEWAY_API_KEY", "k-1");
    let ended = place.run(&["notify", "--user", "alice", "--title", "T", "--message", "M", "--gateway", &url]);
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /api/v1/notifications HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer k-1\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "userId": "alice", "title": "T", "message": "M" }));
    assert_eq!((ended.code(), ended.out().as_str()), (0, "n-1\n"), "{}", ended.err());
}

#[test]
fn a_notification_that_is_refused_is_1_with_the_reason() {
    let notify = |url: &str, place: Place| {
        place.run(&["notify", "--user", "alice", "--title", "T", "--message", "M", "--gateway", url]).refusal()
    };
    let (url, served) = answer_once("401 Unauthorized", &json!({ "title": "Unauthorized", "detail": "no such key" }));
    let refusal = notify(&url, Place::empty().variable("GATEWAY_API_KEY", "k-1"));
    assert!(refusal.ends_with("refused with 401 Unauthorized: no such key") && !refusal.contains("k-1"), "{refusal}");
    served.join().unwrap();
    let (url, served) = answer_once("404 Not Found", &json!({}));
    let refusal = notify(&url, Place::empty());
    assert!(refusal.contains("--api-key"), "{refusal}");
    assert!(served.join().unwrap().starts_with("POST /dev/notifications "));
    assert!(notify("http://127.0.0.1:1", Place::empty()).contains("does not answer"));
}

#[test]
fn a_healthcheck_tells_by_its_exit_code() {
    let (url, served) = answer_once("200 OK", &json!({ "status": "ok" }));
    // The configured address, as an image's health check asks it.
    let place = Place::with_secret().variable("GATEWAY_LISTEN", url.trim_start_matches("http://"));
    let ended = place.run(&["healthcheck"]);
    assert_eq!((ended.code(), ended.out().contains(r#""status":"ok""#)), (0, true), "{}", ended.err());
    assert!(served.join().unwrap().starts_with("GET /health/ready "));

    let (url, served) = answer_once("503 Service Unavailable", &json!({ "status": "draining" }));
    let health = format!("{url}/health");
    let refusal = Place::empty().run(&["healthcheck", "--url", &health]).refusal();
    assert!(refusal.contains("503") && refusal.contains("draining"), "{refusal}");
    assert!(served.join().unwrap().starts_with("GET /health "));
    let without_match = Place::empty().run(&["healthcheck", "--url", "http://127.0.0.1:1/health"]).refusal();
    assert!(without_match.contains("http://127.0.0.1:1/health does not answer"), "{without_match}");
}
