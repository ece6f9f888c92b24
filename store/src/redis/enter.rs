//! The handshake on every new connection: it finds out which run of the server this is, and whether confirmed entries
//! may be lost.

use std::{collections::HashMap, sync::Arc};

use redis::{Value, aio::MultiplexedConnection, cmd, pipe};

use super::{
    address::Servers,
    arguments::Digits,
    fault::Fault,
    request::{Reply, Request},
    scripts::{ALL, Enter},
    server_info::ServerInfo,
};
use crate::Epoch;

/// The data format that this version writes.
const FORMAT: u32 = 1;
/// The settings that are checked.
const SETTINGS: [&str; 3] = ["appendfsync", "maxmemory-policy", "save"];

/// The result of entering the store on a connection.
pub(super) struct Entered {
    pub(super) epoch: Epoch,
    pub(super) outcome: Outcome,
    pub(super) server: ServerInfo,
}

/// The effect of entering on the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The epoch continues.
    Same,
    /// There was no epoch.
    First,
    /// Confirmed entries may be lost, so a new epoch has begun.
    Replaced,
}

/// Loads the scripts, and enters the store whose hash has this key.
///
/// A server with another run id than at the last entry may have started without entries that it had confirmed.
/// Nothing can be lost only if the URL names one server, the server had every write on its disk before it replied,
/// now and when it was last entered, and the server was never a replica.
pub(super) async fn enter(
    connection: &mut MultiplexedConnection,
    store: &str,
    servers: &Servers,
) -> Result<Entered, Fault> {
    let info: String = cmd("INFO").query_async(connection).await?;
    // Managed servers may not return their settings.
    let mut settings = HashMap::new();
    for name in SETTINGS {
        let setting = cmd("CONFIG").arg("GET").arg(name).query_async::<HashMap<String, String>>(connection).await;
        settings.extend(setting.unwrap_or_default());
    }
    let server = ServerInfo::parse(&info, settings);
    // Checked first, because a replica in a cluster is a node of it too.
    if server.is_clustered() {
        return Err(Fault::ClusterNode);
    }
    if !server.is_master() {
        return Err(Fault::ConnectionBroken("this Redis is a replica, which takes no writes".into()));
    }
    let mut loads = pipe();
    for script in ALL {
        loads.add_command(script().load());
    }
    let _: Vec<String> = loads.query_async(connection).await?;
    let durable = matches!(servers, Servers::One(_)) && server.has_writes_on_disk() && !server.was_replica();
    let enter = Enter {
        run: &server.run_identity(),
        durable: Digits(durable.into()),
        new_epoch: &uuid::Uuid::now_v7().to_string(),
        format: Digits(FORMAT.into()),
    };
    let request = Request::with_text(store, &enter);
    let mut reply = Reply::of(request.command.query_async::<Value>(connection).await?)?;
    let outcome = match reply.text()?.as_str() {
        "same" => Outcome::Same,
        "first" => Outcome::First,
        "lost" => Outcome::Replaced,
        "newer" => return Err(Fault::NewerFormat(u32::try_from(reply.number()?).unwrap_or(u32::MAX))),
        _ => return Err(Fault::UnexpectedReply),
    };
    Ok(Entered { epoch: Arc::from(reply.text()?), outcome, server })
}
