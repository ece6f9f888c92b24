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
        // The set was fetched for the first of them; the others may be of a key that came since.
        let expected = if number == 0 { NO_KEY } else { AuthError::Unavailable };
        assert_eq!(refused.err(), Some(expected), "{number}");
    }
    assert_eq!(server.hits(), 1);
    assert_eq!(verify(&authenticator, ES256, Some("made-up-0")).await.err(), Some(NO_KEY));
}

#[tokio::test]
async fn a_new_kid_is_unavailable_until_the_next_fetch_and_then_decided() {
    let server = TestServer::start(jwk_set(&[("old", RS256)])).await;
    let between = Duration::from_millis(300);
    let authenticator = authenticator(&server.url, Pace { between, ..ALWAYS });
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok());
    server.answers(200, jwk_set(&[("old", RS256), ("new", ES256)]));
    for (kid, known) in [("new", true), ("made up", false)] {
        let mut waited = 0;
        let outcome = loop {
            match verify(&authenticator, ES256, Some(kid)).await {
                Err(AuthError::Unavailable) => {
                    waited += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                decided => break decided,
            }
        };
        assert_eq!(outcome.map(|_| ()), if known { Ok(()) } else { Err(NO_KEY) }, "{kid}");
        assert!(waited > 0, "{kid}: the last fetch was a moment ago");
        // From here on it is known, also between two fetches.
        assert_eq!(verify(&authenticator, ES256, Some(kid)).await.is_ok(), known);
    }
    assert_eq!(server.hits(), 3);
}

#[tokio::test]
async fn a_key_that_is_replaced_under_its_kid_holds_after_the_next_fetch() {
    let server = TestServer::start(jwk_set(&[("k", RS256)])).await;
    let often = authenticator(&server.url, ALWAYS);
    let seldom = authenticator(&server.url, NEVER_AGAIN);
    for authenticator in [&often, &seldom] {
        assert!(verify(authenticator, RS256, Some("k")).await.is_ok());
    }
    server.answers(200, jwk_set(&[("k", ES256)]));
    assert!(verify(&often, ES256, Some("k")).await.is_ok());
    assert_eq!(verify(&often, RS256, Some("k")).await.err(), Some(NO_KEY));
    // It cannot be told from a forged token, and those are refused.
    assert_eq!(verify(&seldom, ES256, Some("k")).await.err(), Some(NO_KEY));
    server.answers(503, "");
    assert_eq!(verify(&often, RS256, Some("k")).await.err(), Some(NO_KEY), "also while the server is away");
}

#[tokio::test]
async fn a_shared_secret_is_never_looked_for_among_public_keys() {
    let server = TestServer::start("").await;
    server.answers(500, "");
    let authenticator = authenticator(&server.url, ALWAYS);
    for kid in [None, Some("e")] {
        assert_eq!(verify(&authenticator, HS256, kid).await.err(), Some(NO_KEY));
    }
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn all_keys_of_a_large_set_are_read_or_none() {
    let names: Vec<String> = (0..MAX_KEYS).map(|number| format!("k{number}")).collect();
    let set = |names: &[String]| {
        let keys: Vec<_> = names.iter().map(|name| (name.as_str(), ES256)).collect();
        jwk_set(&keys)
    };
    let server = TestServer::start(set(&names)).await;
    let large = authenticator(&server.url, ALWAYS);
    for kid in ["k0", "k100", "k999"] {
        assert!(verify(&large, ES256, Some(kid)).await.is_ok(), "{kid}");
    }
    assert_eq!(server.hits(), 1);
    let without = verify(&large, ES256, None).await.err();
    assert_eq!(without, Some(AuthError::Invalid("it has no kid, and auth.jwks_url serves more than 100 keys")));
    let too_many = [names, vec!["one more".into()]].concat();
    let refused = parse(set(&too_many).as_bytes(), &Rules::new(&auth())).err().unwrap();
    assert_eq!(refused, "the answer has 1001 keys, and at most 1000 are read");
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
async fn a_provider_that_hangs_costs_no_token_of_a_known_key_its_time() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let stale = Pace { fresh: Duration::ZERO, ..ALWAYS };
    let authenticator = authenticator(&server.url, stale);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    server.hold();
    let fetched = server.hits();
    for _ in 0..10 {
        tokio::select! {
            biased;
            verified = verify(&authenticator, ES256, Some("e")) => assert!(verified.is_ok()),
            () = server.arrived(fetched + 1) => panic!("the token waits for the provider"),
        }
    }
    // The keys are fetched all the same, once for all tokens.
    server.answers(200, jwk_set(&[("new", ES256)]));
    server.arrived(fetched + 1).await;
    server.release();
    assert!(verify(&authenticator, ES256, Some("new")).await.is_ok());
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_not_followed() {
    let (own, other) = (TestServer::start("").await, TestServer::start(jwk_set(&[("e", ES256)])).await);
    own.redirects("/", other.url.clone());
    let authenticator = authenticator(&own.url, ALWAYS);
    assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    assert_eq!(other.hits(), 0);
    // Neither is one that goes in a circle.
    own.redirects("/", "/");
    assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    assert!(own.hits() < 20, "{}", own.hits());
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.redirects("/", "/keys");
    assert!(verify(&authenticator(&server.url, ALWAYS), ES256, Some("e")).await.is_ok());
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
