//! Opens the store that a URL names.

use std::{fmt, io, path::PathBuf, sync::Arc};

use gateway_runtime::authorities::AuthorityError;

use crate::{Durability, Options, Store, clock::Clock, memory::MemoryStore};
// A line each, so that `cargo xtask test tidy` sees modules of this crate and not the crates of the same names.
use crate::redb::RedbStore;
use crate::redis::{RedisOptions, RedisStore};

/// The URL of a store. It may hold a password, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Creates a URL from a text. The text is parsed when the store is opened.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns the URL, with its password.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether several nodes can use the store.
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("redis")
    }

    /// Returns the path of the data file, if the store is one.
    fn data_file(&self) -> Option<PathBuf> {
        self.0.strip_prefix("redb:").filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl")
    }
}

/// The location of the store, with the settings that only some kinds of stores need.
#[derive(Debug, Clone)]
pub struct Location {
    /// `memory`, `redb:PATH`, or the URL of Redis.
    pub url: StoreUrl,
    /// When a data file confirms an append.
    pub durability: Durability,
    /// The prefix of all keys in Redis.
    pub prefix: String,
    /// The certificate authority of Redis in PEM; without it, those of the operating system are trusted.
    pub ca: Option<PathBuf>,
}

/// Why a store could not be opened. Each message names the problem and its fix in one line.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no known kind of store.
    #[error("store.url names no known store; use `redb:PATH`, `redis://HOST` or `memory`")]
    UnknownUrl,
    /// The thread that opened the store panicked, which is a bug of the gateway.
    #[error("the store could not be opened; the log has the reason. Please report it")]
    Interrupted,
    /// The URL of Redis cannot be read.
    #[error("store.url cannot be used: {0}")]
    RedisUrl(Arc<str>),
    /// No certificate of Redis could be trusted.
    #[error("store.ca: {0}")]
    Authority(#[from] AuthorityError),
    /// Redis cannot be used.
    #[error("{address} cannot be used ({reason}); start it, or set store.url to another server")]
    Redis {
        /// The address, without secrets.
        address: String,
        /// The error message of Redis or of the operating system.
        reason: String,
    },
    /// Redis is a cluster.
    #[error(
        "{address} is a node of a Redis Cluster (cluster_enabled:1), which this version does not support; \
         set store.url to one Redis server (cluster-enabled no) or to Sentinels (redis+sentinel://)"
    )]
    RedisCluster {
        /// The address, without secrets.
        address: String,
    },
    /// Another process has opened the file.
    #[error("{path} is in use by another process; stop that gateway, or give this one a file of its own (store.url)")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The directory of the file cannot be created.
    #[error(
        "the directory {path} cannot be created ({source}); create it, or set store.url to a path that can be written"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file cannot be opened for reading and writing.
    #[error("{path} cannot be opened ({source}); let this user read and write it, or set store.url to another path")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a data file.
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
        /// The format of the file.
        found: u32,
        /// The latest format that this version knows.
        known: u32,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, or write what is readable into a new file: \
         gateway store repair {path} {path}.repaired"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is damaged.
        reason: String,
    },
}

/// Opens the store at a location.
///
/// # Errors
/// [`OpenError`] if the URL, the file or the server cannot be used.
pub async fn open(location: Location, options: Options, clock: Clock) -> Result<Arc<dyn Store>, OpenError> {
    let Location { url, durability, prefix, ca } = location;
    if url.as_str() == "memory" {
        return Ok(Arc::new(MemoryStore::new(options, clock)));
    }
    if url.is_shared() {
        let address = RedisOptions { ca, ..RedisOptions::new(url.as_str(), &prefix) };
        return Ok(Arc::new(RedisStore::open(address, options, clock).await?));
    }
    let path = url.data_file().ok_or(OpenError::UnknownUrl)?;
    // A file that was not closed cleanly is checked as a whole, which takes long for a large one.
    let opening = tokio::task::spawn_blocking(move || RedbStore::open(&path, durability, options, clock));
    Ok(Arc::new(opening.await.map_err(|_| OpenError::Interrupted)??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::options;

    async fn opened(url: &str) -> Result<Arc<dyn Store>, OpenError> {
        let location =
            Location { url: StoreUrl::new(url), durability: Durability::Fsync, prefix: "gw".into(), ca: None };
        open(location, options(), Clock::system()).await
    }

    #[tokio::test]
    async fn opens_kind_of_store_that_url_names() {
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
