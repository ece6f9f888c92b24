//! `gateway check` refuses what `gateway serve` refuses, in the same words, and a `.env` file means what it says.

use std::net::TcpListener;

use realtime_gateway_brokers::Authority;
use serde_json::Value;

use super::{Place, SECRET};

/// What `check` finds wrong, and what `serve` says of the same.
fn refusals(place: &Place) -> (Vec<String>, String) {
    let checked = place.run(&["check"]);
    assert_eq!(checked.code(), 1, "{}", checked.out());
    let errors = checked.out().lines().filter_map(|line| line.strip_prefix("error    ").map(str::to_owned)).collect();
    (errors, place.run(&["serve"]).refusal().trim_start_matches("gateway: ").to_owned())
}

#[test]
fn check_and_serve_refuse_the_same_certificates() {
    let (authority, other) = (Authority::make(), Authority::make());
    let path = |authority: &Authority, name: &str| authority.directory().join(name).display().to_string();
    let place = |cert: &str, key: &str| {
        Place::with_secret()
            .variable("GATEWAY_LISTEN", "127.0.0.1:0")
            .variable("GATEWAY_TLS__CERT", cert)
            .variable("GATEWAY_TLS__KEY", key)
            .file("empty", "")
            .file("der", "0\u{1}")
    };
    let (cert, key) = (path(&authority, "server.pem"), path(&authority, "server.key"));
    let checked = place(&cert, &key).run(&["check"]);
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
        let (errors, refusal) = refusals(&place(cert, key));
        assert!(errors.len() == 1 && errors[0].contains(says), "{errors:?}");
        assert_eq!(errors[0], refusal);
    }
}

#[test]
fn check_finds_every_part_that_serve_would_refuse() {
    let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let place = Place::with_secret()
        .file("key.pem", pem)
        .variable("GATEWAY_AUTH__JWT_PUBLIC_KEYS_FILE", "key.pem")
        .variable("GATEWAY_TLS__CERT", "c.pem")
        .variable("GATEWAY_TLS__KEY", "k.pem");
    let (errors, refusal) = refusals(&place);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("auth.jwt_public_keys, entry 1") && errors[1].starts_with("tls.cert (c.pem)"));
    assert_eq!(errors[0], refusal, "serve names the first");
}

#[test]
fn check_tells_of_a_port_that_is_in_use_or_not_of_this_machine() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // A gateway that runs may be the one that has it.
    let ended = Place::with_secret().variable("GATEWAY_LISTEN", &address).run(&["check"]);
    assert_eq!(ended.code(), 0, "{}", ended.out());
    assert!(ended.out().contains(&format!("warning  listen ({address}) is in use")), "{}", ended.out());
    let place = Place::with_secret().variable("GATEWAY_LISTEN", "192.0.2.1:4000");
    let (errors, refusal) = refusals(&place);
    assert!(errors[0].contains("cannot listen on 192.0.2.1:4000") && errors[0].contains(&refusal), "{errors:?}");
}

#[test]
fn a_dotenv_file_is_read_as_dotenvy_does_or_refused_without_its_secret() {
    gateway::crypto::install();
    let signed = |text: &str, secret: &str| {
        let ended = Place::empty().file(".env", text).run(&["token", "--user", "alice"]);
        assert_eq!(ended.code(), 0, "{text:?}: {}", ended.err());
        let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
        let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::decode::<Value>(ended.out().trim_end(), &key, &validation).is_ok()
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
        let refusal = Place::empty().file(".env", &format!("# a\n{text}\n")).run(&["check"]).out();
        assert!(refusal.starts_with("error    .env, line 2: ") && !refusal.contains("words"), "{refusal}");
    }
}
