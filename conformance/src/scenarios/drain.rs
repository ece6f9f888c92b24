//! A node that will close its connections: the client moves before it does.

use serde_json::{Value, json};

use crate::{
    failure::{Step, same},
    gateway::{Peer, answers},
    scenario::group,
    world::World,
};

group! {
    "drain/moves" => moves, "deaf-to-hints", "opens another connection before the node closes the first one";
    "drain/streams" => streams, "repeats-item", "loses nothing and gives nothing twice while it moves";
    "drain/commands" => commands, "deaf-to-hints", "takes replies on the old connection while it moves";
    "drain/closed" => closed, "connects-once", "connects again when the node closes before it has moved";
    "drain/replaced-by-itself" => replaced, "wrong-state", "is not replaced by its own connection";
}

/// Subscribes to the clan `c`, and asks the client to move.
async fn draining(w: &World<'_>) -> Step<Peer> {
    let mut peer = w.connect("a").await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    peer.send(&hint(400)).await;
    w.chats("s", "c", [1]).await?;
    Ok(peer)
}

fn hint(after: u64) -> Value {
    json!({"type": "reconnect", "reason": "draining", "afterMs": after})
}

async fn confirm(new: &mut Peer, head: u64) -> Step {
    let command = new.expect("subscribe_clan_chat").await?;
    new.reply(&command, &answers::recovered(&command, head)).await;
    Ok(())
}

async fn moves(w: &World<'_>) -> Step {
    let mut old = draining(w).await?;
    let mut new = w.accept().await?;
    let command = new.expect("subscribe_clan_chat").await?;
    same("the position", &command["recover"]["offset"], &json!(1))?;
    new.reply(&command, &answers::recovered(&command, 1)).await;
    old.expect_close(1000).await
}

async fn streams(w: &World<'_>) -> Step {
    let mut old = draining(w).await?;
    let mut new = w.accept().await?;
    old.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await?;
    let command = new.expect("subscribe_clan_chat").await?;
    new.reply(&command, &answers::recovered(&command, 3)).await;
    for offset in 1..=3 {
        new.send(&answers::chat("c", offset)).await;
    }
    w.chats("s", "c", [3]).await?;
    // What the old one still sends came here too.
    old.send(&answers::chat("c", 3)).await;
    old.send(&answers::chat("c", 4)).await;
    new.send(&answers::chat("c", 4)).await;
    w.chats("s", "c", [4]).await
}

async fn commands(w: &World<'_>) -> Step {
    let mut old = draining(w).await?;
    let call = w.send("c", "sent on the old one").await?;
    let command = old.expect("chat").await?;
    let mut new = w.accept().await?;
    confirm(&mut new, 1).await?;
    old.reply(&command, &answers::stored(&command, 2)).await;
    same("the offset of the reply", &w.value(call).await?["offset"], &json!(2))?;
    let call = w.send("c", "sent on the new one").await?;
    let command = new.expect("chat").await?;
    new.reply(&command, &answers::stored(&command, 3)).await;
    w.value(call).await?;
    old.expect_close(1000).await
}

async fn closed(w: &World<'_>) -> Step {
    let mut old = w.connect("a").await?;
    w.subscribe(&mut old, "s", "c", 0).await?;
    old.send(&hint(10_000)).await;
    old.close(1001).await;
    let mut new = w.accept().await?;
    confirm(&mut new, 1).await?;
    new.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await
}

async fn replaced(w: &World<'_>) -> Step {
    let mut old = draining(w).await?;
    let mut new = w.accept().await?;
    // The session of the new connection replaces that of the old one.
    old.close(4409).await;
    confirm(&mut new, 2).await?;
    new.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await?;
    w.state("a", "online").await.map(drop)
}
