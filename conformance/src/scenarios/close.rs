//! Close codes: which of them a client answers with another connection.

use std::time::Duration;

use serde_json::json;

use crate::{
    failure::{Step, check, same},
    gateway::answers,
    scenario::group,
    world::World,
};

group! {
    "close/1002" => |w| ends(w, 1002, "failed"), "returns-at-once", "stays away after 1002, a malformed frame";
    "close/1003" => |w| ends(w, 1003, "failed"), "returns-at-once", "stays away after 1003, a binary frame";
    "close/1007" => |w| ends(w, 1007, "failed"), "returns-at-once", "stays away after 1007, text that is not UTF-8";
    "close/1009" => |w| ends(w, 1009, "failed"), "returns-at-once", "stays away after 1009, too large";
    "close/4400" => |w| ends(w, 4400, "failed"), "returns-at-once", "stays away after 4400, too many invalid messages";
    "close/4403" => |w| ends(w, 4403, "failed"), "wrong-state", "stays away after 4403, disconnected by an operator";
    "close/4409" => |w| ends(w, 4409, "replaced"), "returns-at-once", "stays away after 4409, replaced";
    "close/unknown-4499" => |w| ends(w, 4499, "failed"), "returns-at-once", "stays away after an unknown code from 4400 to 4499";
    "close/1000" => |w| returns(w, 1000), "connects-once", "returns after 1000, which it has not asked for";
    "close/1001" => |w| returns(w, 1001), "no-resubscription", "returns after 1001, the node shuts down";
    "close/1005" => |w| returns(w, 1005), "no-recovery", "returns after a close frame without a code";
    "close/1011" => |w| returns(w, 1011), "no-recovery", "returns after 1011, an internal error";
    "close/1012" => |w| returns(w, 1012), "connects-once", "returns after 1012, the node restarts";
    "close/1013" => |w| returns(w, 1013), "no-resubscription", "returns after 1013, the node is full";
    "close/4500" => |w| returns(w, 4500), "no-recovery", "returns after 4500, asked to reconnect";
    "close/4504" => |w| returns(w, 4504), "stale-recovery", "returns after 4504, the heartbeat timeout";
    "close/4508" => |w| returns(w, 4508), "no-recovery", "returns after 4508, too slow";
    "close/unknown-4600" => |w| returns(w, 4600), "no-recovery", "returns after an unknown code";
    "close/without-frame" => without_frame, "no-recovery", "returns when the connection ends without a close frame";
    "close/4423" => |w| waits(w, 4423, "session_limit"), "ignores-wait",
        "waits after 4423 as long as the error before it says", 2 s;
    "close/4429" => |w| waits(w, 4429, "rate_limited"), "ignores-wait",
        "waits after 4429 as long as the error before it says", 2 s;
    "close/replaced-streams" => replaced_streams, "no-resubscription",
        "keeps its streams while it is replaced, and continues them after connect";
    "close/replaced-calls" => replaced_calls, "claims-not-sent",
        "ends pending calls when it is replaced, with what it knows about them";
}

/// How long a client has to stay away.
const AWAY: Duration = Duration::from_millis(1_500);

/// A close code after which the client ends.
async fn ends(w: &World<'_>, code: u16, status: &str) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.close(code).await;
    let state = w.state("a", status).await?;
    same("the close code", &state["error"]["closeCode"], &json!(code))?;
    w.gateway.stays_alone(AWAY).await?;
    let send = w.send("c", "too late").await?;
    let done = w.done(send).await?;
    let refused = done["error"]["outcome"] == "not_sent" && done["error"]["retryable"] == false;
    check(refused, || format!("a call of a client that has ended gives {done}"))
}

/// A close code after which the client returns, and misses nothing.
async fn returns(w: &World<'_>, code: u16) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    peer.close(code).await;
    continues(w).await
}

/// The client returns after offset 1, and gets 2.
async fn continues(w: &World<'_>) -> Step {
    let mut peer = w.accept().await?;
    let subscribe = peer.expect("subscribe_clan_chat").await?;
    same("the position", &subscribe["recover"], &json!({"offset": 1, "epoch": answers::EPOCH}))?;
    peer.reply(&subscribe, &answers::recovered(&subscribe, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await?;
    w.state("a", "online").await.map(drop)
}

async fn without_frame(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    drop(peer);
    continues(w).await
}

/// A close code before which an error tells how long to wait.
async fn waits(w: &World<'_>, code: u16, error: &str) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    let mut peer = w.gateway.accept().await?;
    let authenticate = peer.expect("authenticate").await?;
    let mut refusal = answers::error(error);
    refusal["retryAfterMs"] = json!(1_500);
    peer.reply(&authenticate, &refusal).await;
    peer.close(code).await;
    w.gateway.stays_alone(Duration::from_millis(1_300)).await?;
    // At most twice as long. Without the error it would be 5 s at least.
    let _peer = tokio::time::timeout(Duration::from_millis(3_000), w.accept())
        .await
        .unwrap_or_else(|_| Err(crate::failure::red("the client waits much longer than `retryAfterMs`")))?;
    w.value(connect).await.map(drop)
}

async fn replaced_streams(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    peer.close(4409).await;
    w.state("a", "replaced").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    continues(w).await?;
    w.value(connect).await.map(drop)
}

async fn replaced_calls(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let sent = w.send("c", "sent").await?;
    peer.expect("chat").await?;
    let waiting = w.send("c", "waits for the one before it").await?;
    // The second command is in the queue of the client, once a later one has been carried out.
    let presence = w.begin("presence", &json!({"client": "a", "topic": {"clan": "c"}})).await?;
    let command = peer.expect("presence").await?;
    peer.reply(&command, &answers::presence("c")).await;
    w.value(presence).await?;
    peer.close(4409).await;
    w.fails(sent, "replaced", "unknown").await?;
    w.fails(waiting, "replaced", "not_sent").await?;
    w.state("a", "replaced").await.map(drop)
}
