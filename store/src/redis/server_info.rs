//! The properties and settings that a Redis server reports, and warnings about settings that risk data.

use std::{collections::HashMap, sync::Arc};

use crate::space::{Medium, Usage};

/// The oldest version with the commands that the scripts use: `XTRIM MINID`, and exclusive ends of ranges.
const MIN_VERSION: (u32, u32) = (6, 2);

/// The replies of a server to `INFO` and `CONFIG GET`.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerInfo {
    info: HashMap<String, String>,
    settings: HashMap<String, String>,
}

impl ServerInfo {
    /// Parses the replies to `INFO` and, if the user may send it, `CONFIG GET`.
    pub(super) fn parse(info: &str, settings: HashMap<String, String>) -> Self {
        let fields = info.lines().filter_map(|line| line.trim().split_once(':'));
        Self { info: fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), settings }
    }

    fn info(&self, key: &str) -> &str {
        self.info.get(key).map_or("", String::as_str)
    }

    fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// Identifies this run of the server: its process, and its replication history. A server that was a replica in
    /// between has another history.
    pub(super) fn run_identity(&self) -> String {
        format!("{}:{}", self.info("run_id"), self.info("master_replid"))
    }

    /// Returns whether the server accepts writes.
    pub(super) fn is_master(&self) -> bool {
        self.info("role") != "slave"
    }

    /// Returns whether the server is a node of a Redis Cluster.
    pub(super) fn is_clustered(&self) -> bool {
        self.info("cluster_enabled") == "1" || self.info("redis_mode") == "cluster"
    }

    /// Returns whether the server is a promoted replica. A promoted replica has the replication id of its former
    /// master.
    pub(super) fn was_replica(&self) -> bool {
        self.info("master_replid2").bytes().any(|byte| byte != b'0')
    }

    /// Returns whether every write is on the disk before the server replies.
    pub(super) fn has_writes_on_disk(&self) -> bool {
        self.info("aof_enabled") == "1" && self.setting("appendfsync") == Some("always")
    }

    /// Returns the used memory in bytes.
    pub(super) fn used_memory(&self) -> Option<u64> {
        self.info("used_memory").parse().ok()
    }

    /// Returns the used memory, and what is left of `maxmemory` if that is set.
    pub(super) fn space(&self) -> Option<Usage> {
        let number = |key: &str| self.info(key).parse::<u64>().ok();
        let used = self.used_memory()?;
        let counted = used.saturating_sub(number("mem_not_counted_for_evict").unwrap_or(0));
        let medium = |capacity: u64| Medium { free: capacity.saturating_sub(counted), capacity };
        Some(Usage { used, medium: number("maxmemory").filter(|max| *max > 0).map(medium) })
    }

    /// Returns how many keys of a database have an expiry, from the reply to `INFO keyspace`.
    pub(super) fn keys_with_expiry(&self, database: i64) -> u64 {
        let fields = self.info(&format!("db{database}")).split(',');
        let expires = fields.filter_map(|field| field.strip_prefix("expires=")).next();
        expires.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Returns a sentence for each setting that an operator should change.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        let mut warnings = Vec::new();
        let mut warn = |text: String| warnings.push(Arc::from(text));
        let version = self.info("redis_version");
        if version_of(version).is_some_and(|version| version < MIN_VERSION) {
            warn(format!("Redis {version} is too old; the gateway needs {}.{} or later", MIN_VERSION.0, MIN_VERSION.1));
        }
        let policy = self.setting("maxmemory-policy").unwrap_or_else(|| self.info("maxmemory_policy"));
        if !policy.is_empty() && policy != "noeviction" {
            warn(format!(
                "Redis has maxmemory-policy {policy}: when memory is short it removes confirmed data; \
                 set it to noeviction"
            ));
        }
        let has_snapshots = self.setting("save").is_none_or(|save| !save.is_empty());
        match (self.info("aof_enabled"), self.setting("appendfsync")) {
            ("1", Some("always") | None) => {}
            ("1", Some(when)) => warn(format!(
                "Redis has appendfsync {when}: a crash loses the latest confirmed data, and every restart begins a new \
                 epoch; set it to always"
            )),
            _ if has_snapshots => warn(
                "Redis has appendonly no: a crash loses the data confirmed since the last snapshot; set appendonly yes \
                 and appendfsync always"
                    .to_owned(),
            ),
            _ => warn(
                "Redis keeps nothing on its disk: a restart loses everything; set appendonly yes and appendfsync always"
                    .to_owned(),
            ),
        }
        warnings
    }
}

fn version_of(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(info: &str, settings: &[(&str, &str)]) -> ServerInfo {
        ServerInfo::parse(info, settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn does_not_warn_of_correct_settings() {
        let info =
            "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nmaster_replid:def\r\naof_enabled:1\r\nrole:master\r\n";
        let settings = [("appendfsync", "always"), ("maxmemory-policy", "noeviction"), ("save", "")];
        let right = server(info, &settings);
        assert!(right.warnings().is_empty(), "{:?}", right.warnings());
        assert!(right.has_writes_on_disk() && right.is_master() && !right.was_replica());
        assert_eq!(right.run_identity(), "abc:def");
    }

    #[test]
    fn warns_of_settings_that_risk_data() {
        let always = ("appendfsync", "always");
        for (info, settings, word) in [
            ("redis_version:6.0.16\naof_enabled:1", vec![always], "6.0.16"),
            ("aof_enabled:1", vec![("appendfsync", "everysec")], "everysec"),
            ("aof_enabled:1", vec![always, ("maxmemory-policy", "allkeys-lru")], "allkeys-lru"),
            ("aof_enabled:1\nmaxmemory_policy:volatile-ttl", vec![], "volatile-ttl"),
            ("aof_enabled:0", vec![("save", "3600 1")], "appendonly no"),
            ("aof_enabled:0", vec![("save", "")], "loses everything"),
        ] {
            let warnings = server(info, &settings).warnings();
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains(word), "{warnings:?}");
        }
    }

    #[test]
    fn recognises_node_of_cluster() {
        for (info, is_clustered) in [
            ("redis_mode:cluster\r\ncluster_enabled:1", true),
            ("# Cluster\r\ncluster_enabled:1\r\n", true),
            ("redis_mode:cluster", true),
            ("redis_mode:standalone\r\ncluster_enabled:0", false),
            ("redis_mode:sentinel", false),
            ("", false),
        ] {
            assert_eq!(server(info, &[]).is_clustered(), is_clustered, "{info}");
        }
    }

    #[test]
    fn space_counts_against_maxmemory() {
        let found = server("used_memory:1000\r\nmem_not_counted_for_evict:100\r\nmaxmemory:1200\r\n", &[]).space();
        assert_eq!(found, Some(Usage { used: 1_000, medium: Some(Medium { free: 300, capacity: 1_200 }) }));
        let found = server("used_memory:1000\r\nmaxmemory:0\r\n", &[]).space();
        assert_eq!(found, Some(Usage { used: 1_000, medium: None }));
        assert_eq!(server("", &[]).space(), None);
    }

    #[test]
    fn counts_keys_with_expiry_by_database() {
        let found = server("# Keyspace\r\ndb0:keys=9,expires=7,avg_ttl=12\r\ndb3:keys=2,expires=1,avg_ttl=0\r\n", &[]);
        assert_eq!([found.keys_with_expiry(0), found.keys_with_expiry(3), found.keys_with_expiry(1)], [7, 1, 0]);
    }

    #[test]
    fn recognises_promoted_replica() {
        let zeros = "0".repeat(40);
        assert!(!server(&format!("master_replid2:{zeros}"), &[]).was_replica());
        assert!(server("master_replid2:8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb", &[]).was_replica());
    }
}
