//! Providers that are down, slow or answer wrongly: no client is refused for it, and no wrong answer is trusted.

use realtime_gateway_tests::{Gateway, IdentityProvider, LinkState, ProviderAnswer, ProviderKey, Socket, eventually};
use reqwest::StatusCode;
use serde_json::json;

use super::{connected, of_secret, refused, settings};

/// Connects again until the keys are there. Until then the answer is `unavailable`.
async fn connected_later(gateway: &Gateway, token: &str) -> Socket {
    let mut connected = None;
    while connected.is_none() {
        match Socket::open(gateway, "/ws", Some(token)).await {
            Ok(socket) => connected = Some(socket),
            Err(status) => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    let mut socket = connected.unwrap();
    socket.expect("connected").await;
    socket
}

#[tokio::test]
async fn provider_that_is_down_at_the_start_delays_only_its_own_clients() {
    let down = IdentityProvider::start(ProviderKey::Rsa).await;
    let healthy = IdentityProvider::start(ProviderKey::P256).await;
    let token = down.token(ProviderKey::Rsa, "alice", &json!({}));
    for state in [LinkState::Refused, LinkState::Stalled] {
        down.set_link(state);
        let gateway = Gateway::with(settings(&[&down, &healthy])).await;
        assert_eq!(refused(&gateway, &token).await, StatusCode::SERVICE_UNAVAILABLE, "{state:?}");
        connected(&gateway, &healthy.token(ProviderKey::P256, "bob", &json!({}))).await;
        connected(&gateway, &of_secret("carol")).await;
        down.set_link(LinkState::Healthy);
        connected_later(&gateway, &token).await;
    }
}

#[tokio::test]
async fn keys_are_fetched_without_a_token_once_the_provider_is_there() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    provider.set_link(LinkState::Refused);
    let gateway = Gateway::with(settings(&[&provider])).await;
    let failures = || gateway.log().iter().filter(|line| line.contains("cannot fetch the keys")).count();
    eventually("a failed fetch", || async { failures() > 0 }).await;
    provider.set_link(LinkState::Healthy);
    provider.wait_for_key_requests(1).await;
    connected_later(&gateway, &provider.token(ProviderKey::Rsa, "alice", &json!({}))).await;
}

#[tokio::test]
async fn fetched_keys_stay_valid_while_the_provider_is_down() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let gateway = Gateway::with(settings(&[&provider])).await;
    connected(&gateway, &provider.token(ProviderKey::Rsa, "alice", &json!({}))).await;
    for state in [LinkState::Refused, LinkState::Stalled] {
        provider.set_link(state);
        connected(&gateway, &provider.token(ProviderKey::Rsa, "bob", &json!({}))).await;
        let new = provider.token_with_kid(ProviderKey::P256, "new", "carol", &json!({}));
        assert_eq!(refused(&gateway, &new).await, StatusCode::SERVICE_UNAVAILABLE, "{state:?}");
    }
}

#[tokio::test]
async fn wrong_answers_are_not_trusted_and_the_log_says_what_is_wrong() {
    let other = IdentityProvider::start(ProviderKey::P256).await;
    let keys_of_other = format!("{}/keys", other.issuer());
    let json = ProviderAnswer::Json;
    let text = |status: u16, text: &str| ProviderAnswer::Text(status, text.to_owned());
    let redirect = |to: &str| ProviderAnswer::Redirect(to.to_owned());
    let configuration = |issuer: &str, jwks_uri: &str| json(json!({ "issuer": issuer, "jwks_uri": jwks_uri }));
    let cases = [
        (Some(text(200, "<html>")), None, "is not an object with issuer and jwks_uri"),
        (Some(json(json!({ "issuer": "x" }))), None, "is not an object with issuer and jwks_uri"),
        (Some(text(500, "")), None, "the response has the status 500"),
        (Some(text(200, &"x".repeat(300 * 1024))), None, "the response is larger than 256 KiB"),
        (Some(redirect(&keys_of_other)), None, "it redirects to another origin"),
        (Some(configuration(other.issuer(), &keys_of_other)), None, "set auth.oidc_issuer to exactly this text"),
        (Some(configuration("ISSUER", "file:///etc/passwd")), None, "is not an https:// URL"),
        (None, Some(text(200, "rubbish")), "the response is not a JWK set"),
        (None, Some(json(json!({ "keys": [] }))), "the response has no public key for signatures"),
        (None, Some(json(json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }] }))), "no public key"),
        (None, Some(text(200, &"x".repeat(2 * 1024 * 1024))), "the response is larger than 1024 KiB"),
        (None, Some(redirect(&keys_of_other)), "it redirects to another origin"),
    ];
    for (of_configuration, of_keys, problem) in cases {
        let provider = IdentityProvider::start(ProviderKey::Rsa).await;
        let own = |answer| match answer {
            Some(ProviderAnswer::Json(value)) if value["issuer"] == "ISSUER" => {
                configuration(provider.issuer(), value["jwks_uri"].as_str().unwrap())
            }
            answer => answer.unwrap_or(ProviderAnswer::Right),
        };
        provider.answer_configuration(own(of_configuration));
        provider.answer_keys(own(of_keys));
        let gateway = Gateway::with(settings(&[&provider])).await;
        let token = provider.token(ProviderKey::Rsa, "alice", &json!({}));
        assert_eq!(refused(&gateway, &token).await, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
        let says_why = || gateway.log().iter().any(|line| line.contains("cannot fetch") && line.contains(problem));
        eventually(problem, || async { says_why() }).await;
        provider.answer_configuration(ProviderAnswer::Right);
        provider.answer_keys(ProviderAnswer::Right);
        connected_later(&gateway, &token).await;
    }
    assert_eq!(other.key_requests(), 0, "no redirect was followed");
}

#[tokio::test]
async fn check_names_the_issuer_and_its_problem() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let shown = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let fine = shown(Gateway::run_once(settings(&[&provider]), "check").await);
    assert!(fine.contains("ok       the keys that verify tokens are there"), "{fine}");
    provider.answer_configuration(ProviderAnswer::Json(json!({ "issuer": "https://x/", "jwks_uri": "https://x/" })));
    let wrong = shown(Gateway::run_once(settings(&[&provider]), "check").await);
    let expected = format!("warning  auth.oidc_issuer {} gives no keys now", provider.issuer());
    assert!(wrong.contains(&expected) && wrong.contains(r#"has the issuer "https://x/""#), "{wrong}");
    for (key, value, problem) in [
        ("auth.oidc_issuer", "\"http://id.example.com\"", "use https://"),
        ("auth.audience", "[]", "auth.oidc_issuer is set without auth.audience"),
        ("auth.claims.clans", "\"a..b\"", "`auth.claims.clans` is \"a..b\", which is not the path of a claim"),
        ("auth.claims.clans_template", "\"clan\"", "`auth.claims.clans_template` is \"clan\", which is not a template"),
        ("permissions.secret", "\"short\"", "permissions.secret, entry 1: is not `whsec_` and the base64"),
    ] {
        let refused = Gateway::run_once(settings(&[&provider]).set(key, value), "check").await;
        assert!(!refused.status.success() && shown(refused.clone()).contains(problem), "{}", shown(refused));
    }
}
