//! Layers, provenance, and every refusal with its line.

use super::*;
use crate::config::{Change, InForce, LogFormat, PermissionSource};

/// A gateway's directory and environment.
struct Story {
    directory: tempfile::TempDir,
    environment: Environment,
    flags: Flags,
}

impl Story {
    /// With a secret, so that what is tested is the only thing that can be wrong.
    fn new() -> Self {
        let environment = Environment::default();
        let mut story = Self { directory: tempfile::tempdir().unwrap(), environment, flags: Flags::default() };
        story.variable("GATEWAY_AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef");
        story
    }

    fn without_secret() -> Self {
        Self { environment: Environment::default(), ..Self::new() }
    }

    fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.add_process([(name.to_owned(), value.to_owned())].into_iter());
        self
    }

    fn file(&mut self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        Loaded::layers(&self.flags, &self.environment, self.directory.path(), &[])
    }

    /// What a process that had these configurations reads next, the latest first.
    fn after(&self, before: &[&Loaded]) -> Loaded {
        Loaded::layers(&self.flags, &self.environment, self.directory.path(), before).unwrap()
    }

    fn refusal(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

fn refused_toml(text: &str) -> String {
    let mut story = Story::new();
    story.file("gateway.toml", text);
    story.refusal().replace(&story.directory.path().display().to_string(), ".")
}

#[test]
fn later_layers_win_and_each_value_knows_its_layer() {
    let mut story = Story::new();
    let file = story.file("gateway.toml", "listen = \"127.0.0.1:1\"\n[limits]\nburst = 1\nsubscriptions = 1\n");
    story.variable("GATEWAY_LISTEN", "127.0.0.1:2").variable("GATEWAY_LIMITS__BURST", "2");
    story.environment.add_file("GATEWAY_NODE_ID=from-dotenv").unwrap();
    let loaded = story.load().unwrap();
    assert_eq!(loaded.config.listen.port(), 2);
    story.flags.listen = Some("127.0.0.1:3".into());
    let loaded = story.load().unwrap();
    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!((loaded.config.limits.burst, loaded.config.limits.subscriptions), (2, 1));
    assert_eq!(loaded.config.node_id, "from-dotenv");
    assert_eq!(loaded.sources["listen"], Source::Flag("--listen"));
    assert_eq!(loaded.sources["limits.burst"], Source::Environment("GATEWAY_LIMITS__BURST".into()));
    assert_eq!(loaded.sources["limits.subscriptions"], Source::File(file.into()));
    assert_eq!(loaded.sources["node_id"], Source::DotEnv("GATEWAY_NODE_ID".into()));
    assert!(!loaded.sources.contains_key("limits.connections"));
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let mut story = Story::new();
    story.variable("GATEWAY_AUTH__JWT_SECRETS", "the-second-secret-of-more-than-32-bytes");
    story.variable("GATEWAY_AUTH__JWKS_URL", "https://me:pass-word@id.example.com/keys?token=tok-en");
    story.variable("GATEWAY_METRICS__TOKEN", "metrics-tok-en");
    let shown = story.load().unwrap().show();
    for secret in ["0123456789abcdef", "second-secret", "pass-word", "tok-en"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("jwks_url = \"https://***@id.example.com/keys?***\""), "{shown}");
    assert!(shown.contains("# environment GATEWAY_AUTH__JWT_SECRET\n"), "{shown}");
    let debug = format!("{:?}", story.load().unwrap());
    assert!(!debug.contains("0123456789abcdef"), "{debug}");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    assert_eq!(
        refused_toml("[limits]\nconections = 5"),
        "./gateway.toml: unknown key `limits.conections`; the nearest known one is `limits.connections`"
    );
    assert!(refused_toml("listn = \"x\"").ends_with("the nearest known one is `listen`"));
    assert!(
        refused_toml("[limit]\nburst = 5").ends_with("`limits.burst`")
            || refused_toml("[limit]\nburst = 5").contains("`limit`")
    );
    let mut story = Story::new();
    story.variable("GATEWAY_LIMITS__CONECTIONS", "5");
    assert_eq!(
        story.refusal(),
        "environment GATEWAY_LIMITS__CONECTIONS: unknown key `GATEWAY_LIMITS__CONECTIONS`; \
         the nearest known one is `GATEWAY_LIMITS__CONNECTIONS`"
    );
}

#[test]
fn variables_of_orchestrators_are_only_mentioned() {
    let mut story = Story::new();
    story.variable("GATEWAY_PORT", "tcp://10.0.0.1:80").variable("GATEWAY_API_KEY", "k").variable("GATEWAY_LIMITS", "");
    story.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    assert_eq!(story.load().unwrap().notices, ["environment GATEWAY_PORT is not a setting"]);
}

fn one_api_key() -> String {
    format!(r#"[{{"name": "backend", "sha256": "{}", "scopes": ["publish"]}}]"#, "a".repeat(64))
}

#[test]
fn a_key_without_scopes_is_named() {
    let mut story = Story::new();
    let keys = one_api_key()
        .replace("}]", "}, {\"name\": \"ops\", \"sha256\": \"1\"}]")
        .replace("\"1\"", &format!("{:?}", "b".repeat(64)));
    story.variable("GATEWAY_AUTH__API_KEYS", &keys);
    let notices = story.load().unwrap().notices;
    assert!(notices.len() == 1 && notices[0].contains("\"ops\"") && !notices[0].contains("backend"), "{notices:?}");
    assert!(!notices[0].contains("bbbb"), "neither the key nor its hash is shown");
}

#[test]
fn a_public_port_without_a_token_for_metrics_is_noticed() {
    let notices = |settings: &[(&str, &str)]| {
        let mut story = Story::new();
        story.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
        for (name, value) in settings {
            story.variable(name, value);
        }
        story.load().unwrap().notices
    };
    let listen = ("GATEWAY_LISTEN", "0.0.0.0:4000");
    assert!(notices(&[listen])[0].contains("metrics.token"));
    assert_eq!(notices(&[listen, ("GATEWAY_METRICS__TOKEN", "t")]), [""; 0]);
    assert_eq!(notices(&[listen, ("GATEWAY_INTERNAL__LISTEN", "0.0.0.0:4001")]), [""; 0]);
    assert_eq!(notices(&[("GATEWAY_LISTEN", "[::1]:4000")]), [""; 0]);
}

#[test]
fn a_gateway_without_an_api_key_says_how_to_make_one() {
    let mut story = Story::new();
    let notices = story.load().unwrap().notices;
    assert!(notices.len() == 1 && notices[0].contains("auth.api_keys") && notices[0].contains("gateway key new"));
    story.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    assert!(story.load().unwrap().notices.is_empty());
}

#[test]
fn a_shared_store_without_a_broker_is_noticed() {
    let mut story = Story::new();
    story.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    for (store, bus, is_noticed) in [
        ("redis://127.0.0.1", "embedded", true),
        ("redis+sentinel://a/main", "embedded", true),
        ("redis://127.0.0.1", "amqp://127.0.0.1", false),
        ("redb:./data/gateway.redb", "embedded", false),
    ] {
        story.variable("GATEWAY_STORE__URL", store).variable("GATEWAY_BUS__URL", bus);
        let notices = story.load().unwrap().notices;
        assert_eq!(notices.iter().any(|notice| notice.contains("typing and presence")), is_noticed, "{store} {bus}");
    }
}

#[test]
fn what_is_in_no_version_yet_says_so() {
    assert!(
        refused_toml("[services.orders]\ntopics = \"order-{id}\"")
            .contains("declared services are not in this version")
    );
    let wrong = refused_toml("[store]\nurl = \"rediss://anna:secret@h:x\"");
    assert!(wrong.contains("redis+sentinel://") && !wrong.contains("secret"), "{wrong}");
    let mut story = Story::new();
    story.file("gateway.toml", "[store]\nca = \"ca.pem\"\n");
    assert!(story.load().is_ok(), "harmless");
}

#[test]
fn a_broker_is_named_by_one_url_or_several() {
    for url in ["http://u:p@h", "amqp://u:p@h,", "amqp://", "rabbit", "amqp://u:p@h,http://h"] {
        let refusal = refused_toml(&format!("[bus]\nurl = \"{url}\""));
        assert!(refusal.contains("bus.url is neither") && !refusal.contains("u:p"), "{refusal}");
    }
    assert!(refused_toml("[bus]\nprefetch = 0").contains("bus.prefetch is 0"));
    assert!(refused_toml("[bus]\nprefetch = 70000").contains("too large"));
    let mut story = Story::new();
    story.file("gateway.toml", "[bus]\nurl = \"amqps://u:p@a, amqp://b:5673/v\"\nprefetch = 5\nca = \"ca.pem\"\n");
    let bus = story.load().unwrap().config.bus;
    assert_eq!((bus.prefetch, bus.ca.as_deref()), (5, Some(Path::new("ca.pem"))));
    assert!(!bus.is_embedded());
}

#[test]
fn values_that_do_not_fit_are_refused_by_name() {
    assert_eq!(
        refused_toml("[heartbeat]\ninterval = \"soon\""),
        "./gateway.toml: `heartbeat.interval` is \"soon\", which is not a duration such as 500ms, 25s, 10m, 24h or 7d"
    );
    assert!(refused_toml("limits = 5").ends_with("`limits` is a section: write [limits]"));
    let broken = refused_toml("[auth]\njwt_secret = \"a-secret\" oops");
    assert!(broken.starts_with("./gateway.toml, line 2: ") && !broken.contains("a-secret"), "{broken}");
}

#[test]
fn secrets_and_urls_may_be_files() {
    let mut story = Story::without_secret();
    let one = story.file("one", "a secret in a file, over 32 bytes long\n");
    let more = story.file("more", "the second one, also over 32 bytes long\nthe third one, also over 32 bytes long\n");
    story.file("gateway.toml", &format!("[auth]\njwt_secret_file = {one:?}\n"));
    story.variable("GATEWAY_AUTH__JWT_SECRETS_FILE", &more);
    let secrets = story.load().unwrap().config.auth.jwt_secrets;
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.0.as_str()).collect();
    assert_eq!(secrets[0], "a secret in a file, over 32 bytes long");
    assert_eq!(secrets.len(), 3);
    for text in
        ["\u{feff}a secret in a file, over 32 bytes long \t\r\n\n", "a secret in a file, over 32 bytes long\u{a0} "]
    {
        story.file("one", text);
        let loaded = story.load().unwrap();
        assert_eq!(loaded.config.auth.jwt_secrets[0].0, "a secret in a file, over 32 bytes long", "{text:?}");
    }
    story.file(
        "more",
        "\u{feff}the second one, also over 32 bytes long  \r\nthe third one, also over 32 bytes long \r\n",
    );
    assert_eq!(story.load().unwrap().config.auth.jwt_secrets[1].0, "the second one, also over 32 bytes long");
    story.variable("GATEWAY_AUTH__JWT_SECRETS", "x");
    assert!(story.refusal().contains("keep one of them"), "{}", story.refusal());
    let mut story = Story::new();
    story.variable("GATEWAY_METRICS__TOKEN_FILE", "/does/not/exist");
    assert!(story.refusal().contains("/does/not/exist, which cannot be read"));
    assert!(refused_toml("[limits]\nburst_file = \"x\"").contains("unknown key"), "a number is no secret");
}

#[test]
fn keys_must_be_there_and_long_enough() {
    assert!(Story::without_secret().refusal().starts_with("no key verifies tokens: set auth.jwt_secret"));
    let mut short = Story::without_secret();
    short.variable("GATEWAY_AUTH__JWT_SECRET", "short");
    assert!(short.refusal().contains("shorter than 32 bytes"));
    short.flags.dev = true;
    assert!(short.load().is_ok());
    let mut public = Story::without_secret();
    public.variable("GATEWAY_AUTH__JWKS_URL", "https://id.example.com/keys");
    assert!(public.load().is_ok());
}

#[test]
fn dev_makes_a_secret_that_a_reload_keeps() {
    let mut story = Story::without_secret();
    story.flags.dev = true;
    let loaded = story.load().unwrap();
    assert!(loaded.config.auth.jwt_secrets[0].0.len() >= 32);
    assert_eq!(loaded.config.log.format, LogFormat::Pretty);
    let other = story.load().unwrap();
    assert_ne!(other.config.auth.jwt_secrets, loaded.config.auth.jwt_secrets);
    assert_ne!(other.config.node_id, loaded.config.node_id);
    story.variable("GATEWAY_LIMITS__BURST", "7").variable("GATEWAY_HISTORY__MAX_ENTRIES", "7");
    let again = story.after(&[&loaded]);
    let mut in_force = InForce::new(loaded.clone());
    let (live, fixed) =
        (Change { key: "limits.burst", live: true }, Change { key: "history.max_entries", live: false });
    assert_eq!(in_force.changes(&again), [live, fixed]);
    // What needs a restart differs from what is in force until there was one, or the value is what it was.
    in_force.took(again.clone());
    assert_eq!(in_force.changes(&again), [fixed]);
    let mut story = Story { environment: Environment::default(), ..story };
    let back = story.after(&[&again, &loaded]);
    assert_eq!(in_force.changes(&back), [live]);
    // A secret and a name that the process made come back after those of a file.
    let secret = "the secret of a file, of more than 32 bytes";
    story.variable("GATEWAY_AUTH__JWT_SECRET", secret).variable("GATEWAY_NODE_ID", "other");
    let named = story.after(&[&back, &loaded]);
    assert_eq!(in_force.changes(&named).iter().filter(|change| !change.live).count(), 1, "node_id");
    story.environment = Environment::default();
    let back = story.after(&[&named, &loaded]);
    assert_eq!(back.config.node_id, loaded.config.node_id);
    assert_eq!(back.config.auth.jwt_secrets, loaded.config.auth.jwt_secrets);
}

#[test]
fn dev_stays_on_loopback_and_allow_all_in_dev() {
    let mut story = Story::new();
    story.flags = Flags { dev: true, listen: Some("0.0.0.0:4000".into()), config: None };
    assert!(story.refusal().starts_with("--dev listens on loopback only"));
    story.flags.listen = Some("localhost:4000".into());
    story.variable("GATEWAY_PERMISSIONS__SOURCE", "allow_all");
    assert_eq!(story.load().unwrap().config.permissions.source, PermissionSource::AllowAll);
    story.variable("GATEWAY_INTERNAL__LISTEN", "0.0.0.0:4001");
    assert!(story.refusal().starts_with("--dev listens on loopback only"));
    story.flags.dev = false;
    assert!(story.refusal().contains("`allow_all` is for --dev only"));
}

#[test]
fn values_must_fit_together() {
    let rules = [
        ("[heartbeat]\ninterval = \"60s\"", "heartbeat.timeout is not longer"),
        ("[permissions]\nsource = \"http\"", "set permissions.url too"),
        ("[permissions]\nsource = \"http\"\nurl = \"ftp://x\"", "permissions.url is not an http"),
        ("[tls]\ncert = \"c.pem\"", "belong together"),
        ("[origins]\nallowed = [\"https://app.example.com/\"]", "origins.allowed has"),
        ("[origins]\nallowed = [\"*\"]", "origins.allowed has"),
        ("[store]\nurl = \"postgres://x\"", "none of redb:PATH"),
        ("[store]\nmax_bytes = \"100KiB\"", "store.max_bytes is under 1MiB"),
        ("[store]\nmin_free_percent = 51", "store.min_free_percent is over 50"),
        ("node_id = \"a b\"", "node_id is not"),
        ("[limits]\nburst = 0", "limits.burst is 0"),
        ("[limits]\nmessage_bytes = 12", "limits.message_bytes is under 1KiB"),
        ("[auth]\ntimeout = \"0s\"", "auth.timeout is 0s"),
        ("[auth]\nleeway = \"1h\"", "auth.leeway is over 5m"),
        ("listen = \"127.0.0.1:4000\"\n[internal]\nlisten = \"127.0.0.1:4000\"", "give internal.listen another port"),
    ];
    for (text, expected) in rules {
        let refusal = refused_toml(text);
        assert!(refusal.contains(expected), "{text}: {refusal}");
        assert!(!refusal.contains('\n'));
    }
}

#[test]
fn rust_log_wins_over_the_level() {
    let mut story = Story::new();
    story.variable("GATEWAY_LOG__LEVEL", "warn").variable("RUST_LOG", "gateway=trace");
    let loaded = story.load().unwrap();
    assert_eq!(loaded.config.log.level, "gateway=trace");
    assert_eq!(loaded.sources["log.level"], Source::Environment("RUST_LOG".into()));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let mut story = Story::new();
    story.flags.config = Some("/does/not/exist.toml".into());
    assert!(story.refusal().starts_with("/does/not/exist.toml: cannot be read"));
}
