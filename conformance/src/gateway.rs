//! The scripted gateway: a WebSocket server that does what a scenario says, to the byte.

pub(crate) mod answers;
mod peer;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) use peer::{Offers, Peer, Received};

use crate::failure::{Step, check, red};

/// The subprotocol of the gateway.
pub(crate) const SUBPROTOCOL: &str = "gateway.v1.json";
/// The longest head of an upgrade request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A gateway for one scenario.
pub(crate) struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    /// How long the scenario waits for the client.
    limit: Duration,
}

impl Gateway {
    /// Starts a gateway.
    pub(crate) async fn start(limit: Duration) -> Step<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| red(format_args!("no port: {error}")))?;
        let address = listener.local_addr().map_err(|error| red(format_args!("no port: {error}")))?;
        Ok(Self { listener, address, limit })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts the next connection, and upgrades it.
    pub(crate) async fn accept(&self) -> Step<Peer> {
        let (mut socket, head) = self.request().await?;
        let key = header(&head, "sec-websocket-key").ok_or_else(|| red("the upgrade has no Sec-WebSocket-Key"))?;
        let offered = header(&head, "sec-websocket-protocol").unwrap_or_default();
        // A client that offers none gets this one too.
        let offers = offered.split(',').any(|offer| offer.trim() == SUBPROTOCOL);
        let chosen = if offers { format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n") } else { String::new() };
        let extensions = header(&head, "sec-websocket-extensions").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             {chosen}Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        socket
            .write_all(response.as_bytes())
            .await
            .map_err(|error| red(format_args!("the client is gone: {error}")))?;
        Ok(Peer::new(socket, Offers { subprotocols: offered, extensions }, self.limit))
    }

    /// Answers the next upgrade with this status, and these headers.
    pub(crate) async fn refuse(&self, status: u16, headers: &str) -> Step {
        let (mut socket, _) = self.request().await?;
        let response = format!("HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n");
        // A client that is gone is noticed by its state.
        let _ = socket.write_all(response.as_bytes()).await;
        let _ = socket.shutdown().await;
        Ok(())
    }

    /// Ends the next connection before it answers the upgrade.
    pub(crate) async fn hang_up(&self) -> Step {
        self.request().await.map(drop)
    }

    /// Checks that the client opens no connection for this time.
    pub(crate) async fn stays_alone(&self, time: Duration) -> Step {
        match timeout(time, self.listener.accept()).await {
            Err(_) => Ok(()),
            Ok(_) => Err(red("the client opens a connection that it should not open")),
        }
    }

    /// Accepts the next connection, and reads its upgrade request.
    async fn request(&self) -> Step<(TcpStream, String)> {
        let accept = async {
            let (mut socket, _) = self.listener.accept().await.map_err(|error| red(format_args!("accept: {error}")))?;
            // Only affects how fast frames arrive.
            let _ = socket.set_nodelay(true);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let count = socket.read_buf(&mut head).await.unwrap_or(0);
                check(count > 0 && head.len() < MAX_HEAD_BYTES, || "the upgrade request is incomplete".to_owned())?;
            }
            Ok((socket, String::from_utf8_lossy(&head).into_owned()))
        };
        let limit = self.limit;
        let late = || Err(red(format_args!("waited {limit:?} for a connection of the client")));
        timeout(limit, accept).await.unwrap_or_else(|_| late())
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let values = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = values.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    values.next()
}
