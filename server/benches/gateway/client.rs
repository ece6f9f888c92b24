//! A client of either server: connects, says who it is, subscribes, and counts what it gets.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header, encode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    frames::{Counter, text},
    server::{SECRET, Server},
};

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) counter: Counter,
    room: String,
    is_ours: bool,
}

/// A token of a user.
pub(crate) fn token(user: &str) -> String {
    let exp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(3600);
    let claims = serde_json::json!({ "sub": user, "clans": ["*"], "exp": exp.as_secs() });
    gateway::crypto::install();
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

impl Client {
    /// Connects and upgrades, and does not subscribe.
    pub(crate) async fn connect(server: &Server, token: &str, room: &str) -> Self {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /ws?room={room} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::with_capacity(1024);
        while !answer.ends_with(b"\r\n\r\n") {
            // One byte at a time, so that no frame is taken that belongs to what follows.
            let byte = stream.read_u8().await.expect("an upgrade");
            answer.push(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { stream, counter: Counter::default(), room: room.to_owned(), is_ours: server.is_ours }
    }

    /// Connects, and subscribes where there is something to subscribe to.
    pub(crate) async fn subscribed(server: &Server, token: &str, room: &str) -> Self {
        let mut client = Self::connect(server, token, room).await;
        if server.is_ours {
            let command = format!(r#"{{"type":"subscribe_clan_chat","clanId":"{room}"}}"#);
            client.stream.write_all(&text(&command)).await.unwrap();
            // The greeting and the confirmation.
            client.receive(2).await;
        }
        client
    }

    /// Subscribes to a room with all that was said in it.
    pub(crate) async fn recover(&mut self, room: &str, epoch: &str) {
        let recover = format!(r#"{{"offset":0,"epoch":"{epoch}"}}"#);
        let command = format!(r#"{{"type":"subscribe_clan_chat","clanId":"{room}","recover":{recover}}}"#);
        self.stream.write_all(&text(&command)).await.unwrap();
    }

    /// Says something of 128 bytes in its room.
    pub(crate) async fn say(&mut self) {
        let frame = self.saying();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The frame that says something of 128 bytes in its room.
    pub(crate) fn saying(&self) -> Vec<u8> {
        let content = "x".repeat(128);
        match self.is_ours {
            true => text(&format!(r#"{{"type":"chat","clanId":"{}","content":"{content}"}}"#, self.room)),
            false => text(&content),
        }
    }

    /// Waits until so many more frames have come.
    pub(crate) async fn receive(&mut self, more: u64) {
        let until = self.counter.count + more;
        let mut buffer = vec![0; 16 * 1024];
        while self.counter.count < until {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            self.counter.feed(&buffer[..read]);
        }
    }
}
