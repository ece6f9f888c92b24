//! Which tokens are accepted, and which are rejected.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use realtime_gateway_protocol::{DeviceId, ServiceName, Timestamp, TopicName, UserId};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{ClaimedSubscription, Grants, Mint, mint, test_tokens::*},
    config::{Auth, ClaimMapping, ClaimPath, Secret, TopicTemplate, WordTemplate},
};

async fn verify(auth: &Auth, token: &str) -> Result<Identity, AuthError> {
    Authenticator::new(auth).unwrap().verify(token).await
}

async fn verify_claims(claims: Value) -> Result<Identity, AuthError> {
    verify(&auth_with_secret(), &sign(Algorithm::HS256, None, &claims)).await
}

fn invalid(reason: &'static str) -> Option<AuthError> {
    Some(AuthError::Invalid(reason))
}

#[tokio::test]
async fn each_algorithm_verifies_only_with_its_key() {
    use Algorithm::*;
    let keys = [RSA, P256, P384, ED25519];
    let families: [(&[Algorithm], Option<&str>); 5] = [
        (&[HS256, HS384, HS512], None),
        (&[RS256, RS384, RS512, PS256, PS384, PS512], Some(RSA)),
        (&[ES256], Some(P256)),
        (&[ES384], Some(P384)),
        (&[EdDSA], Some(ED25519)),
    ];
    for (algorithms, pem) in families {
        let own = match pem {
            Some(pem) => Auth { jwt_public_keys: vec![pem.into()], ..auth() },
            None => auth_with_secret(),
        };
        let others = keys.iter().filter(|key| Some(**key) != pem).map(|key| (*key).to_owned()).collect();
        let others = Auth { jwt_public_keys: others, jwt_secrets: vec![Secret("x".repeat(32))], ..auth() };
        for algorithm in algorithms {
            let token = sign(*algorithm, None, &claims());
            assert_eq!(verify(&own, &token).await.unwrap().user.as_str(), "alice", "{algorithm:?}");
            assert!(verify(&others, &token).await.is_err(), "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn accepts_tokens_of_several_secrets() {
    let secrets = vec![Secret("the new secret, of more than 32 bytes".into()), Secret(SECRET.into())];
    let auth = Auth { jwt_secrets: secrets, ..auth() };
    assert!(verify(&auth, &sign(Algorithm::HS256, None, &claims())).await.is_ok());
}

#[tokio::test]
async fn identity_contains_the_claims() {
    let claims = claims_with(json!({
        "exp": 4_000_000_000.5, "clans": ["c1", "c2"], "topics": { "orders": ["*"] }, "deviceId": "phone",
    }));
    let identity = verify_claims(claims).await.unwrap();
    assert_eq!(identity.expires_at.millis(), 4_000_000_000_500);
    assert_eq!(identity.device, Some(DeviceId::new("phone").unwrap()));
    assert_eq!(identity.grants.clans, ["c1", "c2"]);
    assert_eq!(identity.grants.topics["orders"], ["*"]);
    assert_eq!(*verify_claims(claims_with(json!({}))).await.unwrap().grants, Grants::default());
}

#[tokio::test]
async fn checks_times_with_the_configured_leeway() {
    let at = |exp: u64, nbf: u64| verify_claims(claims_with(json!({ "exp": exp, "nbf": nbf })));
    assert!(at(now() - 2, now()).await.is_ok());
    assert_eq!(at(now() - 30, now()).await.err(), Some(AuthError::Expired));
    assert_eq!(at(in_an_hour(), now() + 60).await.err(), invalid("it is not valid yet (nbf)"));
    assert_eq!(verify_claims(claims_with(json!({ "exp": null }))).await.err(), invalid("it has no exp"));
    let text = claims_with(json!({ "exp": "4000000000" }));
    assert_eq!(verify_claims(text).await.err(), invalid("it has no exp"));
}

#[tokio::test]
async fn rejects_expired_token_with_subsecond_precision() {
    // The library compares whole seconds, so it would accept this token for another fraction of a second.
    let auth = Auth { leeway: Duration::from_secs(5), ..auth_with_secret() };
    let now = || Timestamp::from(SystemTime::now()).millis();
    let ends_now = now() as f64 / 1000.0 - 5.0;
    let token = sign(Algorithm::HS256, None, &claims_with(json!({ "exp": ends_now })));
    assert_eq!(verify(&auth, &token).await.err(), Some(AuthError::Expired));
    let token = sign(Algorithm::HS256, None, &claims_with(json!({ "exp": ends_now + 3.0 })));
    assert!(verify(&auth, &token).await.is_ok());
}

#[tokio::test]
async fn checks_issuer_and_audience_when_configured() {
    let both = Auth { issuer: Some("idp".into()), audiences: vec!["rt".into()], ..auth_with_secret() };
    let with = |changes: Value| sign(Algorithm::HS256, None, &claims_with(changes));
    assert!(verify(&both, &with(json!({ "iss": "idp", "aud": ["other", "rt"] }))).await.is_ok());
    let wrong = verify(&both, &with(json!({ "iss": "evil", "aud": "rt" }))).await;
    assert_eq!(wrong.err(), invalid("its issuer (iss) is not the configured one"));
    let wrong = verify(&both, &with(json!({ "iss": "idp", "aud": "other" }))).await;
    assert_eq!(wrong.err(), invalid("its audience (aud) is not the configured one"));
    assert_eq!(verify(&both, &with(json!({ "iss": "idp" }))).await.err(), invalid("it has no aud"));
    assert_eq!(verify(&both, &with(json!({ "aud": "rt" }))).await.err(), invalid("it has no iss"));
    assert!(verify(&auth_with_secret(), &with(json!({ "aud": "anything" }))).await.is_ok());
    let several = Auth { audiences: vec!["web".into(), "rt".into()], ..auth_with_secret() };
    assert!(verify(&several, &with(json!({ "aud": "web" }))).await.is_ok());
    assert!(verify(&several, &with(json!({ "aud": ["other"] }))).await.is_err());
    let any = Auth { audiences: vec!["*".into()], ..auth_with_secret() };
    assert!(verify(&any, &with(json!({}))).await.is_ok());
}

#[tokio::test]
async fn rejects_invalid_and_reserved_subjects() {
    for sub in [json!("system"), json!(""), json!("a b"), json!("x".repeat(129)), json!(7.5), Value::Null] {
        assert!(verify_claims(claims_with(json!({ "sub": sub }))).await.is_err(), "{sub}");
    }
    assert!(verify_claims(claims_with(json!({ "deviceId": "a b" }))).await.is_err());
    assert!(verify_claims(claims_with(json!({ "clans": { "c1": true } }))).await.is_err());
}

#[tokio::test]
async fn rejects_hmac_token_signed_with_a_public_key() {
    crypto::install();
    let auth = Auth { jwt_public_keys: vec![RSA.into()], ..auth() };
    for secret in [RSA, RSA.trim_end()] {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
        assert_eq!(verify(&auth, &token).await.err(), invalid("no key made its signature"));
    }
}

#[tokio::test]
async fn rejects_unsigned_and_tampered_tokens() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let part = |value: Value| B64.encode(value.to_string());
    let none = format!("{}.{}.", part(json!({ "alg": "none", "typ": "JWT" })), part(claims()));
    let unsigned = format!("{}.{}.", part(json!({ "alg": "HS256" })), part(claims()));
    let good = sign(Algorithm::HS256, None, &claims());
    let other = sign(Algorithm::HS256, None, &claims_with(json!({ "sub": "mallory" })));
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (body, _) = other.rsplit_once('.').unwrap();
    for token in [none, unsigned, format!("{body}.{signature}"), String::new(), "a.b.c".into(), good.replace('.', "")] {
        assert!(matches!(verify(&auth_with_secret(), &token).await, Err(AuthError::Invalid(_))), "{token}");
    }
}

#[tokio::test]
async fn rejects_token_with_extensions_or_excessive_length() {
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, &claims(), &signing_key(Algorithm::HS256)).unwrap();
    assert_eq!(verify(&auth_with_secret(), &token).await.err(), invalid("it requires extensions (crit)"));
    let long = claims_with(json!({ "clans": vec!["clan"; 4000] }));
    assert_eq!(verify_claims(long).await.err(), invalid("it is longer than 16 KiB"));
}

#[tokio::test]
async fn reload_replaces_the_keys_unless_they_are_invalid() {
    let authenticator = Authenticator::new(&auth_with_secret()).unwrap();
    let token = sign(Algorithm::HS256, None, &claims());
    assert_eq!(authenticator.reload(&auth()).err(), Some(KeyError::None));
    assert!(authenticator.verify(&token).await.is_ok());
    authenticator.reload(&Auth { jwt_public_keys: vec![ED25519.into()], ..auth() }).unwrap();
    assert!(authenticator.verify(&token).await.is_err());
    assert!(authenticator.verify(&sign(Algorithm::EdDSA, None, &claims())).await.is_ok());
}

#[test]
fn names_keys_that_cannot_be_used() {
    let private = include_str!("../test_keys/TEST_ONLY_rsa.pem");
    let pem_with = |pem: &str| Auth { jwt_public_keys: vec![RSA.into(), pem.into()], ..auth() };
    let problem = |auth: Auth| Authenticator::new(&auth).err().unwrap().to_string();
    assert!(problem(pem_with(private)).starts_with("auth.jwt_public_keys, entry 2: this is a private key"));
    assert!(problem(pem_with("ssh-rsa AAAA")).contains("not a public key in PEM"));
    assert!(problem(auth()).contains("auth.jwt_secret"));
}

#[tokio::test]
async fn minted_token_is_accepted_by_the_same_configuration() {
    let auth = Auth { issuer: Some("idp".into()), audiences: vec!["rt".into()], ..auth_with_secret() };
    let request = Mint {
        user: UserId::new("alice").unwrap(),
        clans: vec!["c1".into()],
        topics: [("dice".to_owned(), vec!["table-1".to_owned(), "*".to_owned()])].into(),
        calls: [("orders".to_owned(), vec!["cancel".to_owned()])].into(),
        subscribe: vec![claimed("orders", "order-1")],
        device: Some(DeviceId::new("phone").unwrap()),
        ttl: Duration::from_secs(60),
    };
    let minted = mint(&auth, &request).ok().unwrap();
    let identity = verify(&auth, &minted.token).await.unwrap();
    assert_eq!(identity.expires_at, minted.expires_at);
    assert_eq!((identity.user, identity.device), (request.user, request.device));
    assert_eq!(identity.grants.clans, ["c1"]);
    assert_eq!(identity.grants.topics["dice"], ["table-1", "*"]);
    assert_eq!(identity.grants.subscribe, [claimed("orders", "order-1")]);
}

fn claimed(service: &str, topic: &str) -> ClaimedSubscription {
    ClaimedSubscription { service: ServiceName::new(service).unwrap(), topic: TopicName::new(topic).unwrap() }
}

#[tokio::test]
async fn minted_token_has_its_claims_where_the_configuration_reads_them() {
    let path = |text: &str| ClaimPath::parse(text).unwrap();
    let roles = path("realm_access.roles");
    let claims = ClaimMapping {
        user: path("profile.id"),
        device: path("https://example.com/device"),
        clans: roles.clone(),
        clans_template: Some(WordTemplate::parse("clan:{value}").unwrap()),
        topics: roles.clone(),
        topics_template: Some(TopicTemplate::parse("topic:{service}:{value}").unwrap()),
        calls: path("profile.calls"),
        calls_template: None,
    };
    let auth = Auth { claims, ..auth_with_secret() };
    let request = Mint {
        user: UserId::new("alice").unwrap(),
        clans: vec!["red".into(), "*".into()],
        topics: [("dice".to_owned(), vec!["table-1".to_owned()])].into(),
        calls: [("orders".to_owned(), vec!["cancel".to_owned()])].into(),
        subscribe: Vec::new(),
        device: Some(DeviceId::new("phone").unwrap()),
        ttl: Duration::from_secs(60),
    };
    let identity = verify(&auth, &mint(&auth, &request).ok().unwrap().token).await.unwrap();
    assert_eq!((identity.user, identity.device), (request.user, request.device));
    assert_eq!(identity.grants.clans, request.clans);
    assert_eq!(identity.grants.topics["dice"], ["table-1"]);
    assert_eq!(identity.grants.calls["orders"], ["cancel"]);
}
