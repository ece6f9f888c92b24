//! Tokens: asked for when they are needed, renewed in time, refused, failing, late.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::{Peer, answers},
    scenario::group,
    world::{Call, World},
};

group! {
    "tokens/refused" => refused, "keeps-token", "gets a fresh token when one is refused";
    "tokens/expired-at-connect" => |w| refused_with(w, "token_expired"), "keeps-token", "gets a fresh token when one has expired";
    "tokens/refused-twice" => refused_twice, "wrong-state", "becomes `unauthorized` when the fresh token is refused too";
    "tokens/provider-fails" => provider_fails, "asks-once", "asks again when the provider has failed";
    "tokens/renewed" => renewed, "keeps-token", "renews the token on the same connection before it expires", 2 s;
    "tokens/renewal-refused" => renewal_refused, "keeps-token", "gets another token when a renewal is refused", 2 s;
    "tokens/renewal-refused-twice" => renewal_refused_twice, "wrong-state",
        "becomes `unauthorized` when two renewals in a row are refused", 2 s;
    "tokens/renewal-fails" => renewal_fails, "asks-once", "stays online while the provider fails, and tells why", 2 s;
    "tokens/renewal-postponed" => renewal_postponed, "asks-once", "tries again when the gateway cannot check a token now", 2 s;
    "tokens/expired" => expired, "new-message-id", "renews an expired token, and repeats what was refused because of it";
    "tokens/unavailable" => unavailable, "connects-once", "returns with the same token when the gateway cannot check it now";
    "tokens/kept" => kept, "connects-once", "uses its token again for the next connection";
    "tokens/late" => late, "asks-once", "asks again after 30 s, and drops the late token", 32 s;
    "tokens/signed-out" => signed_out, "asks-again",
        "becomes `unauthorized` when its provider says that the user is signed out, and asks no more", 1 s;
    "tokens/signed-out-at-renewal" => signed_out_at_renewal, "wrong-state",
        "ends its session when the user is signed out, and continues its streams after `connect`", 2 s;
    "tokens/slow-renewal" => slow_renewal, "never-done", "works while the provider of a renewal takes its time", 2 s;
}

/// Connects the client `a`, whose token lives for this time. Returns its connection.
async fn connected(w: &World<'_>, life: Duration) -> Step<Peer> {
    w.answer_tokens();
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.accept_with("a", "token 1").await?;
    peer.greet_with(&expiring(life)).await?;
    w.value(connect).await?;
    w.state("a", "online").await?;
    Ok(peer)
}

/// Returns the times of a greeting whose token lives for this time, of less than a minute.
fn expiring(life: Duration) -> Value {
    json!({
        "serverTime": "2026-01-31T12:00:00.000Z",
        "expiresAt": format!("2026-01-31T12:00:{:02}.{:03}Z", life.as_secs(), life.subsec_millis()),
    })
}

/// Confirms a renewal. The token lives long now.
async fn renew(peer: &mut Peer, authenticate: &Value) {
    let answer = json!({"type": "authenticated", "userId": "ada", "expiresAt": "2036-01-31T12:00:00.000Z"});
    peer.reply(authenticate, &answer).await;
}

const SHORT: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_secs(59);

async fn begin_refused(w: &World<'_>, code: &str) -> Step<Call> {
    w.answer_tokens();
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    refuse(w, "token 1", code).await?;
    Ok(connect)
}

async fn refuse(w: &World<'_>, token: &str, code: &str) -> Step {
    let mut peer = w.accept_with("a", token).await?;
    let authenticate = peer.expect("authenticate").await?;
    same("the token", &authenticate["token"], &json!(token))?;
    peer.reply(&authenticate, &answers::error(code)).await;
    peer.close(4401).await;
    Ok(())
}

async fn refused(w: &World<'_>) -> Step {
    refused_with(w, "unauthorized").await
}

async fn refused_with(w: &World<'_>, code: &str) -> Step {
    let connect = begin_refused(w, code).await?;
    let mut peer = w.accept_with("a", "token 2").await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("token 2"))?;
    w.value(connect).await.map(drop)
}

async fn refused_twice(w: &World<'_>) -> Step {
    let connect = begin_refused(w, "unauthorized").await?;
    refuse(w, "token 2", "unauthorized").await?;
    let state = w.state("a", "unauthorized").await?;
    same("the close code", &state["error"]["closeCode"], &json!(4401))?;
    let done = w.done(connect).await?;
    check(done["error"].is_object(), || format!("connect ends with {done}"))?;
    w.gateway.stays_alone(Duration::from_millis(1_200)).await?;
    w.has_not_asked("a")?;
    let again = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.accept_with("a", "token 3").await?;
    peer.greet().await?;
    w.value(again).await.map(drop)
}

async fn provider_fails(w: &World<'_>) -> Step {
    w.answer_tokens();
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    for _ in 0..2 {
        let ask = w.asked("a").await?;
        w.run("token", &json!({"ask": ask, "error": "the identity provider is away"})).await?;
    }
    let mut peer = w.accept_with("a", "token 3").await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("token 3"))?;
    w.value(connect).await.map(drop)
}

async fn renewed(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    w.provide("a", "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    same("the token", &authenticate["token"], &json!("token 2"))?;
    renew(&mut peer, &authenticate).await;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    w.gateway.stays_alone(Duration::from_millis(100)).await
}

async fn renewal_refused(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    w.provide("a", "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    peer.reply(&authenticate, &answers::error("unauthorized")).await;
    w.provide("a", "token 3").await?;
    let authenticate = peer.expect("authenticate").await?;
    same("the token", &authenticate["token"], &json!("token 3"))?;
    renew(&mut peer, &authenticate).await;
    w.subscribe(&mut peer, "s", "c", 0).await
}

async fn renewal_refused_twice(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    for token in ["token 2", "token 3"] {
        w.provide("a", token).await?;
        let authenticate = peer.expect("authenticate").await?;
        peer.reply(&authenticate, &answers::error("unauthorized")).await;
    }
    w.state("a", "unauthorized").await?;
    peer.expect_close(1000).await
}

async fn renewal_fails(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    let ask = w.asked("a").await?;
    w.run("token", &json!({"ask": ask, "error": "the identity provider is away"})).await?;
    let state = w.state("a", "online").await?;
    same("the error of the state", &state["error"]["code"], &json!("token"))?;
    w.provide("a", "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    renew(&mut peer, &authenticate).await;
    let is_well = |line: &Value| line["event"] == "state" && line["status"] == "online" && line["error"].is_null();
    w.next("the status online without an error", is_well).await.map(drop)
}

async fn renewal_postponed(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    w.provide("a", "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    let mut refusal = answers::error("unavailable");
    refusal["retryAfterMs"] = json!(200);
    peer.reply(&authenticate, &refusal).await;
    // The old identity is still valid.
    w.subscribe(&mut peer, "s", "c", 0).await?;
    w.provide("a", "token 3").await?;
    let authenticate = peer.expect("authenticate").await?;
    same("the token", &authenticate["token"], &json!("token 3"))?;
    renew(&mut peer, &authenticate).await;
    Ok(())
}

async fn expired(w: &World<'_>) -> Step {
    let mut peer = connected(w, LONG).await?;
    let send = w.send("c", "hello").await?;
    let first = peer.expect("chat").await?;
    peer.reply(&first, &answers::error("token_expired")).await;
    w.provide("a", "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    renew(&mut peer, &authenticate).await;
    let again = peer.expect("chat").await?;
    same("the clientMessageId of the repeat", &again["clientMessageId"], &first["clientMessageId"])?;
    peer.reply(&again, &answers::stored(&again, 1)).await;
    w.value(send).await.map(drop)
}

async fn unavailable(w: &World<'_>) -> Step {
    w.answer_tokens();
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.accept_with("a", "token 1").await?;
    let authenticate = peer.expect("authenticate").await?;
    peer.reply(&authenticate, &answers::error("unavailable")).await;
    peer.close(1013).await;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("token 1"))?;
    w.value(connect).await?;
    w.has_not_asked("a")
}

async fn kept(w: &World<'_>) -> Step {
    let mut peer = connected(w, LONG).await?;
    peer.close(1012).await;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("token 1"))?;
    w.state("a", "online").await?;
    w.has_not_asked("a")
}

async fn late(w: &World<'_>) -> Step {
    w.answer_tokens();
    w.open_with("a", &json!({"timeoutMs": 60_000})).await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let first = w.asked("a").await?;
    let fits = |line: &Value| line["event"] == "token" && line["client"] == "a";
    let limit = Duration::from_secs(30) + w.limit();
    let second = w.lines().next("another question for a token", limit, fits).await?["ask"].clone();
    w.give(&first, "too late").await?;
    w.gateway.stays_alone(Duration::from_millis(500)).await?;
    w.give(&second, "in time").await?;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.greet().await?;
    same("the token", &authenticate["token"], &json!("in time"))?;
    w.value(connect).await.map(drop)
}

async fn slow_renewal(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    let ask = w.asked("a").await?;
    let send = w.send("c", "meanwhile").await?;
    let chat = peer.expect("chat").await?;
    peer.reply(&chat, &answers::stored(&chat, 1)).await;
    w.value(send).await?;
    w.give(&ask, "token 2").await?;
    let authenticate = peer.expect("authenticate").await?;
    renew(&mut peer, &authenticate).await;
    Ok(())
}

/// Says that the user is signed out.
async fn sign_out(w: &World<'_>) -> Step {
    let ask = w.asked("a").await?;
    w.run("token", &json!({"ask": ask, "signedOut": true})).await?;
    let state = w.state("a", "unauthorized").await?;
    same("the close code", &state["error"]["closeCode"], &json!(4401))
}

async fn signed_out(w: &World<'_>) -> Step {
    w.answer_tokens();
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    sign_out(w).await?;
    let done = w.done(connect).await?;
    check(done["error"]["code"] == "unauthorized", || format!("connect ends with {done}"))?;
    let send = w.send("c", "without a user").await?;
    w.fails(send, "unauthorized", "not_sent").await?;
    w.gateway.stays_alone(Duration::from_millis(1_200)).await?;
    w.has_not_asked("a")?;
    let again = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.accept_with("a", "token 2").await?;
    peer.greet().await?;
    w.value(again).await.map(drop)
}

async fn signed_out_at_renewal(w: &World<'_>) -> Step {
    let mut peer = connected(w, SHORT).await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    sign_out(w).await?;
    peer.expect_close(1000).await?;
    w.gateway.stays_alone(Duration::from_millis(500)).await?;
    w.has_not_asked("a")?;
    let again = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.accept_with("a", "token 2").await?;
    peer.greet().await?;
    let subscribe = peer.expect("subscribe_clan_chat").await?;
    same("the position", &subscribe["recover"], &json!({"offset": 1, "epoch": answers::EPOCH}))?;
    peer.reply(&subscribe, &answers::recovered(&subscribe, 1)).await;
    w.value(again).await.map(drop)
}
