//! Keys from a real server: how often it is asked, and what holds when it is away.

use jsonwebtoken::Algorithm::{ES256, EdDSA, HS256, PS256, RS256};

use super::*;
use crate::auth::{
    Authenticator, Identity,
    test_http::TestServer,
    test_tokens::{auth, claims, jwk_set, sign},
};

const HOUR: Duration = Duration::from_secs(3600);
const NEVER_AGAIN: Pace = Pace { between: HOUR, without_keys: HOUR, fresh: HOUR };
const ALWAYS: Pace = Pace { between: Duration::ZERO, without_keys: Duration::ZERO, fresh: HOUR };

fn authenticator(url: &str, pace: Pace) -> Authenticator {
    Authenticator::with_pace(&crate::config::Auth { jwks_url: Some(url.to_owned()), ..auth() }, pace).unwrap()
}

async fn verify(
    authenticator: &Authenticator,
    algorithm: jsonwebtoken::Algorithm,
    kid: Option<&str>,
) -> Result<Identity, AuthError> {
    authenticator.verify(&sign(algorithm, kid, &claims())).await
}

#[tokio::test]
async fn keys_of_every_kind_are_fetched_once() {
    let server = TestServer::start(jwk_set(&[("r", RS256), ("e", ES256), ("d", EdDSA)])).await;
    let authenticator = authenticator(&server.url, NEVER_AGAIN);
    for (algorithm, kid) in [(RS256, Some("r")), (ES256, Some("e")), (EdDSA, Some("d")), (EdDSA, None)] {
        assert_eq!(verify(&authenticator, algorithm, kid).await.unwrap().user.as_str(), "alice");
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn unknown_kids_cost_the_server_nothing() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let authenticator = authenticator(&server.url, NEVER_AGAIN);
    for number in 0..50 {
        let refused = verify(&authenticator, ES256, Some(&format!("made-up-{number}"))).await;
        assert_eq!(refused.err(), Some(AuthError::Invalid("no key made its signature")));
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn a_key_that_was_rotated_in_is_fetched() {
    let server = TestServer::start(jwk_set(&[("old", RS256)])).await;
    let authenticator = authenticator(&server.url, ALWAYS);
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok());
    server.answers(200, jwk_set(&[("new", ES256)]));
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok(), "still cached");
    assert!(verify(&authenticator, ES256, Some("new")).await.is_ok());
    assert_eq!(server.hits(), 2);
    assert!(verify(&authenticator, RS256, Some("old")).await.is_err(), "rotated out");
}

#[tokio::test]
async fn cached_keys_hold_while_the_server_is_away() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let stale = Pace { fresh: Duration::ZERO, ..ALWAYS };
    let authenticator = authenticator(&server.url, stale);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    for (status, body) in [(503, String::new()), (200, "<html>".into()), (200, "x".repeat(MAX_BYTES + 1))] {
        server.answers(status, body);
        assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
        assert_eq!(verify(&authenticator, EdDSA, Some("new")).await.err(), Some(AuthError::Unavailable));
    }
}

#[tokio::test]
async fn without_any_answer_nobody_can_tell() {
    let server = TestServer::start("").await;
    server.answers(500, "");
    let authenticator = authenticator(&server.url, NEVER_AGAIN);
    for _ in 0..10 {
        assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_fetch() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.hold();
    let authenticator = authenticator(&server.url, ALWAYS);
    let callers = futures_util::future::join_all((0..20).map(|_| verify(&authenticator, ES256, Some("e"))));
    let (outcomes, ()) = tokio::join!(callers, async {
        server.arrived(1).await;
        server.release();
    });
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_fetch_that_hangs() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.hold();
    let authenticator = authenticator(&server.url, ALWAYS);
    tokio::select! {
        _ = verify(&authenticator, ES256, Some("e")) => panic!("the answer is held back"),
        () = server.arrived(1) => {}
    }
    server.release();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
}

#[tokio::test]
async fn a_reload_with_the_same_url_keeps_the_cache() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let authenticator = authenticator(&server.url, NEVER_AGAIN);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    let same = crate::config::Auth { jwks_url: Some(server.url.clone()), ..auth() };
    authenticator.reload(&same).unwrap();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    assert_eq!(server.hits(), 1);
    authenticator.reload(&crate::config::Auth { issuer: Some("idp".into()), ..same }).unwrap();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_err(), "the new rules hold for fetched keys too");
}

#[test]
fn only_public_keys_for_signatures_are_taken() {
    let rules = Rules::new(&auth());
    let mut set: serde_json::Value = serde_json::from_str(&jwk_set(&[("rs", RS256), ("ps", PS256)])).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    let mut encryption = keys[0].clone();
    encryption["use"] = "enc".into();
    keys.push(encryption);
    keys.push(serde_json::from_str(r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#).unwrap());
    keys.push(serde_json::from_str(r#"{"kty":"of tomorrow"}"#).unwrap());
    let taken = parse(set.to_string().as_bytes(), &rules).unwrap();
    let algorithms: Vec<_> = taken.iter().map(|key| key.validation.algorithms.clone()).collect();
    assert_eq!(algorithms, [[RS256], [PS256]], "`alg` says what a key is for");
    assert!(!algorithms.concat().contains(&HS256));
}
