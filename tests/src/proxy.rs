//! A real nginx or HAProxy in front of gateways, configured as `deploy/` says.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
};

use realtime_gateway_brokers::ReservedPort;
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{Gateway, eventually};

/// A proxy in a process of its own, ended when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    _child: Child,
    _dir: TempDir,
    port: ReservedPort,
}

impl Proxy {
    /// nginx with `deploy/nginx/gateway.conf`, but for the addresses and TLS.
    pub async fn nginx(gateways: &[&Gateway]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), ReservedPort::take());
        let address = address_of(&port);
        let path = |name: &str| dir.path().join(name).display().to_string();
        let servers = gateways.iter().map(|gateway| format!("server {} max_fails=0;\n", gateway.address()));
        let site = replaced(
            &sample("nginx/gateway.conf"),
            &[
                ("server 127.0.0.1:4000 max_fails=0;", &servers.collect::<String>()),
                ("listen 443 ssl;", &format!("listen {address};")),
                ("/etc/ssl/gateway/fullchain.pem", &certificate("TEST_ONLY_certificate.pem")),
                ("/etc/ssl/gateway/privkey.pem", &certificate("TEST_ONLY_key.pem")),
            ],
        );
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        // One process, so that no worker is left behind when it is killed.
        let text = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr warn;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{site}}}\n",
            path("pid")
        );
        let config = dir.path().join("nginx.conf");
        std::fs::write(&config, text).unwrap();
        let mut nginx = program("nginx");
        nginx.args(["-e", "stderr", "-p"]).arg(dir.path()).arg("-c").arg(config);
        Self::start(nginx, dir, port).await
    }

    /// HAProxy with `deploy/haproxy/haproxy.cfg`, but for the addresses and TLS.
    pub async fn haproxy(gateways: &[&Gateway]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), ReservedPort::take());
        let address = address_of(&port);
        let servers = gateways.iter().zip(1..).map(|(it, index)| format!("server node{index} {}\n", it.address()));
        let text = replaced(
            &sample("haproxy/haproxy.cfg"),
            &[
                ("server node1 127.0.0.1:4000", &servers.collect::<String>()),
                ("bind :443 ssl crt /etc/haproxy/gateway.pem alpn http/1.1", &format!("bind {address}")),
                ("maxconn 50000", "maxconn 1000"),
            ],
        );
        let config = dir.path().join("haproxy.cfg");
        std::fs::write(&config, text).unwrap();
        let mut haproxy = program("haproxy");
        haproxy.arg("-db").arg("-f").arg(config);
        Self::start(haproxy, dir, port).await
    }

    async fn start(mut command: Command, dir: TempDir, port: ReservedPort) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test --setup` installs it"));
        let address = address_of(&port);
        eventually("the proxy's start", || async { TcpStream::connect(address).await.is_ok() }).await;
        Self { _child: child, _dir: dir, port }
    }

    /// `host:port`.
    pub fn address(&self) -> SocketAddr {
        address_of(&self.port)
    }

    /// A connection that comes from another address of this machine than the proxy's own, such as 127.0.0.2.
    pub async fn connect_from(&self, client: IpAddr) -> std::io::Result<TcpStream> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind((client, 0).into())?;
        socket.connect(self.address()).await
    }
}

/// A program that Debian keeps where only administrators look.
fn program(name: &str) -> Command {
    let administrators = Path::new("/usr/sbin").join(name);
    Command::new(if administrators.exists() { administrators } else { PathBuf::from(name) })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sample(path: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(path)).unwrap()
}

fn certificate(name: &str) -> String {
    root().join("server/tests/sockets/certificate").join(name).canonicalize().unwrap().display().to_string()
}

/// A sample with what is different on this machine.
fn replaced(sample: &str, differences: &[(&str, &str)]) -> String {
    differences.iter().fold(sample.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the sample no longer has {from}");
        text.replace(from, to)
    })
}

fn address_of(port: &ReservedPort) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port.number()).into()
}
