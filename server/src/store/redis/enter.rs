//! The first step on every connection: which life of the server this is, and whether what was confirmed is still there.

use std::{collections::HashMap, sync::Arc};

use redis::{Value, aio::MultiplexedConnection, cmd, pipe};

use super::{
    address::Place,
    advice::Server,
    fault::Fault,
    request::Reply,
    steps::{ALL, ENTER},
};
use crate::store::Epoch;

/// The format of what this version writes.
const FORMAT: u32 = 1;
/// The settings that are looked at.
const SETTINGS: [&str; 3] = ["appendfsync", "maxmemory-policy", "save"];

/// What was found on a connection.
pub(super) struct Entered {
    pub(super) epoch: Epoch,
    pub(super) outcome: Outcome,
    pub(super) server: Server,
}

/// What became of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Same,
    /// There was none.
    First,
    /// What was confirmed may be lost, so it is a new one.
    Replaced,
}

/// Enters the store at this key.
///
/// A server that runs for the first time since is another life: it may have begun without what the last one confirmed.
/// Only where the URL names one server that has every write on its disk before it answers, and did when it was last
/// entered, and that was never a replica, nothing can be lost.
pub(super) async fn enter(
    connection: &mut MultiplexedConnection,
    store: &str,
    place: &Place,
) -> Result<Entered, Fault> {
    let info: String = cmd("INFO").query_async(connection).await?;
    // Managed servers may not tell their settings.
    let mut settings = HashMap::new();
    for name in SETTINGS {
        let setting = cmd("CONFIG").arg("GET").arg(name).query_async::<HashMap<String, String>>(connection).await;
        settings.extend(setting.unwrap_or_default());
    }
    let server = Server::of(&info, settings);
    // Also a replica of a cluster is one of its nodes.
    if server.is_clustered() {
        return Err(Fault::Cluster);
    }
    if !server.is_master() {
        return Err(Fault::Connection("this Redis is a replica, which takes no writes".into()));
    }
    let mut loads = pipe();
    for step in ALL {
        loads.add_command(step.load());
    }
    let _: Vec<String> = loads.query_async(connection).await?;
    let durable = matches!(place, Place::Server(_)) && server.has_writes_on_disk() && !server.was_a_replica();
    let mut ask = cmd("EVAL");
    ask.arg(ENTER).arg(1).arg(store).arg(server.life()).arg(u8::from(durable));
    ask.arg(uuid::Uuid::now_v7().to_string()).arg(FORMAT);
    let mut reply = Reply::of(ask.query_async::<Value>(connection).await?)?;
    let outcome = match reply.text()?.as_str() {
        "same" => Outcome::Same,
        "first" => Outcome::First,
        "lost" => Outcome::Replaced,
        "newer" => return Err(Fault::Newer(u32::try_from(reply.number()?).unwrap_or(u32::MAX))),
        _ => return Err(Fault::Strange),
    };
    Ok(Entered { epoch: Arc::from(reply.text()?), outcome, server })
}
