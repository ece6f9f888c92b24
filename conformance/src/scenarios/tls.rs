//! TLS: which certificates a client accepts. A client without TLS skips the group `tls`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    failure::{Step, check},
    gateway::answers,
    mutants::ConnectionFault,
    scenario::group,
    tls::{Authority, Certificate, TlsGateway},
    world::World,
};

group! {
    "tls/own-authority" => own_authority, "ignores-authority", "trusts the authority that its options name, on each connection";
    "tls/other-authority" => other_authority, "trusts-any-authority", "trusts no authority that its options do not name";
    "tls/unknown-authority" => unknown_authority, "trusts-any-authority",
        "trusts no authority that neither its options nor the system name";
    "tls/other-host" => other_host, "accepts-any-host", "refuses a certificate of another host";
}

/// How long a client that has refused a certificate must not send anything.
const SILENCE: Duration = Duration::from_millis(500);

async fn own_authority(w: &World<'_>) -> Step {
    let tls = w.tls(Certificate::Gateway).await?;
    let mut peer = w.connect_with("a", &options(w, &tls, Some(Authority::Own)), &json!({})).await?;
    w.subscribe(&mut peer, "s", "c", 0).await?;
    peer.send(&answers::chat("c", 1)).await;
    w.chats("s", "c", [1]).await?;
    peer.close(1012).await;
    let mut peer = w.accept().await?;
    let command = peer.expect("subscribe_clan_chat").await?;
    peer.reply(&command, &answers::recovered(&command, 2)).await;
    peer.send(&answers::chat("c", 2)).await;
    w.chats("s", "c", [2]).await
}

async fn other_authority(w: &World<'_>) -> Step {
    refuses(w, Certificate::Gateway, Some(Authority::Other)).await
}

async fn unknown_authority(w: &World<'_>) -> Step {
    refuses(w, Certificate::Gateway, None).await
}

async fn other_host(w: &World<'_>) -> Step {
    refuses(w, Certificate::OtherHost, Some(Authority::Own)).await
}

/// Returns the options of a client that trusts an authority, or none of the kit's.
fn options(w: &World<'_>, tls: &TlsGateway, trusted: Option<Authority>) -> Value {
    let tampering = &w.proxy.plan.tampering;
    let trusted = match trusted {
        _ if tampering.does(ConnectionFault::TrustsAnyAuthority) => Some(Authority::Own),
        _ if tampering.does(ConnectionFault::IgnoresAuthority) => None,
        trusted => trusted,
    };
    let mut options = json!({"url": tls.url()});
    if let Some(authority) = trusted {
        options["caFile"] = json!(tls.file(authority));
    }
    options
}

/// Checks that a client sends nothing to the gateway, and tries again.
async fn refuses(w: &World<'_>, shown: Certificate, trusted: Option<Authority>) -> Step {
    let tls = w.tls(shown).await?;
    w.open_with("a", &options(w, &tls, trusted)).await?;
    let connect = w.begin("connect", &json!({"client": "a"})).await?;
    tls.refused(2, w.limit()).await?;
    w.gateway.stays_alone(SILENCE).await?;
    let is_lost = |line: &Value| line["event"] == "state" && line["error"]["code"] == "connection";
    w.next("a state with the error `connection`", is_lost).await?;
    w.run("close", &json!({"client": "a"})).await?;
    let done = w.done(connect).await?;
    check(done["error"]["code"] == "closed", || format!("connect ends with {done}"))
}
