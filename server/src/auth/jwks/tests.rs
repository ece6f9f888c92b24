//! Fetches keys from a real server: how often it is requested, and which keys are valid while it is unavailable.

use jsonwebtoken::Algorithm::{ES256, EdDSA, HS256, PS256, RS256};

use super::*;
use crate::auth::{
    Authenticator, Identity,
    test_http::TestServer,
    test_tokens::{auth, claims, jwk_set, sign},
};

const HOUR: Duration = Duration::from_secs(3600);
const FETCH_ONCE: FetchSchedule = FetchSchedule { min_interval: HOUR, retry_delay: HOUR, max_age: HOUR };
const FETCH_ALWAYS: FetchSchedule =
    FetchSchedule { min_interval: Duration::ZERO, retry_delay: Duration::ZERO, max_age: HOUR };

fn authenticator(url: &str, schedule: FetchSchedule) -> Authenticator {
    Authenticator::with_schedule(&crate::config::Auth { jwks_url: Some(url.to_owned()), ..auth() }, schedule).unwrap()
}

async fn verify(
    authenticator: &Authenticator,
    algorithm: jsonwebtoken::Algorithm,
    kid: Option<&str>,
) -> Result<Identity, AuthError> {
    authenticator.verify(&sign(algorithm, kid, &claims())).await
}

#[tokio::test]
async fn fetches_keys_of_all_algorithms_once() {
    let server = TestServer::start(jwk_set(&[("r", RS256), ("e", ES256), ("d", EdDSA)])).await;
    let authenticator = authenticator(&server.url, FETCH_ONCE);
    for (algorithm, kid) in [(RS256, Some("r")), (ES256, Some("e")), (EdDSA, Some("d")), (EdDSA, None)] {
        assert_eq!(verify(&authenticator, algorithm, kid).await.unwrap().user.as_str(), "alice");
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn unknown_kids_cause_no_additional_fetch() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let authenticator = authenticator(&server.url, FETCH_ONCE);
    for number in 0..50 {
        let refused = verify(&authenticator, ES256, Some(&format!("made-up-{number}"))).await;
        // The set was fetched for the first kid. The others may belong to keys that were added later.
        let expected = if number == 0 { NO_KEY } else { AuthError::Unavailable };
        assert_eq!(refused.err(), Some(expected), "{number}");
    }
    assert_eq!(server.hits(), 1);
    assert_eq!(verify(&authenticator, ES256, Some("made-up-0")).await.err(), Some(NO_KEY));
}

#[tokio::test]
async fn new_kid_is_unavailable_until_the_next_fetch() {
    let server = TestServer::start(jwk_set(&[("old", RS256)])).await;
    let min_interval = Duration::from_millis(300);
    let authenticator = authenticator(&server.url, FetchSchedule { min_interval, ..FETCH_ALWAYS });
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok());
    server.respond_with(200, jwk_set(&[("old", RS256), ("new", ES256)]));
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
        assert!(waited > 0, "{kid}: no fetch is due right after the last one");
        // The result is final now, also between two fetches.
        assert_eq!(verify(&authenticator, ES256, Some(kid)).await.is_ok(), known);
    }
    assert_eq!(server.hits(), 3);
}

#[tokio::test]
async fn key_replaced_under_the_same_kid_is_used_after_the_next_fetch() {
    let server = TestServer::start(jwk_set(&[("k", RS256)])).await;
    let frequent = authenticator(&server.url, FETCH_ALWAYS);
    let rare = authenticator(&server.url, FETCH_ONCE);
    for authenticator in [&frequent, &rare] {
        assert!(verify(authenticator, RS256, Some("k")).await.is_ok());
    }
    server.respond_with(200, jwk_set(&[("k", ES256)]));
    assert!(verify(&frequent, ES256, Some("k")).await.is_ok());
    assert_eq!(verify(&frequent, RS256, Some("k")).await.err(), Some(NO_KEY));
    // Without a fetch it cannot be distinguished from a forged token, so it is rejected.
    assert_eq!(verify(&rare, ES256, Some("k")).await.err(), Some(NO_KEY));
    server.respond_with(503, "");
    assert_eq!(verify(&frequent, RS256, Some("k")).await.err(), Some(NO_KEY), "also while the server is unavailable");
}

#[tokio::test]
async fn hmac_tokens_are_never_checked_against_a_jwks() {
    let server = TestServer::start("").await;
    server.respond_with(500, "");
    let authenticator = authenticator(&server.url, FETCH_ALWAYS);
    for kid in [None, Some("e")] {
        assert_eq!(verify(&authenticator, HS256, kid).await.err(), Some(NO_KEY));
    }
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn rejects_a_key_set_over_the_limit_as_a_whole() {
    let names: Vec<String> = (0..MAX_KEYS).map(|number| format!("k{number}")).collect();
    let set = |names: &[String]| {
        let keys: Vec<_> = names.iter().map(|name| (name.as_str(), ES256)).collect();
        jwk_set(&keys)
    };
    let server = TestServer::start(set(&names)).await;
    let large = authenticator(&server.url, FETCH_ALWAYS);
    for kid in ["k0", "k100", "k999"] {
        assert!(verify(&large, ES256, Some(kid)).await.is_ok(), "{kid}");
    }
    assert_eq!(server.hits(), 1);
    let without = verify(&large, ES256, None).await.err();
    assert_eq!(without, Some(AuthError::Invalid("it has no kid, and its provider has more than 100 keys")));
    let too_many = [names, vec!["one more".into()]].concat();
    let refused = parse(set(&too_many).as_bytes(), &Rules::new(&auth())).err().unwrap();
    assert_eq!(refused, "the response has 1001 keys, and at most 1000 are read");
}

#[tokio::test]
async fn fetches_a_rotated_key() {
    let server = TestServer::start(jwk_set(&[("old", RS256)])).await;
    let authenticator = authenticator(&server.url, FETCH_ALWAYS);
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok());
    server.respond_with(200, jwk_set(&[("new", ES256)]));
    assert!(verify(&authenticator, RS256, Some("old")).await.is_ok(), "still cached");
    assert!(verify(&authenticator, ES256, Some("new")).await.is_ok());
    assert_eq!(server.hits(), 2);
    assert!(verify(&authenticator, RS256, Some("old")).await.is_err(), "rotated out");
}

#[tokio::test]
async fn cached_keys_stay_valid_while_the_server_is_unavailable() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let stale = FetchSchedule { max_age: Duration::ZERO, ..FETCH_ALWAYS };
    let authenticator = authenticator(&server.url, stale);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    for (status, body) in [(503, String::new()), (200, "<html>".into()), (200, "x".repeat(MAX_BYTES + 1))] {
        server.respond_with(status, body);
        assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
        assert_eq!(verify(&authenticator, EdDSA, Some("new")).await.err(), Some(AuthError::Unavailable));
    }
}

#[tokio::test]
async fn unresponsive_provider_does_not_delay_tokens_of_cached_keys() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let stale = FetchSchedule { max_age: Duration::ZERO, ..FETCH_ALWAYS };
    let authenticator = authenticator(&server.url, stale);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    server.hold();
    let fetched = server.hits();
    for _ in 0..10 {
        tokio::select! {
            biased;
            verified = verify(&authenticator, ES256, Some("e")) => assert!(verified.is_ok()),
            () = server.wait_for_requests(fetched + 1) => panic!("the token waited for the provider"),
        }
    }
    // The keys are still fetched in the background, once for all tokens.
    server.respond_with(200, jwk_set(&[("new", ES256)]));
    server.wait_for_requests(fetched + 1).await;
    server.release();
    assert!(verify(&authenticator, ES256, Some("new")).await.is_ok());
}

#[tokio::test]
async fn does_not_follow_a_redirect_to_another_origin() {
    let (own, other) = (TestServer::start("").await, TestServer::start(jwk_set(&[("e", ES256)])).await);
    own.redirect("/", other.url.clone());
    let authenticator = authenticator(&own.url, FETCH_ALWAYS);
    assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    assert_eq!(other.hits(), 0);
    // A redirect loop is not followed either.
    own.redirect("/", "/");
    assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    assert!(own.hits() < 20, "{}", own.hits());
}

#[tokio::test]
async fn follows_a_redirect_within_the_origin() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.redirect("/", "/keys");
    assert!(verify(&authenticator(&server.url, FETCH_ALWAYS), ES256, Some("e")).await.is_ok());
}

#[tokio::test]
async fn tokens_are_unavailable_until_the_first_successful_fetch() {
    let server = TestServer::start("").await;
    server.respond_with(500, "");
    let authenticator = authenticator(&server.url, FETCH_ONCE);
    for _ in 0..10 {
        assert_eq!(verify(&authenticator, ES256, Some("e")).await.err(), Some(AuthError::Unavailable));
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.hold();
    let authenticator = authenticator(&server.url, FETCH_ALWAYS);
    let callers = futures_util::future::join_all((0..20).map(|_| verify(&authenticator, ES256, Some("e"))));
    let (outcomes, ()) = tokio::join!(callers, async {
        server.wait_for_requests(1).await;
        server.release();
    });
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn fetch_completes_after_its_caller_is_dropped() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    server.hold();
    let authenticator = authenticator(&server.url, FETCH_ALWAYS);
    tokio::select! {
        _ = verify(&authenticator, ES256, Some("e")) => panic!("the response is held back"),
        () = server.wait_for_requests(1) => {}
    }
    server.release();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
}

#[tokio::test]
async fn reload_with_the_same_url_keeps_the_cache() {
    let server = TestServer::start(jwk_set(&[("e", ES256)])).await;
    let authenticator = authenticator(&server.url, FETCH_ONCE);
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    let same = crate::config::Auth { jwks_url: Some(server.url.clone()), ..auth() };
    authenticator.reload(&same).unwrap();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_ok());
    assert_eq!(server.hits(), 1);
    authenticator.reload(&crate::config::Auth { issuer: Some("idp".into()), ..same }).unwrap();
    assert!(verify(&authenticator, ES256, Some("e")).await.is_err(), "the new rules apply to fetched keys too");
}

#[test]
fn accepts_only_public_keys_for_signatures() {
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
    assert_eq!(algorithms, [[RS256], [PS256]], "`alg` restricts the use of a key");
    assert!(!algorithms.concat().contains(&HS256));
    let list = format!("[{}]", set["keys"]);
    assert!(parse(list.as_bytes(), &rules).is_err(), "a list is no JWK set");
}
