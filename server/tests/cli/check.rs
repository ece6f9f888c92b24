//! `gateway check` reports the same errors as `gateway serve`, and `.env` files are parsed correctly.

use std::net::TcpListener;

use realtime_gateway_brokers::Authority;
use serde_json::Value;

use super::{SECRET, Sandbox};

/// Returns the errors that `check` finds and the error with which `serve` exits.
fn refusals(sandbox: &Sandbox) -> (Vec<String>, String) {
    let checked = sandbox.run(&["check"]);
    assert_eq!(checked.code(), 1, "{}", checked.out());
    let errors = checked.out().lines().filter_map(|line| line.strip_prefix("error    ").map(str::to_owned)).collect();
    (errors, sandbox.run(&["serve"]).refusal().trim_start_matches("gateway: ").to_owned())
}

#[test]
fn check_and_serve_refuse_the_same_certificates() {
    let (authority, other) = (Authority::make(), Authority::make());
    let path = |authority: &Authority, name: &str| authority.directory().join(name).display().to_string();
    let sandbox = |cert: &str, key: &str| {
        Sandbox::with_secret()
            .variable("GATEWAY_LISTEN", "127.0.0.1:0")
            .variable("GATEWAY_TLS__CERT", cert)
            .variable("GATEWAY_TLS__KEY", key)
            .file("empty", "")
            .file("der", "0\u{1}")
    };
    let (cert, key) = (path(&authority, "server.pem"), path(&authority, "server.key"));
    let checked = sandbox(&cert, &key).run(&["check"]);
    assert_eq!(checked.code(), 0, "{}", checked.out());
    assert!(checked.out().contains("ok       tls.cert and tls.key can be used"), "{}", checked.out());
    for (cert, key, says) in [
        ("none.pem", &*key, "tls.cert (none.pem) cannot be read"),
        ("empty", &key, "tls.cert (empty) is empty"),
        ("der", &key, "tls.cert (der) is in DER"),
        (&cert, "empty", "tls.key (empty) is empty"),
        (&cert, &path(&other, "server.key"), "the key does not belong to the first certificate"),
        (&key, &cert, "holds a private key and no certificate"),
    ] {
        let (errors, refusal) = refusals(&sandbox(cert, key));
        assert!(errors.len() == 1 && errors[0].contains(says), "{errors:?}");
        assert_eq!(errors[0], refusal);
    }
}

#[test]
fn check_finds_every_error_of_serve() {
    let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let sandbox = Sandbox::with_secret()
        .file("key.pem", pem)
        .variable("GATEWAY_AUTH__JWT_PUBLIC_KEYS_FILE", "key.pem")
        .variable("GATEWAY_TLS__CERT", "c.pem")
        .variable("GATEWAY_TLS__KEY", "k.pem");
    let (errors, refusal) = refusals(&sandbox);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("auth.jwt_public_keys, entry 1") && errors[1].starts_with("tls.cert (c.pem)"));
    assert_eq!(errors[0], refusal, "serve reports the first error");
}

#[test]
fn check_reports_unusable_listen_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // The port may be in use by the running gateway, so this is only a warning.
    let output = Sandbox::with_secret().variable("GATEWAY_LISTEN", &address).run(&["check"]);
    assert_eq!(output.code(), 0, "{}", output.out());
    assert!(output.out().contains(&format!("warning  listen ({address}) is in use")), "{}", output.out());
    let sandbox = Sandbox::with_secret().variable("GATEWAY_LISTEN", "192.0.2.1:4000");
    let (errors, refusal) = refusals(&sandbox);
    assert!(errors[0].contains("cannot listen on 192.0.2.1:4000") && errors[0].contains(&refusal), "{errors:?}");
}

#[test]
fn reads_dotenv_file_like_dotenvy_and_hides_secret_in_errors() {
    gateway::crypto::install();
    let signed = |text: &str, secret: &str| {
        let output = Sandbox::empty().file(".env", text).run(&["token", "--user", "alice"]);
        assert_eq!(output.code(), 0, "{text:?}: {}", output.err());
        let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
        let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::decode::<Value>(output.out().trim_end(), &key, &validation).is_ok()
    };
    let escaped = format!("{SECRET}\"\\$x");
    for (text, secret) in [
        (format!("\u{feff}GATEWAY_AUTH__JWT_SECRET={SECRET}  \r\n"), SECRET),
        (format!("GATEWAY_AUTH__JWT_SECRET=\"{SECRET}\" # the secret\r\n"), SECRET),
        (format!("GATEWAY_AUTH__JWT_SECRET=\"{SECRET}\\\"\\\\\\$x\"\n"), &*escaped),
        (format!("GATEWAY_AUTH__JWT_SECRET='{SECRET}\"\\$x'\n"), &*escaped),
    ] {
        assert!(signed(&text, secret), "{text:?}");
    }
    for text in
        ["GATEWAY_AUTH__JWT_SECRET=two words", "GATEWAY_AUTH__JWT_SECRET=a$words", "GATEWAY_AUTH__JWT_SECRET='words"]
    {
        let refusal = Sandbox::empty().file(".env", &format!("# a\n{text}\n")).run(&["check"]).out();
        assert!(refusal.starts_with("error    .env, line 2: ") && !refusal.contains("words"), "{refusal}");
    }
}
