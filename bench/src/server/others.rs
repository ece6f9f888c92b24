//! The servers that the gateway is compared with.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use clap::ValueEnum as _;
use realtime_gateway_brokers::ReservedPort;
use serde_json::{Value, json};

use super::{CERTIFICATES, Security, Server};
use crate::{FLOOR, floor::Writes, generator::Dialect};

/// The server in JavaScript.
const UWEBSOCKETS: &str = include_str!("../../uwebsockets/server.js");

impl Server {
    /// Starts the floor, which is this program with `--floor`.
    pub(crate) fn floor(writes: Writes) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let value = writes.to_possible_value().expect("no value is hidden");
        command.arg(FLOOR).arg(value.get_name());
        Self::start(command, tempfile::tempdir().unwrap(), Dialect::Floor, Security::Plain)
    }

    /// Starts uWebSockets.js in Node.js with the packages of a folder.
    pub(crate) fn uwebsockets(packages: &Path, security: Security) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("server.js");
        fs::write(&program, UWEBSOCKETS).unwrap();
        let mut command = Command::new("node");
        command.arg(program).env("NODE_PATH", packages.join("node_modules"));
        if security == Security::Tls {
            let file = |name: &str| format!("{CERTIFICATES}/TEST_ONLY_{name}.pem");
            command.args([file("certificate"), file("key")]);
        }
        Self::start(command, folder, Dialect::PlainGateway, security)
    }

    /// Starts Centrifugo without authentication, without pings, and without a history.
    pub(crate) fn centrifugo(program: &Path) -> Self {
        Self::configured_centrifugo(program, json!({}), json!({}))
    }

    /// Starts Centrifugo as one of several nodes, with a history as long as the gateway's.
    pub(crate) fn centrifugo_node(program: &Path, redis: &str) -> Self {
        let engine = json!({ "engine": { "type": "redis", "redis": { "address": redis } } });
        let history = json!({ "history_size": 1000, "history_ttl": "300s" });
        Self::configured_centrifugo(program, engine, history)
    }

    fn configured_centrifugo(program: &Path, mut config: Value, mut channel: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for permission in
            ["publish_for_client", "subscribe_for_client", "publish_for_anonymous", "subscribe_for_anonymous"]
        {
            channel[format!("allow_{permission}")] = json!(true);
        }
        config["log"] = json!({ "level": "error" });
        config["client"] =
            json!({ "insecure": true, "allowed_origins": ["*"], "concurrency": 0, "ping_interval": "10m" });
        config["channel"] = json!({ "without_namespace": channel });
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let port = ReservedPort::take();
        let mut command = Command::new(program);
        command.arg("--config=config.json").current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("CENTRIFUGO_HTTP_SERVER_ADDRESS", "127.0.0.1");
        command.env("CENTRIFUGO_HTTP_SERVER_PORT", port.number().to_string());
        let child = command.spawn().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let server = Self { child, address, dialect: Dialect::Centrifugo, security: Security::Plain, _folder: folder };
        server.wait_until(|| TcpStream::connect(&server.address).is_ok());
        server
    }
}
