//! A gateway made of a bare WebSocket that the test scripts.

use futures_util::{SinkExt, StreamExt};
use realtime_gateway_sdk::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderValue,
        protocol::CloseFrame,
    },
};

/// A port that clients may connect to.
pub(crate) struct Gateway {
    pub(crate) listener: TcpListener,
    port: u16,
}

/// One connection, from the gateway's side.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(format!("ws://127.0.0.1:{}/ws", self.port)).token(|| async { Ok::<_, String>("a token") })
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (socket, _) = self.listener.accept().await.unwrap();
        Peer { socket: tokio_tungstenite::accept_hdr_async(socket, choose_subprotocol).await.unwrap() }
    }

    /// Accepts a connection and its identity; returns the `authenticate` command too.
    pub(crate) async fn greet(&self) -> (Peer, Value) {
        let mut peer = self.accept().await;
        let authenticate = peer.receive("authenticate").await;
        peer.answer(&authenticate, connected()).await;
        (peer, authenticate)
    }
}

/// Chooses the subprotocol, which every client has to offer.
#[expect(clippy::result_large_err, reason = "the signature is that of the WebSocket library")]
fn choose_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.headers()["sec-websocket-protocol"], "gateway.v1.json");
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("gateway.v1.json"));
    Ok(response)
}

pub(crate) fn connected() -> Value {
    json!({
        "type": "connected", "userId": "me", "message": "Connected to WebSocket Gateway", "sessionId": "s1",
        "protocolVersion": 1, "features": [], "services": ["notifications", "clan_chat"],
        "expiresAt": "2026-01-31T13:00:00.000Z", "serverTime": "2026-01-31T12:00:00.000Z",
        "heartbeatIntervalMs": 25_000, "maxMessageBytes": 65_536,
        "limits": {"messagesPerSecond": 1_000, "burst": 1_000, "subscriptions": 100},
    })
}

pub(crate) fn chat(offset: u64) -> Value {
    json!({
        "type": "chat", "userId": "u", "content": format!("c{offset}"), "clanId": "c", "messageId": format!("m{offset}"),
        "messageType": "TEXT", "sentAt": "2026-01-31T12:00:00.000Z", "offset": offset,
    })
}

impl Peer {
    /// The next command, which must be of this type.
    pub(crate) async fn receive(&mut self, type_name: &str) -> Value {
        loop {
            match self.socket.next().await.expect("the client stays").unwrap() {
                Message::Text(text) => {
                    let command: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(command["type"], type_name);
                    return command;
                }
                Message::Close(frame) => panic!("closed with {frame:?}"),
                _ => {}
            }
        }
    }

    /// The code that the client closes with.
    pub(crate) async fn receive_close(&mut self) -> u16 {
        loop {
            match self.socket.next().await.expect("a close frame comes first").unwrap() {
                Message::Close(frame) => return frame.unwrap().code.into(),
                Message::Text(text) => panic!("still sends {text}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Answers a command.
    pub(crate) async fn answer(&mut self, command: &Value, mut message: Value) {
        message["requestId"] = command["requestId"].clone();
        self.send(message).await;
    }

    /// Receives a subscription to the clan `c` and confirms it.
    pub(crate) async fn confirm(&mut self, offset: u64, recovered: bool) -> Value {
        let command = self.receive("subscribe_clan_chat").await;
        let confirmed = json!({
            "type": "subscription_confirmed", "service": "clan_chat", "status": "subscribed", "clanId": "c",
            "offset": offset, "epoch": "e", "recovered": recovered,
        });
        self.answer(&command, confirmed).await;
        command
    }

    pub(crate) async fn close(mut self, code: u16) {
        self.socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
