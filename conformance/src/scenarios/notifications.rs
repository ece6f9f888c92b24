//! Notifications: each once, until it is acknowledged.

use serde_json::{Value, json};

use crate::{
    failure::{Step, check, same},
    gateway::{Peer, answers},
    scenario::group,
    world::World,
};

group! {
    "notifications/waiting" => waiting, "loses-item", "gives what waits for an acknowledgement, and then what is new";
    "notifications/pending" => pending, "wrong-pending", "counts what waits for an acknowledgement";
    "notifications/redelivered" => redelivered, "repeats-item", "gives a notification once, also when it comes again";
    "notifications/acknowledge" => acknowledge, "no-ack", "acknowledges, and waits for the confirmation";
    "notifications/acknowledge-many" => acknowledge_many, "no-ack", "acknowledges several in one command";
    "notifications/acknowledged-here" => acknowledged_here, "repeats-item", "never gives again what it has acknowledged";
    "notifications/acknowledged-elsewhere" => acknowledged_elsewhere, "wrong-pending", "counts down when another session acknowledges";
    "notifications/refused-for-now" => refused_for_now, "deaf-to-errors", "acknowledges again after a refusal that may pass";
    "notifications/refused" => refused, "claims-success", "reports a refused acknowledgement";
    "notifications/ended" => ended, "hides-end", "ends the stream when the subscription is ended";
}

/// Subscribes to notifications, of which these wait.
async fn subscribed(w: &World<'_>, waiting: &[&str]) -> Step<Peer> {
    let mut peer = w.connect("a").await?;
    let fields = json!({"client": "a", "stream": "n", "topic": "notifications"});
    let call = w.begin("subscribe", &fields).await?;
    confirm(&mut peer, waiting).await?;
    w.value(call).await?;
    Ok(peer)
}

async fn confirm(peer: &mut Peer, waiting: &[&str]) -> Step {
    let command = peer.expect("subscribe_notifications").await?;
    let count = u64::try_from(waiting.len()).unwrap_or_default();
    peer.reply(&command, &answers::confirmed_pending(count)).await;
    for (offset, id) in (1..).zip(waiting) {
        peer.send(&answers::notification(id, offset)).await;
    }
    Ok(())
}

async fn given(w: &World<'_>, ids: &[&str]) -> Step {
    for id in ids {
        let line = w.item("n").await?;
        same("the notification", &line["item"]["id"], &json!(id))?;
        check(line["item"]["title"] == "News", || format!("a notification lost its fields: {line}"))?;
    }
    Ok(())
}

/// Expects an acknowledgement of these and confirms it.
async fn confirm_ack(peer: &mut Peer, ids: &[&str]) -> Step {
    let ack = peer.expect("notification_ack").await?;
    let confirmed = answers::acknowledged(&ack);
    same("the acknowledged notifications", &confirmed["notificationIds"], &json!(ids))?;
    peer.reply(&ack, &confirmed).await;
    Ok(())
}

fn ack(ids: &[&str]) -> Value {
    json!({"client": "a", "ids": ids})
}

async fn waiting(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2"]).await?;
    peer.send(&answers::notification("n3", 3)).await;
    given(w, &["n1", "n2", "n3"]).await
}

async fn pending(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2"]).await?;
    w.pending("a", 2).await?;
    given(w, &["n1", "n2"]).await?;
    peer.send(&answers::notification("n3", 3)).await;
    given(w, &["n3"]).await?;
    w.pending("a", 3).await?;
    let call = w.begin("ack", &ack(&["n1"])).await?;
    confirm_ack(&mut peer, &["n1"]).await?;
    w.value(call).await?;
    w.pending("a", 2).await
}

async fn redelivered(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2"]).await?;
    given(w, &["n1", "n2"]).await?;
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    confirm(&mut peer, &["n1", "n2", "n3"]).await?;
    given(w, &["n3"]).await?;
    let mut again = answers::notification("n1", 1);
    again["redelivered"] = json!(true);
    peer.send(&again).await;
    peer.send(&answers::notification("n4", 4)).await;
    given(w, &["n4"]).await
}

async fn acknowledge(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1"]).await?;
    given(w, &["n1"]).await?;
    let call = w.begin("ack", &ack(&["n1"])).await?;
    confirm_ack(&mut peer, &["n1"]).await?;
    w.value(call).await.map(drop)
}

async fn acknowledge_many(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2", "n3"]).await?;
    given(w, &["n1", "n2", "n3"]).await?;
    let call = w.begin("ack", &ack(&["n1", "n3"])).await?;
    confirm_ack(&mut peer, &["n1", "n3"]).await?;
    w.value(call).await?;
    let call = w.begin("ack", &ack(&["n2"])).await?;
    confirm_ack(&mut peer, &["n2"]).await?;
    w.value(call).await.map(drop)
}

async fn acknowledged_here(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2"]).await?;
    given(w, &["n1", "n2"]).await?;
    let call = w.begin("ack", &ack(&["n1"])).await?;
    peer.expect("notification_ack").await?;
    // The confirmation is lost, and the notification comes again.
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    let commands = peer.expect_all(&["subscribe_notifications", "notification_ack"]).await?;
    let [subscribe, again] = commands.as_slice() else { return Ok(()) };
    peer.reply(subscribe, &answers::confirmed_pending(2)).await;
    peer.send(&answers::notification("n1", 1)).await;
    peer.send(&answers::notification("n2", 2)).await;
    peer.reply(again, &answers::acknowledged(again)).await;
    w.value(call).await?;
    peer.send(&answers::notification("n3", 3)).await;
    given(w, &["n3"]).await
}

async fn acknowledged_elsewhere(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1", "n2"]).await?;
    w.pending("a", 2).await?;
    given(w, &["n1", "n2"]).await?;
    peer.send(&json!({"type": "notification_acked", "notificationIds": ["n2"]})).await;
    w.pending("a", 1).await?;
    peer.send(&answers::notification("n2", 2)).await;
    peer.send(&answers::notification("n3", 3)).await;
    given(w, &["n3"]).await
}

async fn refused_for_now(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1"]).await?;
    given(w, &["n1"]).await?;
    let call = w.begin("ack", &ack(&["n1"])).await?;
    let command = peer.expect("notification_ack").await?;
    let mut refusal = answers::error("unavailable");
    refusal["retryAfterMs"] = json!(200);
    peer.reply(&command, &refusal).await;
    confirm_ack(&mut peer, &["n1"]).await?;
    w.value(call).await.map(drop)
}

async fn refused(w: &World<'_>) -> Step {
    let mut peer = w.connect("a").await?;
    let call = w.begin("ack", &ack(&["n1"])).await?;
    let command = peer.expect("notification_ack").await?;
    peer.reply(&command, &answers::error("invalid_message")).await;
    w.fails(call, "invalid_message", "refused").await.map(drop)
}

async fn ended(w: &World<'_>) -> Step {
    let mut peer = subscribed(w, &["n1"]).await?;
    given(w, &["n1"]).await?;
    let ended = json!({
        "type": "subscription_ended", "service": "notifications", "code": "forbidden", "message": "Ended by an operator.",
    });
    peer.send(&ended).await;
    same("the code of the end", &w.end("n").await?["code"], &json!("forbidden"))
}
