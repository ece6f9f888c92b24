//! The gateway, with limits that no load reaches.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use super::{CERTIFICATES, Programs, Security, Server};
use crate::{generator::Dialect, token::SECRET};

/// The configuration of a gateway to be started.
pub(crate) struct Gateway {
    folder: TempDir,
    security: Security,
    /// Lines before the first section of the configuration file.
    keys: String,
    /// Sections.
    sections: String,
}

impl Gateway {
    /// A gateway with the memory store and the usual number of event loops.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = format!(
            "listen = \"127.0.0.1:0\"\nlog.format = \"json\"\nauth.jwt_secret = \"{SECRET}\"\n\
             limits.messages_per_second = 1000000\nlimits.burst = 1000000\nlimits.connections_per_ip = 20000\n\
             limits.connects_per_ip_per_minute = 1000000\nlimits.outbound_queue = \"16MiB\"\n\
             limits.subscriptions = 1000\n"
        );
        Self { folder, security: Security::Plain, keys, sections: String::new() }
    }

    /// One of several nodes on a Redis, or on a broker too. It sends no pings: the clients do not answer while others
    /// connect.
    pub(crate) fn node(name: &str, redis: &str, bus: &str) -> Self {
        Self::new().store(redis).with(&format!(
            "node_id = \"{name}\"\nbus.url = \"{bus}\"\nheartbeat.interval = \"10m\"\nheartbeat.timeout = \"20m\"\n"
        ))
    }

    /// Sets the number of event loops.
    pub(crate) fn loops(self, count: u8) -> Self {
        self.with(&format!("loops = {count}\n"))
    }

    /// Sets the store: `redb` for a data file, or a URL.
    pub(crate) fn store(self, store: &str) -> Self {
        let file = format!("redb:{}", self.folder.path().join("bench.redb").display());
        let url = if store == "redb" { &file } else { store };
        self.with(&format!("store.url = \"{url}\"\n"))
    }

    /// Ends TLS on the port.
    pub(crate) fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Adds sections for declared services, whose contracts are written into the folder of the configuration file.
    pub(crate) fn services(mut self, sections: &str, write: impl FnOnce(&Path)) -> Self {
        write(self.folder.path());
        self.sections.push_str(sections);
        self
    }

    fn with(mut self, keys: &str) -> Self {
        self.keys.push_str(keys);
        self
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(mut self, programs: &Programs) -> Server {
        if !self.keys.contains("store.url") {
            self = self.store("memory");
        }
        if self.security == Security::Tls {
            let (cert, key) = ("TEST_ONLY_certificate.pem", "TEST_ONLY_key.pem");
            self = self.with(&format!("tls.cert = \"{CERTIFICATES}/{cert}\"\ntls.key = \"{CERTIFICATES}/{key}\"\n"));
        }
        fs::write(self.folder.path().join("gateway.toml"), self.keys + &self.sections).unwrap();
        let mut command = Command::new(&programs.gateway);
        command.arg("serve").current_dir(self.folder.path());
        Server::start(command, self.folder, Dialect::Gateway, self.security)
    }
}
