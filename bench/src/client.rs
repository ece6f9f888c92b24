//! An asynchronous client of the gateway or of Centrifugo: it connects, subscribes, and counts the frames it receives.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    frames::{Counter, text},
    generator::Dialect,
    server::Server,
};

/// A connection to one of the servers.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) counter: Counter,
    room: String,
    dialect: Dialect,
}

impl Client {
    /// Connects and upgrades to a WebSocket, without subscribing.
    pub(crate) async fn connect(server: &Server, token: &str, room: &str) -> Self {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let path = match server.dialect {
            Dialect::Centrifugo => "/connection/websocket",
            _ => "/ws",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::with_capacity(1024);
        while !answer.ends_with(b"\r\n\r\n") {
            // Reading single bytes leaves the frames after the response in the socket.
            let byte = stream.read_u8().await.expect("an upgrade");
            answer.push(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { stream, counter: Counter::default(), room: room.to_owned(), dialect: server.dialect }
    }

    /// Connects, and waits until messages may be sent.
    pub(crate) async fn greeted(server: &Server, token: &str, room: &str) -> Self {
        let mut client = Self::connect(server, token, room).await;
        match server.dialect {
            Dialect::Centrifugo => client.request(r#"{"id":1,"connect":{}}"#).await,
            // `connected`.
            _ => client.receive(1).await,
        }
        client
    }

    /// Connects and subscribes.
    pub(crate) async fn subscribed(server: &Server, token: &str, room: &str) -> Self {
        let mut client = Self::greeted(server, token, room).await;
        let command = match server.dialect {
            Dialect::Centrifugo => format!(r#"{{"id":2,"subscribe":{{"channel":"{room}"}}}}"#),
            _ => format!(r#"{{"type":"subscribe_clan_chat","clanId":"{room}"}}"#),
        };
        client.request(&command).await;
        client
    }

    /// Subscribes to a topic of a declared service.
    pub(crate) async fn subscribe_topic(&mut self, service: &str, topic: &str) {
        self.request(&format!(r#"{{"type":"subscribe","service":"{service}","topic":"{topic}"}}"#)).await;
    }

    /// Sends encoded frames.
    pub(crate) async fn send(&mut self, frames: &[u8]) {
        self.stream.write_all(frames).await.unwrap();
    }

    /// Sends a command and waits for the next frame, which is its reply.
    async fn request(&mut self, command: &str) {
        self.stream.write_all(&text(command)).await.unwrap();
        self.receive(1).await;
    }

    /// Subscribes to a room and recovers all its messages.
    pub(crate) async fn recover(&mut self, room: &str, epoch: &str) {
        let recover = format!(r#"{{"offset":0,"epoch":"{epoch}"}}"#);
        let command = format!(r#"{{"type":"subscribe_clan_chat","clanId":"{room}","recover":{recover}}}"#);
        self.stream.write_all(&text(&command)).await.unwrap();
    }

    /// Sends a message of 128 bytes to the client's room.
    pub(crate) async fn send_chat(&mut self) {
        let frame = self.chat_frame();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Encodes a message of 128 bytes for the client's room.
    pub(crate) fn chat_frame(&self) -> Vec<u8> {
        self.frame_of(&"x".repeat(128))
    }

    /// Encodes a message whose frame has this length, for the client's room.
    pub(crate) fn frame_of_length(&self, length: usize) -> Vec<u8> {
        let frame = |content| self.frame_of(&"x".repeat(content));
        // The header has the same length for both: that of a payload of 126 bytes to 64 KiB.
        let shortest = frame(128);
        frame(length + 128 - shortest.len())
    }

    /// Encodes a message with this content, which needs no escapes, for the client's room.
    pub(crate) fn frame_of(&self, content: &str) -> Vec<u8> {
        let room = &self.room;
        match self.dialect {
            Dialect::Centrifugo => {
                text(&format!(r#"{{"id":3,"publish":{{"channel":"{room}","data":{{"m":"{content}"}}}}}}"#))
            }
            _ => text(&format!(r#"{{"type":"chat","clanId":"{room}","content":"{content}"}}"#)),
        }
    }

    /// Waits until `more` more text frames have been received.
    pub(crate) async fn receive(&mut self, more: u64) {
        let until = self.counter.count + more;
        let mut buffer = vec![0; 16 * 1024];
        let mut before = 0;
        while self.counter.count < until {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&buffer[..before]));
            before = read;
            self.counter.feed(&buffer[..read]);
        }
    }
}
