//! `gateway store`: copies, repairs, restores and compacts stores while no gateway uses them. `cli/accept_clock.rs`
//! confirms clocks.

mod compact;
mod repair;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::accept_clock::AcceptClock;
use crate::store::redis::{RedisOptions, RedisStore};
use crate::{
    config::{self, Config, Flags, Loaded, Secret},
    runtime::{clock::NodeClock, supervision::Supervisor},
    store::{
        NodeName, Nodes, Options, SpaceLimits, Store as _,
        copy::{Copied, copy},
        open::OpenError,
        redb::RedbStore,
    },
};

/// The commands for stores.
#[derive(Debug, Args)]
pub(super) struct Store {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copies a store into an empty one: offsets, epoch, idempotency keys, pending notifications and the outbox.
    ///
    /// Each is a URL as in store.url (redb:PATH, redis://…), or a configuration file, which keeps passwords off the
    /// command line and may set a prefix and a certificate authority. Stop every gateway on the source first.
    Copy(Copy),
    /// Confirms that the clock is correct after it has jumped, so that expired data is deleted again.
    AcceptClock(AcceptClock),
    /// Writes the readable data of a damaged data file to a new one, and reports losses.
    ///
    /// The damaged file is not changed. The new file has a new epoch, which informs clients that entries may be
    /// missing.
    Repair(repair::Repair),
    /// Sets a new epoch in a data file, which informs clients that confirmed entries may be missing.
    ///
    /// Run it for every file that was restored from a backup, before the gateway uses the file.
    NewEpoch(repair::NewEpoch),
    /// Compacts a data file, which returns the space of removed data to the disk.
    ///
    /// A running gateway does this automatically while it is idle, with up to 256 MiB of data.
    Compact(compact::Compact),
}

#[derive(Debug, Args)]
struct Copy {
    /// The store to copy.
    from: String,
    /// The store to create. It has to be empty.
    to: String,
}

impl Store {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Copy(copy) => copy.run().await,
            Command::AcceptClock(accept) => accept.run().await,
            Command::Repair(repair) => repair.run().await,
            Command::NewEpoch(new_epoch) => new_epoch.run(),
            Command::Compact(compact) => compact.run(),
        }
    }
}

impl Copy {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (from, to) = (config_of(&self.from)?, config_of(&self.to)?);
        if let Some(path) = redb_path(&from.store).filter(|path| !path.exists()) {
            anyhow::bail!("there is no store at {}", path.display());
        }
        let clock = NodeClock::default();
        let source = Opened::open(&from, &clock).await?;
        // With a wrong clock, valid idempotency keys would count as expired and be left out.
        source.copied_store().clock_mark().await?.iter().for_each(|mark| clock.resume(mark));
        if let Some(nodes) = source.nodes().await? {
            super::warn(&format!(
                "warning  {nodes} on the source: what is written meanwhile may be missing from the copy"
            ));
        }
        let target = Opened::open(&to, &clock).await?;
        let copied = copy(source.copied(), target.copied(), from.idempotency_window, clock.now()).await;
        target.close().await;
        source.close().await;
        let tally = copied?;
        super::print(&format!(
            "copied {} logs with {} entries, {} idempotency keys, {} pending notifications, {} events, {} \
             events of webhooks, {} blocked users, {} server-side subscriptions\n",
            tally.logs,
            tally.entries,
            tally.keys,
            tally.pending,
            tally.events,
            tally.webhook_events,
            tally.blocked,
            tally.subscriptions
        ))
    }
}

/// Returns the configuration for an argument, which is a URL or the path of a configuration file.
fn config_of(argument: &str) -> anyhow::Result<Config> {
    let is_url = argument.starts_with("redb:") || argument.starts_with("redis") && argument.contains("://");
    if !is_url {
        let flags = Flags { config: Some(PathBuf::from(argument)), ..Flags::default() };
        return Ok(Loaded::read(&flags)?.config);
    }
    let defaults = Config::default();
    Ok(Config { store: config::Store { url: Secret(argument.to_owned()), ..defaults.store }, ..defaults })
}

fn redb_path(store: &config::Store) -> Option<&Path> {
    store.url.0.strip_prefix("redb:").map(Path::new)
}

/// A store that can be copied.
enum Opened {
    Redb(Box<RedbStore>),
    Redis(Box<RedisStore>),
}

impl Opened {
    async fn open(config: &Config, clock: &NodeClock) -> anyhow::Result<Self> {
        // No limit: all events that wait for the broker have to be copied.
        let node = NodeName::new("copy");
        let supervisor = Supervisor::default();
        let options = Options {
            window: config.idempotency_window,
            node,
            outbox: Some(u64::MAX),
            webhooks: [].into(),
            space: SpaceLimits::default(),
            supervisor,
        };
        let store = &config.store;
        if store.is_shared() {
            let place = RedisOptions { ca: store.ca.clone(), ..RedisOptions::new(&store.url.0, &store.prefix) };
            return Ok(Self::Redis(Box::new(RedisStore::open(place, options, clock.for_store()).await?)));
        }
        match redb_path(store) {
            Some(path) => {
                Ok(Self::Redb(Box::new(RedbStore::open(path, store.durability, options, clock.for_store())?)))
            }
            None => Err(OpenError::UnknownUrl.into()),
        }
    }

    fn copied_store(&self) -> &dyn crate::store::Store {
        match self {
            Self::Redb(store) => &**store,
            Self::Redis(store) => &**store,
        }
    }

    fn copied(&self) -> &dyn Copied {
        match self {
            Self::Redb(store) => &**store,
            Self::Redis(store) => &**store,
        }
    }

    /// Returns the gateways that use the store, if any. A data file in use could not have been opened.
    async fn nodes(&self) -> anyhow::Result<Option<String>> {
        let Self::Redis(store) = self else { return Ok(None) };
        let names: Vec<String> = store.nodes().await?.into_iter().map(|node| node.id).collect();
        let verb = if names.len() == 1 { "runs" } else { "run" };
        Ok((!names.is_empty()).then(|| format!("{} {verb}", names.join(", "))))
    }

    async fn close(&self) {
        match self {
            Self::Redb(store) => store.close().await,
            Self::Redis(store) => store.close().await,
        }
    }
}
