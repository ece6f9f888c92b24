//! Upgrades that are refused.

use std::time::Duration;

use serde_json::json;

use crate::{
    failure::{Step, check},
    scenario::group,
    world::World,
};

group! {
    "upgrade/429" => |w| waits(w, 429), "hides-refusal", "waits after 429 as long as Retry-After says", 3 s;
    "upgrade/503" => |w| waits(w, 503), "hides-refusal", "waits after 503 as long as Retry-After says", 3 s;
    "upgrade/403" => forbidden, "hides-refusal", "stays away after 403";
    "upgrade/500" => |w| returns(w, 500), "connects-once", "tries again after 500";
    "upgrade/502" => |w| returns(w, 502), "connects-once", "tries again after 502, such as that of a proxy";
    "upgrade/cut" => cut, "connects-once", "tries again when the connection ends before it is open";
}

async fn waits(w: &World<'_>, status: u16) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    w.gateway.refuse(status, "Retry-After: 2\r\n").await?;
    w.gateway.stays_alone(Duration::from_millis(1_800)).await?;
    let _peer = w.accept().await?;
    w.value(connect).await.map(drop)
}

async fn forbidden(w: &World<'_>) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    w.gateway.refuse(403, "").await?;
    w.state("a", "failed").await?;
    let done = w.done(connect).await?;
    check(done["error"]["retryable"] == false, || format!("connect ends with {done}"))?;
    w.gateway.stays_alone(Duration::from_millis(1_500)).await
}

async fn returns(w: &World<'_>, status: u16) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    w.gateway.refuse(status, "").await?;
    let _peer = w.accept().await?;
    w.value(connect).await.map(drop)
}

async fn cut(w: &World<'_>) -> Step {
    w.open("a").await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    w.gateway.hang_up().await?;
    let _peer = w.accept().await?;
    w.value(connect).await.map(drop)
}
