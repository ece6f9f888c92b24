//! A reload adds and removes providers and changes the mapping of claims, and disturbs no session.

use realtime_gateway_tests::{Gateway, IdentityProvider, LinkState, ProviderKey, Settings, eventually};
use reqwest::StatusCode;
use serde_json::json;

use super::{connected, refused, settings};

/// Rewrites the configuration, reloads it, and waits for a new line with this beginning.
async fn reload(gateway: &mut Gateway, settings: Settings, report: &str) {
    let count = |gateway: &Gateway| gateway.log().iter().filter(|line| line.contains(report)).count();
    let before = count(gateway);
    gateway.rewrite_config(settings);
    gateway.signal("HUP").await;
    eventually(report, || async { count(gateway) > before }).await;
}

#[tokio::test]
async fn reload_adds_and_removes_a_provider() {
    let (one, two) =
        (IdentityProvider::start(ProviderKey::Rsa).await, IdentityProvider::start(ProviderKey::P256).await);
    let grants = json!({ "clans": ["c"] });
    let (of_one, of_two) =
        (one.token(ProviderKey::Rsa, "alice", &grants), two.token(ProviderKey::P256, "bob", &grants));
    let mut gateway = Gateway::with(settings(&[&one])).await;
    let mut alice = connected(&gateway, &of_one).await;
    assert_eq!(refused(&gateway, &of_two).await, StatusCode::UNAUTHORIZED);

    reload(&mut gateway, settings(&[&one, &two]), "the configuration was reloaded").await;
    // Before a token needs them.
    two.wait_for_key_requests(1).await;
    connected(&gateway, &of_two).await;
    assert_eq!(one.key_requests(), 1, "the keys of the other provider stay");

    // An invalid configuration changes nothing.
    let wrong = settings(&[&two]).set("auth.claims.user", "\"a..b\"");
    reload(&mut gateway, wrong, "the configuration was not reloaded").await;
    assert_eq!(alice.chat("c", "still there").await["offset"], 1);

    reload(&mut gateway, settings(&[&two]), "the configuration was reloaded").await;
    assert_eq!(refused(&gateway, &of_one).await, StatusCode::UNAUTHORIZED);
    connected(&gateway, &of_two).await;
    assert_eq!(alice.chat("c", "a session lasts as long as its token").await["offset"], 2);
}

#[tokio::test]
async fn reload_changes_the_mapping_and_keeps_the_keys() {
    let provider = IdentityProvider::start(ProviderKey::Rsa).await;
    let mut gateway = Gateway::with(settings(&[&provider])).await;
    let token = provider.token(ProviderKey::Rsa, "alice", &json!({ "clans": ["old"], "groups": ["new"] }));
    let mut alice = connected(&gateway, &token).await;
    assert_eq!(alice.chat("old", "x").await["type"], "message_sent");
    provider.set_link(LinkState::Refused);
    let mapped = settings(&[&provider]).set("auth.claims.clans", "\"groups\"");
    reload(&mut gateway, mapped, "the configuration was reloaded").await;
    let mut again = connected(&gateway, &token).await;
    assert_eq!(again.chat("new", "x").await["type"], "message_sent");
    let old = again.request(json!({ "type": "chat", "clanId": "old", "content": "x" })).await;
    assert_eq!(old["code"], "forbidden");
}
