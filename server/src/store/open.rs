//! From `store.url` to a store.

use std::{io, path::PathBuf, sync::Arc};

use super::redis::{RedisOptions, RedisStore};
use super::{Options, Store, memory::MemoryStore, redb::RedbStore};
use crate::{clock::NodeClock, config, crypto::AuthorityError};

/// Why there is no store. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no kind of store.
    #[error("store.url names no store that is known; use `redb:PATH`, `redis://HOST` or `memory`")]
    UnknownUrl,
    /// The thread that opened it ended, which is a fault of the gateway.
    #[error("the store could not be opened, and the log says why; please report it")]
    Interrupted,
    /// The URL of Redis cannot be read.
    #[error("store.url cannot be used: {0}")]
    RedisUrl(Arc<str>),
    /// No certificate of Redis could be trusted.
    #[error("store.ca: {0}")]
    Authority(#[from] AuthorityError),
    /// Redis does not serve.
    #[error("{address} cannot be used ({reason}); start it, or set store.url to one that serves")]
    Redis {
        /// Where it is, without secrets.
        address: String,
        /// What it, or the operating system, says.
        reason: String,
    },
    /// Redis is a cluster.
    #[error(
        "{address} is a node of a Redis Cluster (cluster_enabled:1), which this version does not support; \
         set store.url to one Redis server (cluster-enabled no) or to Sentinels (redis+sentinel://)"
    )]
    RedisCluster {
        /// Where it is, without secrets.
        address: String,
    },
    /// Another process has the file.
    #[error("{path} is in use by another process; stop that gateway, or give this one a file of its own (store.url)")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The directory of the file cannot be made.
    #[error("the directory {path} cannot be made ({source}); make it, or set store.url to a place that can be written")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file cannot be opened for reading and writing.
    #[error("{path} cannot be opened ({source}); let this user read and write it, or set store.url to another place")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} is not a data file of the gateway; set store.url to another path")]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "{path} has format {found}, and this version knows {known}; start the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format that this version knows.
        known: u32,
    },
    /// The file cannot be read as it should.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, or write what is readable into a new file: \
         gateway store repair {path} {path}.repaired"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}

/// Opens the store that is configured.
///
/// # Errors
/// [`OpenError`] says what is wrong with the URL or the file.
pub async fn open(config: &config::Store, options: Options, clock: &NodeClock) -> Result<Arc<dyn Store>, OpenError> {
    let url = config.url.0.as_str();
    if url == "memory" {
        return Ok(Arc::new(MemoryStore::new(options, clock.for_store())));
    }
    if config.is_shared() {
        let place = RedisOptions { ca: config.ca.clone(), ..RedisOptions::new(url, &config.prefix) };
        return Ok(Arc::new(RedisStore::open(place, options, clock.for_store()).await?));
    }
    if let Some(path) = url.strip_prefix("redb:").filter(|path| !path.is_empty()) {
        let (path, durability) = (PathBuf::from(path), config.durability);
        // A file that was not closed cleanly is checked as a whole, which takes long for a large one.
        let for_store = clock.for_store();
        let opening = tokio::task::spawn_blocking(move || RedbStore::open(&path, durability, options, for_store));
        let store = opening.await.map_err(|_| OpenError::Interrupted)??;
        match store.clock_mark().await {
            Ok(mark) => mark.iter().for_each(|mark| clock.resume(mark)),
            Err(error) => tracing::error!(%error, "the clock of the last process cannot be read; this one is trusted"),
        }
        return Ok(Arc::new(store));
    }
    Err(OpenError::UnknownUrl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Secret, store::conformance::options};

    async fn opened(url: &str) -> Result<Arc<dyn Store>, OpenError> {
        let config = config::Store { url: Secret(url.into()), ..config::Config::default().store };
        open(&config, options(), &NodeClock::default()).await
    }

    #[tokio::test]
    async fn the_url_names_the_kind_of_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.redb");
        assert!(opened("memory").await.is_ok());
        assert!(opened(&format!("redb:{}", path.display())).await.is_ok());
        assert!(path.exists());
        assert!(opened(&realtime_gateway_brokers::redis::shared().url()).await.is_ok());
        for url in ["redis://", "rediss://user:secret@host:6379/x", "redis+sentinel://user:secret@host"] {
            let error = opened(url).await.map(drop).unwrap_err();
            assert!(matches!(error, OpenError::RedisUrl(_)));
            assert!(!error.to_string().contains("secret"));
        }
        for url in ["", "redb:", "sqlite:x", "memory:"] {
            assert!(matches!(opened(url).await.map(drop), Err(OpenError::UnknownUrl)), "{url}");
        }
    }
}
