//! One connection of the client, from the side of the gateway.

use std::time::Duration;

use realtime_gateway_protocol::decode_client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

use super::answers;
use crate::{
    failure::{Step, check, red},
    frame::{self, Frame},
    lines::short,
};

/// How long the gateway waits for the answer to a close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// One connection.
pub(crate) struct Peer {
    socket: TcpStream,
    buffer: Vec<u8>,
    limit: Duration,
    /// Whether `ping` is answered without being mentioned.
    answers_pings: bool,
    has_authenticated: bool,
    pub(crate) offers: Offers,
}

/// What a client offers with its upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) subprotocols: String,
    pub(crate) extensions: String,
}

/// What a client does on its connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Received {
    /// It sends a message.
    Message(Value),
    /// It answers a WebSocket ping, with this payload.
    Pong(String),
    /// It sends a close frame with this code.
    Close(u16),
    /// It ends the connection.
    End,
}

impl Peer {
    pub(super) fn new(socket: TcpStream, offers: Offers, limit: Duration) -> Self {
        Self { socket, buffer: Vec::new(), limit, answers_pings: true, has_authenticated: false, offers }
    }

    /// Lets the scenario see and answer `ping` itself.
    pub(crate) fn leave_pings(&mut self) {
        self.answers_pings = false;
    }

    /// Waits for the next event of the client.
    pub(crate) async fn next(&mut self, what: &str) -> Step<Received> {
        let limit = self.limit;
        match timeout(limit, self.received()).await {
            Ok(received) => received,
            Err(_) => Err(red(format_args!("waited {limit:?} for {what} of the client"))),
        }
    }

    /// Waits for the next message of the client, which has to be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Step<Value> {
        self.expect_one_of(&[kind]).await
    }

    /// Waits for the next message of the client, which has to be of one of these types.
    pub(crate) async fn expect_one_of(&mut self, kinds: &[&str]) -> Step<Value> {
        let expected = format!("`{}`", kinds.join("` or `"));
        match self.next(&expected).await? {
            Received::Message(message) if kinds.iter().any(|kind| message["type"] == *kind) => Ok(message),
            Received::Message(message) => {
                Err(red(format_args!("the client sends {} instead of {expected}", short(&message.to_string()))))
            }
            other => Err(red(format_args!("the client does {other:?} instead of sending {expected}"))),
        }
    }

    /// Waits for messages of these types, in any order. Returns them in the order of the types.
    pub(crate) async fn expect_all(&mut self, kinds: &[&str]) -> Step<Vec<Value>> {
        let mut found: Vec<Option<Value>> = vec![None; kinds.len()];
        for _ in kinds {
            let what = format!("messages of the types {kinds:?}");
            let Received::Message(message) = self.next(&what).await? else {
                return Err(red(format_args!("the client ends the connection instead of sending {what}")));
            };
            let mut places = kinds.iter().zip(found.iter_mut());
            let place = places.find(|(kind, place)| message["type"] == **kind && place.is_none());
            let (_, place) = place.ok_or_else(|| {
                red(format_args!("the client sends {} instead of one of {kinds:?}", short(&message.to_string())))
            })?;
            *place = Some(message);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Waits until the client closes the connection with this code, and answers its close frame.
    pub(crate) async fn expect_close(&mut self, code: u16) -> Step {
        let received = self.next("a close frame").await?;
        check(received == Received::Close(code), || {
            format!("the client does {received:?} instead of closing with {code}")
        })?;
        self.write(&frame::close(code)).await;
        let _ = self.socket.shutdown().await;
        Ok(())
    }

    /// Waits for the end of the connection.
    pub(crate) async fn expect_end(&mut self) -> Step {
        let received = self.next("the end of the connection").await?;
        check(received == Received::End, || format!("the client does {received:?} instead of ending the connection"))
    }

    /// Waits for `authenticate` and answers it with the greeting. Returns the command.
    pub(crate) async fn greet(&mut self) -> Step<Value> {
        self.greet_with(&json!({})).await
    }

    /// Greets with some fields of the greeting replaced.
    pub(crate) async fn greet_with(&mut self, fields: &Value) -> Step<Value> {
        let authenticate = self.expect("authenticate").await?;
        let mut greeting = answers::greeting();
        answers::merge(&mut greeting, fields);
        self.reply(&authenticate, &greeting).await;
        Ok(authenticate)
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.write(&frame::text(&message.to_string())).await;
    }

    /// Answers a command: the message gets its `requestId`.
    pub(crate) async fn reply(&mut self, command: &Value, message: &Value) {
        let mut reply = message.clone();
        reply["requestId"] = command["requestId"].clone();
        self.send(&reply).await;
    }

    /// Sends a close frame, and ends the connection when the client has answered it, or after two seconds.
    pub(crate) async fn close(&mut self, code: u16) {
        self.write(&frame::close(code)).await;
        self.finish().await;
    }

    /// Ends the connection when the client has answered a close frame, or after two seconds: a server is the first to end it.
    pub(crate) async fn finish(&mut self) {
        let answered =
            async { while !matches!(self.received().await, Ok(Received::Close(_) | Received::End) | Err(_)) {} };
        // What a client does that does not answer shows by its state.
        let _ = timeout(CLOSE_LIMIT, answered).await;
        let _ = self.socket.shutdown().await;
    }

    /// Writes bytes. That a client is gone shows where the scenario waits for it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Waits for the next event of the client, without a time limit. Nothing is lost if this future is dropped.
    pub(crate) async fn received(&mut self) -> Step<Received> {
        loop {
            let Some(frame) = self.frame().await? else { return Ok(Received::End) };
            check(frame.is_masked, || "the client sends a frame that is not masked".to_owned())?;
            check(!frame.is_compressed, || "the client sends a compressed frame".to_owned())?;
            if let Some(code) = frame.close_code() {
                return Ok(Received::Close(code));
            }
            match frame.opcode {
                OpCode::Control(Control::Pong) => {
                    return Ok(Received::Pong(String::from_utf8_lossy(&frame.payload).into_owned()));
                }
                OpCode::Control(_) => {}
                OpCode::Data(_) => {
                    let message = self.message(&frame)?;
                    if self.answers_pings && message["type"] == "ping" {
                        self.reply(&message, &answers::pong()).await;
                        continue;
                    }
                    return Ok(Received::Message(message));
                }
            }
        }
    }

    /// Reads a message, and checks it against the protocol.
    fn message(&mut self, frame: &Frame) -> Step<Value> {
        let text = frame.text().ok_or_else(|| red("the client sends a frame that is no whole text message"))?;
        let message: Value = serde_json::from_str(text)
            .map_err(|error| red(format_args!("the client sends {}, which is no JSON: {error}", short(text))))?;
        if let Err(refusal) = decode_client(text)
            // A command that a later version may know.
            && refusal.error.code().as_str() != "unknown_type"
        {
            return Err(red(format_args!("the client sends {}: {}", short(text), refusal.error.sentence())));
        }
        let authenticates = message["type"] == "authenticate";
        check(self.has_authenticated || authenticates, || format!("the first message is {}", short(text)))?;
        self.has_authenticated |= authenticates;
        Ok(message)
    }

    /// Returns the next frame, or `None` at the end of the connection.
    async fn frame(&mut self) -> Step<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            match self.socket.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}
