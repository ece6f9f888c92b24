//! A raw socket whose methods read like the protocol.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::StatusCode},
};

use crate::{Gateway, Proxy, Token, must};

/// A client without any SDK.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Connects without saying who.
    pub async fn anonymous(gateway: &Gateway) -> Self {
        Self::open(gateway, "/ws", None).await.unwrap()
    }

    /// Connects with a header and is greeted.
    pub async fn of(gateway: &Gateway, user: &str) -> Self {
        Self::with(gateway, &Token::of(user)).await
    }

    /// Connects with a header and is greeted.
    pub async fn with(gateway: &Gateway, token: &Token) -> Self {
        let mut socket = Self::open(gateway, "/ws", Some(&token.text())).await.unwrap();
        socket.expect("connected").await;
        socket
    }

    /// Opens `path`; the HTTP status when there is no upgrade.
    pub async fn open(gateway: &Gateway, path: &str, bearer: Option<&str>) -> Result<Self, StatusCode> {
        let headers: Vec<(&str, String)> =
            bearer.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
        Self::open_with(gateway, path, &headers).await
    }

    /// Opens `path` with headers; the HTTP status when there is no upgrade.
    pub async fn open_with(
        gateway: &Gateway,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Self, StatusCode> {
        let mut request = format!("ws://{}{path}", gateway.address()).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match must("the upgrade", connect_async(request)).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Connects through a proxy from an address of this machine, and is greeted; the HTTP status when there is no upgrade.
    pub async fn through(proxy: &Proxy, client: &str, user: &str) -> Result<Self, StatusCode> {
        let stream = proxy.connect_from(client.parse().unwrap()).await.unwrap();
        let mut request = format!("ws://{}/ws", proxy.address()).into_client_request().unwrap();
        let bearer = format!("Bearer {}", Token::of(user).text());
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        match must("the upgrade", client_async(request, MaybeTlsStream::Plain(stream))).await {
            Ok((stream, _)) => {
                let mut socket = Self { stream };
                socket.expect("connected").await;
                Ok(socket)
            }
            Err(Error::Http(response)) => Err(response.status()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    /// Sends a text as it is.
    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// Sends a text, unless the gateway has closed.
    pub async fn try_send_text(&mut self, text: &str) -> bool {
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// Sends any frame.
    pub async fn send_frame(&mut self, frame: Message) {
        self.stream.send(frame).await.unwrap();
    }

    /// The next message, whatever it is; none when the connection ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match must("a message", self.stream.next()).await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next message, which must be of this type.
    pub async fn expect(&mut self, type_name: &str) -> Value {
        let message = self.next().await.unwrap_or_else(|| panic!("the connection ended instead of {type_name}"));
        assert_eq!(message["type"], type_name, "{message}");
        message
    }

    /// Passes over messages until one of this type comes.
    pub async fn until(&mut self, type_name: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the connection ended before {type_name}"));
            if message["type"] == type_name {
                return message;
            }
        }
    }

    /// Sends a command and passes over messages until its reply comes.
    pub async fn ask(&mut self, mut command: Value) -> Value {
        static ASKED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = format!("ask-{}", ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        command["requestId"] = json!(id);
        self.send(command).await;
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the connection ended before a reply"));
            if message["requestId"] == *id {
                return message;
            }
        }
    }

    /// Whatever comes before the reply to a `ping`: nothing that was under way is missing.
    pub async fn drain(&mut self) -> Vec<Value> {
        self.send(json!({ "type": "ping" })).await;
        let mut messages = Vec::new();
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the connection ended before pong"));
            if message["type"] == "pong" {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Says something in a clan and waits for the confirmation.
    pub async fn chat(&mut self, clan: &str, content: &str) -> Value {
        let sent = self.ask(json!({ "type": "chat", "clanId": clan, "content": content })).await;
        assert_eq!(sent["type"], "message_sent", "{sent}");
        sent
    }

    /// Subscribes to a clan's chat and waits for the confirmation.
    pub async fn join(&mut self, clan: &str) -> Value {
        self.send(json!({ "type": "subscribe_clan_chat", "clanId": clan })).await;
        self.expect("subscription_confirmed").await
    }

    /// Passes over messages until the gateway closes; the close code, 1006 without a close frame.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match must("the close", self.stream.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Close(None))) => return 1005,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return 1006,
            }
        }
    }

    /// Closes as a client does that is done.
    pub async fn close(mut self) {
        // The gateway may have closed first.
        let _ = self.stream.close(None).await;
        while let Some(Ok(_)) = must("the end", self.stream.next()).await {}
    }

    /// Sends the beginning of a text message of `length` bytes, which has at least 64 KiB, and not the rest.
    pub async fn begin_text(&mut self, length: u64, sent: usize) {
        let mut bytes = vec![0x81, 0x80 | 127];
        bytes.extend(length.to_be_bytes());
        // A mask of zeros leaves the text as it is.
        bytes.extend([0; 4]);
        bytes.resize(bytes.len() + sent, b'x');
        must("room to send", self.stream.get_mut().write_all(&bytes)).await.unwrap();
    }

    /// The TCP stream below.
    pub fn tcp(&self) -> &TcpStream {
        match self.stream.get_ref() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("a plain stream"),
        }
    }
}

/// The `code` and the close code with which a connection ended that was never let in.
pub async fn end_of(socket: &mut Socket) -> (String, u16) {
    let error = socket.until("error").await;
    (error["code"].as_str().unwrap_or_default().to_owned(), socket.closed().await)
}
