//! Identity providers that the gateway finds by OpenID Connect Discovery: which tokens they vouch for, how their claims
//! become grants, and what happens when they are down, wrong or replaced.

mod claims;
mod outages;
mod reload;

use realtime_gateway_tests::{AUDIENCE, Gateway, IdentityProvider, ProviderKey, SECRET, Settings, Socket, Token};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Returns the settings of a gateway that trusts these providers.
fn settings(providers: &[&IdentityProvider]) -> Settings {
    let issuers: Vec<_> = providers.iter().map(|provider| provider.issuer()).collect();
    Settings::default()
        .set("auth.oidc_issuer", &json!(issuers).to_string())
        .set("auth.audience", &format!("\"{AUDIENCE}\""))
}

/// Returns a token that no provider has issued: the secret of the gateway signs it.
fn of_secret(user: &str) -> String {
    Token::for_user(user).claim("aud", json!(AUDIENCE)).text()
}

async fn connected(gateway: &Gateway, token: &str) -> Socket {
    let mut socket = Socket::open(gateway, "/ws", Some(token)).await.unwrap();
    socket.expect("connected").await;
    socket
}

async fn refused(gateway: &Gateway, token: &str) -> StatusCode {
    Socket::open(gateway, "/ws", Some(token)).await.unwrap_err()
}

/// Returns a token of this algorithm without a signature.
fn unsigned(algorithm: &str, claims: &Value) -> String {
    let header = jsonwebtoken::Header::default();
    let signed = jsonwebtoken::encode(&header, claims, &jsonwebtoken::EncodingKey::from_secret(b"x")).unwrap();
    let claims = signed.split('.').nth(1).unwrap();
    // {"alg":"none"} and {"alg":"HS256"}.
    let header = if algorithm == "none" { "eyJhbGciOiJub25lIn0" } else { "eyJhbGciOiJIUzI1NiJ9" };
    format!("{header}.{claims}.")
}

#[tokio::test]
async fn admits_users_of_several_providers() {
    let (one, two) =
        (IdentityProvider::start(ProviderKey::Rsa).await, IdentityProvider::start(ProviderKey::P256).await);
    let gateway = Gateway::with(settings(&[&one, &two])).await;
    let grants = json!({ "clans": ["c"] });
    let mut alice = connected(&gateway, &one.token(ProviderKey::Rsa, "alice", &grants)).await;
    let mut bob = connected(&gateway, &two.token(ProviderKey::P256, "bob", &grants)).await;
    bob.join("c").await;
    alice.chat("c", "hello").await;
    assert_eq!(bob.wait_for("chat").await["content"], "hello");
    // Other keys of the configuration verify the tokens of other issuers.
    connected(&gateway, &of_secret("carol")).await;
    assert_eq!((one.configuration_requests(), one.key_requests()), (1, 1), "fetched once, at the start");
}

#[tokio::test]
async fn keys_of_a_provider_vouch_only_for_tokens_of_its_issuer() {
    let (one, two) =
        (IdentityProvider::start(ProviderKey::Rsa).await, IdentityProvider::start(ProviderKey::P256).await);
    let gateway = Gateway::with(settings(&[&one, &two])).await;
    let other = |issuer: &str| json!({ "iss": issuer });
    let with_slash = format!("{}/", one.issuer());
    for (what, token) in [
        ("the key of the other provider", two.token(ProviderKey::P256, "alice", &other(one.issuer()))),
        ("the issuer of the other provider", one.token(ProviderKey::Rsa, "alice", &other(two.issuer()))),
        ("an issuer that is not exactly the same", one.token(ProviderKey::Rsa, "alice", &other(&with_slash))),
        ("an unknown issuer", one.token(ProviderKey::Rsa, "alice", &other("https://id.example.com"))),
        ("several issuers", one.token(ProviderKey::Rsa, "alice", &json!({ "iss": [one.issuer(), two.issuer()] }))),
        ("no issuer", one.token(ProviderKey::Rsa, "alice", &json!({ "iss": null }))),
        ("another audience", one.token(ProviderKey::Rsa, "alice", &json!({ "aud": "another-app" }))),
        ("no audience", one.token(ProviderKey::Rsa, "alice", &json!({ "aud": null }))),
        ("an unknown key under a known id", one.token(ProviderKey::P384, "alice", &json!({}))),
        // The shared secret of the gateway is not a key of the provider.
        (
            "the shared secret",
            Token::for_user("alice").claim("iss", json!(one.issuer())).claim("aud", json!(AUDIENCE)).text(),
        ),
    ] {
        assert_eq!(refused(&gateway, &token).await, StatusCode::UNAUTHORIZED, "{what}");
    }
    connected(&gateway, &one.token(ProviderKey::Rsa, "alice", &json!({}))).await;
}

#[tokio::test]
async fn algorithm_of_a_token_does_not_choose_how_it_is_verified() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let gateway = Gateway::with(settings(&[&provider])).await;
    let public = include_str!("../../../server/src/auth/test_keys/TEST_ONLY_rsa.pub.pem");
    let signed_with = |secret: &str| {
        let token = Token::for_user("mallory").signed_with(secret).claim("iss", json!(provider.issuer()));
        token.claim("aud", json!(AUDIENCE)).text()
    };
    let claims = provider.claims("mallory");
    for (what, token) in [
        ("HS256 with the public key", signed_with(public)),
        ("HS256 with the public key without its last line break", signed_with(public.trim_end())),
        ("HS256 with an empty secret", signed_with("")),
        ("none", unsigned("none", &claims)),
        ("HS256 without a signature", unsigned("HS256", &claims)),
    ] {
        assert_eq!(refused(&gateway, &token).await, StatusCode::UNAUTHORIZED, "{what}");
    }
    // Nor does the gateway's own secret, whatever the token says of its issuer.
    assert_eq!(refused(&gateway, &signed_with(SECRET)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn rotated_keys_take_effect_without_refusing_a_client() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let gateway = Gateway::with(settings(&[&provider])).await;
    provider.wait_for_key_requests(1).await;
    connected(&gateway, &provider.token(ProviderKey::Rsa, "alice", &json!({}))).await;
    provider.serve_keys(&[("k1", ProviderKey::Rsa), ("k2", ProviderKey::Ed25519)]);
    connected(&gateway, &provider.token_with_kid(ProviderKey::Ed25519, "k2", "bob", &json!({}))).await;
    connected(&gateway, &provider.token(ProviderKey::Rsa, "carol", &json!({}))).await;
    assert_eq!(provider.key_requests(), 2);
    // A made-up id cannot be distinguished from a newer key until the next fetch, so it is not refused for good.
    let made_up = provider.token_with_kid(ProviderKey::Ed25519, "k3", "dave", &json!({}));
    assert_eq!(refused(&gateway, &made_up).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(provider.key_requests(), 2, "made-up ids do not load the provider");
}
