//! Tests the layers, the source of each value, and every error text.

mod services;
mod webhooks;

use super::*;
use crate::config::{Change, InForce, LogFormat, PermissionSource};

/// The working directory, environment and flags of a gateway.
struct Setup {
    directory: tempfile::TempDir,
    environment: Environment,
    flags: Flags,
}

impl Setup {
    /// Creates a setup with a secret, so that the tested value is the only possible error.
    fn new() -> Self {
        let environment = Environment::default();
        let mut setup = Self { directory: tempfile::tempdir().unwrap(), environment, flags: Flags::default() };
        setup.variable("GATEWAY_AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef");
        setup
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

    /// Reloads the configuration of a process that had the configurations `before`, the latest first.
    fn after(&self, before: &[&Loaded]) -> Loaded {
        Loaded::layers(&self.flags, &self.environment, self.directory.path(), before).unwrap()
    }

    fn error(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

fn error_of_toml(text: &str) -> String {
    let mut setup = Setup::new();
    setup.file("gateway.toml", text);
    setup.error().replace(&setup.directory.path().display().to_string(), ".")
}

#[test]
fn later_layers_override_earlier_ones_and_sources_are_recorded() {
    let mut setup = Setup::new();
    let file = setup.file("gateway.toml", "listen = \"127.0.0.1:1\"\n[limits]\nburst = 1\nsubscriptions = 1\n");
    setup.variable("GATEWAY_LISTEN", "127.0.0.1:2").variable("GATEWAY_LIMITS__BURST", "2");
    setup.environment.add_file("GATEWAY_NODE_ID=from-dotenv").unwrap();
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.listen.port(), 2);
    setup.flags.listen = Some("127.0.0.1:3".into());
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!((loaded.config.limits.burst, loaded.config.limits.subscriptions), (2, 1));
    assert_eq!(loaded.config.node_id, "from-dotenv");
    assert_eq!(loaded.sources["listen"], Source::Flag("--listen"));
    assert_eq!(loaded.sources["limits.burst"], Source::Environment("GATEWAY_LIMITS__BURST".into()));
    assert_eq!(loaded.sources["limits.subscriptions"], Source::File(file.into(), 4));
    assert_eq!(loaded.sources["node_id"], Source::DotEnv("GATEWAY_NODE_ID".into()));
    assert!(!loaded.sources.contains_key("limits.connections"));
}

#[test]
fn masks_secrets_when_shown() {
    let mut setup = Setup::new();
    setup.variable("GATEWAY_AUTH__JWT_SECRETS", "the-second-secret-of-more-than-32-bytes");
    setup.variable("GATEWAY_AUTH__JWKS_URL", "https://me:pass-word@id.example.com/keys?token=tok-en");
    setup.variable("GATEWAY_METRICS__TOKEN", "metrics-tok-en");
    let shown = setup.load().unwrap().show();
    for secret in ["0123456789abcdef", "second-secret", "pass-word", "tok-en"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("jwks_url = \"https://***@id.example.com/keys?***\""), "{shown}");
    assert!(shown.contains("# environment GATEWAY_AUTH__JWT_SECRET\n"), "{shown}");
    let debug = format!("{:?}", setup.load().unwrap());
    assert!(!debug.contains("0123456789abcdef"), "{debug}");
}

#[test]
fn rejects_unknown_keys_and_suggests_the_nearest() {
    assert_eq!(
        error_of_toml("[limits]\nconections = 5"),
        "./gateway.toml, line 2: unknown key `limits.conections`; the nearest known one is `limits.connections`"
    );
    assert!(error_of_toml("listn = \"x\"").ends_with("the nearest known one is `listen`"));
    assert!(
        error_of_toml("[limit]\nburst = 5").ends_with("`limits.burst`")
            || error_of_toml("[limit]\nburst = 5").contains("`limit`")
    );
    let mut setup = Setup::new();
    setup.variable("GATEWAY_LIMITS__CONECTIONS", "5");
    assert_eq!(
        setup.error(),
        "environment GATEWAY_LIMITS__CONECTIONS: unknown key `GATEWAY_LIMITS__CONECTIONS`; \
         the nearest known one is `GATEWAY_LIMITS__CONNECTIONS`"
    );
}

#[test]
fn ignores_variables_of_orchestrators_with_a_notice() {
    let mut setup = Setup::new();
    setup.variable("GATEWAY_PORT", "tcp://10.0.0.1:80").variable("GATEWAY_API_KEY", "k").variable("GATEWAY_LIMITS", "");
    setup.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    assert_eq!(setup.load().unwrap().notices, ["environment GATEWAY_PORT is not a setting"]);
}

fn one_api_key() -> String {
    format!(r#"[{{"name": "backend", "sha256": "{}", "scopes": ["publish"]}}]"#, "a".repeat(64))
}

#[test]
fn warns_about_api_key_without_scopes() {
    let mut setup = Setup::new();
    let keys = one_api_key()
        .replace("}]", "}, {\"name\": \"ops\", \"sha256\": \"1\"}]")
        .replace("\"1\"", &format!("{:?}", "b".repeat(64)));
    setup.variable("GATEWAY_AUTH__API_KEYS", &keys);
    let notices = setup.load().unwrap().notices;
    assert!(notices.len() == 1 && notices[0].contains("\"ops\"") && !notices[0].contains("backend"), "{notices:?}");
    assert!(!notices[0].contains("bbbb"), "the notice contains neither the key nor its hash");
}

#[test]
fn warns_about_public_port_without_metrics_token() {
    let notices = |settings: &[(&str, &str)]| {
        let mut setup = Setup::new();
        setup.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
        for (name, value) in settings {
            setup.variable(name, value);
        }
        setup.load().unwrap().notices
    };
    let listen = ("GATEWAY_LISTEN", "0.0.0.0:4000");
    assert!(notices(&[listen])[0].contains("metrics.token"));
    assert_eq!(notices(&[listen, ("GATEWAY_METRICS__TOKEN", "t")]), [""; 0]);
    assert_eq!(notices(&[listen, ("GATEWAY_INTERNAL__LISTEN", "0.0.0.0:4001")]), [""; 0]);
    assert_eq!(notices(&[("GATEWAY_LISTEN", "[::1]:4000")]), [""; 0]);
}

#[test]
fn warns_about_missing_api_key() {
    let mut setup = Setup::new();
    let notices = setup.load().unwrap().notices;
    assert!(notices.len() == 1 && notices[0].contains("auth.api_keys") && notices[0].contains("gateway key new"));
    setup.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    assert!(setup.load().unwrap().notices.is_empty());
}

#[test]
fn accepts_shared_store_with_and_without_broker_without_a_warning() {
    let mut setup = Setup::new();
    setup.variable("GATEWAY_AUTH__API_KEYS", &one_api_key());
    for store in ["redis://127.0.0.1", "redis+sentinel://a/main", "redb:./data/gateway.redb"] {
        for bus in ["embedded", "amqp://127.0.0.1"] {
            setup.variable("GATEWAY_STORE__URL", store).variable("GATEWAY_BUS__URL", bus);
            assert_eq!(setup.load().unwrap().notices, [""; 0], "{store} {bus}");
        }
    }
}

#[test]
fn rejects_settings_that_are_not_supported_yet() {
    let wrong = error_of_toml("[store]\nurl = \"rediss://anna:secret@h:x\"");
    assert!(wrong.contains("redis+sentinel://") && !wrong.contains("secret"), "{wrong}");
    let mut setup = Setup::new();
    setup.file("gateway.toml", "[store]\nca = \"ca.pem\"\n");
    assert!(setup.load().is_ok(), "harmless");
}

#[test]
fn accepts_one_or_several_broker_urls() {
    for url in ["http://u:p@h", "amqp://u:p@h,", "amqp://", "rabbit", "amqp://u:p@h,http://h"] {
        let error = error_of_toml(&format!("[bus]\nurl = \"{url}\""));
        assert!(error.contains("bus.url is neither") && !error.contains("u:p"), "{error}");
    }
    assert!(error_of_toml("[bus]\nprefetch = 0").contains("bus.prefetch is 0"));
    assert!(error_of_toml("[bus]\nprefetch = 70000").contains("too large"));
    let mut setup = Setup::new();
    setup.file("gateway.toml", "[bus]\nurl = \"amqps://u:p@a, amqp://b:5673/v\"\nprefetch = 5\nca = \"ca.pem\"\n");
    let bus = setup.load().unwrap().config.bus;
    assert_eq!((bus.prefetch, bus.ca.as_deref()), (5, Some(Path::new("ca.pem"))));
    assert!(!bus.is_embedded());
}

#[test]
fn rejects_invalid_values_by_name() {
    assert_eq!(
        error_of_toml("[heartbeat]\ninterval = \"soon\""),
        "./gateway.toml, line 2: `heartbeat.interval` is \"soon\", which is not a duration such as 500ms, 25s, 10m, 24h or 7d"
    );
    assert!(error_of_toml("limits = 5").ends_with("`limits` is a section: write [limits]"));
    let broken = error_of_toml("[auth]\njwt_secret = \"a-secret\" oops");
    assert!(broken.starts_with("./gateway.toml, line 2: ") && !broken.contains("a-secret"), "{broken}");
}

#[test]
fn reads_secrets_and_urls_from_files() {
    let mut setup = Setup::without_secret();
    let one = setup.file("one", "a secret in a file, over 32 bytes long\n");
    let more = setup.file("more", "the second one, also over 32 bytes long\nthe third one, also over 32 bytes long\n");
    setup.file("gateway.toml", &format!("[auth]\njwt_secret_file = {one:?}\n"));
    setup.variable("GATEWAY_AUTH__JWT_SECRETS_FILE", &more);
    let secrets = setup.load().unwrap().config.auth.jwt_secrets;
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.0.as_str()).collect();
    assert_eq!(secrets[0], "a secret in a file, over 32 bytes long");
    assert_eq!(secrets.len(), 3);
    for text in
        ["\u{feff}a secret in a file, over 32 bytes long \t\r\n\n", "a secret in a file, over 32 bytes long\u{a0} "]
    {
        setup.file("one", text);
        let loaded = setup.load().unwrap();
        assert_eq!(loaded.config.auth.jwt_secrets[0].0, "a secret in a file, over 32 bytes long", "{text:?}");
    }
    setup.file(
        "more",
        "\u{feff}the second one, also over 32 bytes long  \r\nthe third one, also over 32 bytes long \r\n",
    );
    assert_eq!(setup.load().unwrap().config.auth.jwt_secrets[1].0, "the second one, also over 32 bytes long");
    setup.variable("GATEWAY_AUTH__JWT_SECRETS", "x");
    assert!(setup.error().contains("keep one of them"), "{}", setup.error());
    let mut setup = Setup::new();
    setup.variable("GATEWAY_METRICS__TOKEN_FILE", "/does/not/exist");
    assert!(setup.error().contains("/does/not/exist, which cannot be read"));
    assert!(
        error_of_toml("[limits]\nburst_file = \"x\"").contains("unknown key"),
        "only secrets and URLs can be read from files"
    );
}

#[test]
fn requires_a_secret_of_sufficient_length() {
    assert!(Setup::without_secret().error().starts_with("no key verifies tokens: set auth.jwt_secret"));
    let mut short = Setup::without_secret();
    short.variable("GATEWAY_AUTH__JWT_SECRET", "short");
    assert!(short.error().contains("shorter than 32 bytes"));
    short.flags.dev = true;
    assert!(short.load().is_ok());
    let mut public = Setup::without_secret();
    public.variable("GATEWAY_AUTH__JWKS_URL", "https://id.example.com/keys");
    assert!(public.load().is_ok());
}

#[test]
fn keeps_generated_dev_secret_on_reload() {
    let mut setup = Setup::without_secret();
    setup.flags.dev = true;
    let loaded = setup.load().unwrap();
    assert!(loaded.config.auth.jwt_secrets[0].0.len() >= 32);
    assert_eq!(loaded.config.log.format, LogFormat::Pretty);
    let other = setup.load().unwrap();
    assert_ne!(other.config.auth.jwt_secrets, loaded.config.auth.jwt_secrets);
    assert_ne!(other.config.node_id, loaded.config.node_id);
    setup.variable("GATEWAY_LIMITS__BURST", "7").variable("GATEWAY_HISTORY__MAX_ENTRIES", "7");
    let again = setup.after(&[&loaded]);
    let mut in_force = InForce::new(loaded.clone());
    let (live, fixed) =
        (Change { key: "limits.burst", live: true }, Change { key: "history.max_entries", live: false });
    assert_eq!(in_force.changes(&again), [live, fixed]);
    // A key that needs a restart is reported as changed until a restart, or until its value is changed back.
    in_force.applied(again.clone());
    assert_eq!(in_force.changes(&again), [fixed]);
    let mut setup = Setup { environment: Environment::default(), ..setup };
    let back = setup.after(&[&again, &loaded]);
    assert_eq!(in_force.changes(&back), [live]);
    // The generated secret and node id are used again after those of a file have been removed.
    let secret = "the secret of a file, of more than 32 bytes";
    setup.variable("GATEWAY_AUTH__JWT_SECRET", secret).variable("GATEWAY_NODE_ID", "other");
    let named = setup.after(&[&back, &loaded]);
    assert_eq!(in_force.changes(&named).iter().filter(|change| !change.live).count(), 1, "node_id");
    setup.environment = Environment::default();
    let back = setup.after(&[&named, &loaded]);
    assert_eq!(back.config.node_id, loaded.config.node_id);
    assert_eq!(back.config.auth.jwt_secrets, loaded.config.auth.jwt_secrets);
}

#[test]
fn restricts_dev_to_loopback_and_allow_all_to_dev() {
    let mut setup = Setup::new();
    setup.flags = Flags { dev: true, listen: Some("0.0.0.0:4000".into()), config: None };
    assert!(setup.error().starts_with("--dev listens on loopback only"));
    setup.flags.listen = Some("localhost:4000".into());
    setup.variable("GATEWAY_PERMISSIONS__SOURCE", "allow_all");
    assert_eq!(setup.load().unwrap().config.permissions.source, PermissionSource::AllowAll);
    setup.variable("GATEWAY_INTERNAL__LISTEN", "0.0.0.0:4001");
    assert!(setup.error().starts_with("--dev listens on loopback only"));
    setup.flags.dev = false;
    assert!(setup.error().contains("`allow_all` is for --dev only"));
}

#[test]
fn rejects_inconsistent_values() {
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
        ("loops = 0", "loops is not 1 to 256"),
        ("loops = 257", "loops is not 1 to 256"),
        ("[limits]\nburst = 0", "limits.burst is 0"),
        ("[limits]\nmessage_bytes = 12", "limits.message_bytes is under 1KiB"),
        ("[auth]\ntimeout = \"0s\"", "auth.timeout is 0s"),
        ("[auth]\nleeway = \"1h\"", "auth.leeway is over 5m"),
        ("listen = \"127.0.0.1:4000\"\n[internal]\nlisten = \"127.0.0.1:4000\"", "give internal.listen another port"),
    ];
    for (text, expected) in rules {
        let error = error_of_toml(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn rust_log_overrides_log_level() {
    let mut setup = Setup::new();
    setup.variable("GATEWAY_LOG__LEVEL", "warn").variable("RUST_LOG", "gateway=trace");
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.log.level, "gateway=trace");
    assert_eq!(loaded.sources["log.level"], Source::Environment("RUST_LOG".into()));
}

#[test]
fn requires_the_given_configuration_file() {
    let mut setup = Setup::new();
    setup.flags.config = Some("/does/not/exist.toml".into());
    assert!(setup.error().starts_with("/does/not/exist.toml: cannot be read"));
}
