//! How the claims of a provider become a user, a device and grants (`auth.claims.*`).

use realtime_gateway_tests::{Gateway, IdentityProvider, ProviderKey};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{connected, refused, settings};

fn chat(clan: &str) -> Value {
    json!({ "type": "chat", "clanId": clan, "content": "x" })
}

#[tokio::test]
async fn roles_of_a_realm_become_grants_by_templates() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let settings = settings(&[&provider])
        .set("auth.claims.clans", "\"realm_access.roles\"")
        .set("auth.claims.clans_template", "\"clan:{value}\"");
    let gateway = Gateway::with(settings).await;
    let roles = json!({
        "clans": ["unmapped"],
        "realm_access": { "roles": ["offline_access", "clan:red", "*", 7, ["clan:nested"], "clan:a b"] },
    });
    let mut alice = connected(&gateway, &provider.token(ProviderKey::Rsa, "alice", &roles)).await;
    assert_eq!(alice.request(chat("red")).await["type"], "message_sent");
    for clan in ["unmapped", "offline_access", "nested", "7"] {
        assert_eq!(alice.request(chat(clan)).await["code"], "forbidden", "{clan}");
    }
    // A token without the claim grants nothing, and its user is admitted nevertheless.
    let mut bob = connected(&gateway, &provider.token(ProviderKey::Rsa, "bob", &json!({}))).await;
    assert_eq!(bob.request(chat("red")).await["code"], "forbidden");
}

#[tokio::test]
async fn claims_with_names_of_urls_and_nested_users_are_mapped() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let settings = settings(&[&provider])
        .set("auth.claims.user", "\"profile.id\"")
        .set("auth.claims.device", "\"https://example.com/device\"")
        .set("auth.claims.clans", "\"https://example.com/clans\"")
        .set("sessions.key", "\"device\"");
    let gateway = Gateway::with(settings).await;
    let claims = json!({
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "profile": { "id": 42 },
        "https://example.com/clans": ["red"],
        "https://example.com/device": "phone",
    });
    let mut phone = connected(&gateway, &provider.token(ProviderKey::Rsa, "ignored", &claims)).await;
    assert_eq!(phone.chat("red", "hello").await["type"], "message_sent");
    let users = gateway.api().get("/api/v1/users/42/sessions").await;
    assert_eq!(users["sessions"][0]["device"], "phone", "{users}");
}

#[tokio::test]
async fn claims_that_do_not_say_who_the_client_is_refuse_the_token() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let gateway = Gateway::with(settings(&[&provider])).await;
    for odd in [
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": "a b" }),
        json!({ "sub": ["alice"] }),
        json!({ "sub": "system" }),
        json!({ "deviceId": "" }),
        json!({ "deviceId": { "id": "phone" } }),
        json!({ "clans": { "red": true } }),
        json!({ "topics": ["orders"] }),
        json!({ "calls": 7 }),
    ] {
        let token = provider.token(ProviderKey::Rsa, "alice", &odd);
        assert_eq!(refused(&gateway, &token).await, StatusCode::UNAUTHORIZED, "{odd}");
    }
    let many: Vec<_> = (0..1_500).map(|number| format!("c{number}")).collect();
    let mut alice = connected(&gateway, &provider.token(ProviderKey::Rsa, "alice", &json!({ "clans": many }))).await;
    assert_eq!(alice.chat("c1499", "one of many").await["type"], "message_sent");
}
