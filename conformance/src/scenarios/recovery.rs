//! Recovery: what a stream gives after a lost connection.

use serde_json::{Value, json};

use crate::{
    failure::{Step, same},
    gateway::{Peer, answers},
    scenario::group,
    world::World,
};

group! {
    "recovery/within-retention" => within, "stale-recovery", "continues after its position, without a gap";
    "recovery/beyond-retention" => beyond, "hides-gaps", "gives one gap for what is no longer retained";
    "recovery/epoch" => epoch, "hides-gaps", "gives a gap when the store has lost entries";
    "recovery/stored-beyond" => stored_beyond, "hides-gaps", "gives a gap after a stored position that is too old";
    "recovery/stored-epoch" => stored_epoch, "hides-positions", "gives a gap after a stored position of another epoch";
    "recovery/duplicates" => duplicates, "repeats-item", "gives entries that come twice once";
    "recovery/order" => order, "swaps-items", "never goes back: an entry that comes too late is dropped";
    "recovery/twice" => twice, "no-recovery", "keeps its position over several lost connections";
    "recovery/between" => between, "no-recovery", "keeps its position when a connection is lost before it subscribes";
    "recovery/no-news" => no_news, "stale-recovery", "gives nothing again when nothing is new";
    "recovery/confirmed-stream" => confirmed_stream, "no-resubscription", "confirms a stream once, and not after each connection";
}

/// Subscribes to the clan `c` and reads offset 1.
async fn at_one(w: &World<'_>) -> Step<Peer> {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    Ok(peer)
}

/// Loses the connection and returns the next one, with its subscribe command. The position has to be this one.
async fn lose(w: &World<'_>, peer: Peer, offset: u64) -> Step<(Peer, Value)> {
    drop(peer);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"], &json!({"offset": offset, "epoch": answers::EPOCH}))?;
    Ok((peer, command))
}

async fn within(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::recovered(&command, 4)).await;
    for offset in 2..=5 {
        peer.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", 2..=5).await
}

async fn beyond(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::confirmed(&command, 5_000)).await;
    peer.send(&answers::chat("c", 5_001)).await;
    w.gap("s", "trimmed", 1, (5_000, answers::EPOCH)).await?;
    w.chats("s", "c", [5_001]).await
}

async fn epoch(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::confirmed_in(&command, 1, "e2", false)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.gap("s", "epoch_changed", 1, (1, "e2")).await?;
    let line = w.item_is("s", &answers::chat("c", 2)).await?;
    same("the position", &line["position"], &json!({"offset": 2, "epoch": "e2"}))?;
    drop(peer);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"], &json!({"offset": 2, "epoch": "e2"}))?;
    peer.reply(&command, &answers::confirmed_in(&command, 2, "e2", true)).await;
    Ok(())
}

async fn stored(w: &World<'_>, from: &Value) -> Step<(Peer, Value, crate::world::Call)> {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"clan": "c"}, "from": from});
    let call = w.begin("subscribe", &fields).await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"], from)?;
    Ok((peer, command, call))
}

async fn stored_beyond(w: &World<'_>) -> Step {
    let (mut peer, command, call) = stored(w, &json!({"offset": 3, "epoch": answers::EPOCH})).await?;
    peer.reply(&command, &answers::confirmed(&command, 100)).await;
    w.value(call).await?;
    peer.send(&answers::chat("c", 101)).await;
    w.gap("s", "trimmed", 3, (100, answers::EPOCH)).await?;
    w.chats("s", "c", [101]).await
}

async fn stored_epoch(w: &World<'_>) -> Step {
    let (mut peer, command, call) = stored(w, &json!({"offset": 300, "epoch": "e0"})).await?;
    peer.reply(&command, &answers::confirmed(&command, 7)).await;
    w.value(call).await?;
    peer.send(&answers::chat("c", 8)).await;
    w.gap("s", "epoch_changed", 300, (7, answers::EPOCH)).await?;
    w.chats("s", "c", [8]).await
}

async fn duplicates(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::recovered(&command, 3)).await;
    for offset in [1, 2, 2, 1, 3, 3, 2, 4] {
        peer.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", 2..=4).await
}

async fn order(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    for offset in [1, 3, 2, 4] {
        peer.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", [1, 3, 4]).await
}

async fn twice(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await?;
    let (mut peer, command) = lose(w, peer, 2).await?;
    peer.reply(&command, &answers::recovered(&command, 3)).await;
    peer.send(&answers::chat("c", 3)).await;
    w.chats("s", "c", [3]).await
}

async fn between(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    drop(peer);
    // Lost again before it is authenticated, and again before its subscription is confirmed.
    drop(w.gateway.accept().await?);
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"]["offset"], &json!(1))?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await
}

async fn no_news(w: &World<'_>) -> Step {
    let peer = at_one(w).await?;
    let (mut peer, command) = lose(w, peer, 1).await?;
    peer.reply(&command, &answers::recovered(&command, 1)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await
}

async fn confirmed_stream(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "stream": "s", "topic": {"clan": "c"}});
    let call = w.begin("subscribe", &fields).await?;
    peer.expect("subscribe_clan_chat").await?;
    drop(peer);
    // The first command was never confirmed, so the stream begins at the head that the second one finds.
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    peer.reply(&command, &answers::confirmed(&command, 4)).await;
    same("the position", &w.value(call).await?, &json!({"offset": 4, "epoch": answers::EPOCH}))?;
    peer.send(&answers::chat("c", 5)).await;
    w.chats("s", "c", [5]).await
}
