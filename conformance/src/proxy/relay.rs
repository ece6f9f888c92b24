//! One connection through the proxy: bytes in two directions, in whole frames.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Cut, Direction, Plan};
use crate::{frame, frame::Frame, mutants::ConnectionFault};

/// The end of the head of an HTTP message.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The longest message of the mutant that accepts only short ones.
const SHORT_BYTES: usize = 32 * 1024;

/// Relays a connection until one side ends it, or it is cut.
pub(super) async fn run(client: TcpStream, address: SocketAddr, plan: Arc<Plan>) {
    let Ok(gateway) = TcpStream::connect(address).await else { return };
    // Without effect on what arrives: only later, if it fails.
    let _ = (client.set_nodelay(true), gateway.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_gateway, to_gateway) = gateway.into_split();
    let end = End::default();
    let up = Pump::new(Direction::ToGateway, (from_client, to_gateway), address, &plan, &end);
    let down = Pump::new(Direction::ToClient, (from_gateway, to_client), address, &plan, &end);
    tokio::select! {
        // The end of one direction is passed on, and the other continues until its own end.
        _ = async { tokio::join!(up.run(), down.run()) } => {}
        () = end.has_come.notified() => {}
    }
}

/// The end of a connection by a cut.
#[derive(Default)]
struct End {
    /// Set before the last bytes are written, so that the other direction passes nothing after them.
    is_near: AtomicBool,
    has_come: Notify,
}

/// One direction.
struct Pump<'a> {
    direction: Direction,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    gateway: SocketAddr,
    plan: &'a Plan,
    end: &'a End,
    buffer: Vec<u8>,
    /// Whether the head of the HTTP message has passed.
    is_upgraded: bool,
}

/// What follows a chunk.
enum Next {
    Read,
    Cut,
    /// Nothing more passes, and the end of the connection is not passed on.
    Silence,
}

impl<'a> Pump<'a> {
    fn new(
        direction: Direction,
        (from, to): (OwnedReadHalf, OwnedWriteHalf),
        gateway: SocketAddr,
        plan: &'a Plan,
        end: &'a End,
    ) -> Self {
        Self { direction, from, to, gateway, plan, end, buffer: Vec::new(), is_upgraded: false }
    }

    async fn run(mut self) {
        loop {
            self.flows().await;
            match self.from.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            self.flows().await;
            let mut out = Vec::new();
            let next = self.pass(&mut out).await;
            if self.end.is_near.load(Ordering::Relaxed) {
                // The other direction was cut first.
                return;
            }
            if matches!(next, Next::Cut) {
                self.end.is_near.store(true, Ordering::Relaxed);
            }
            if self.to.write_all(&out).await.is_err() {
                break;
            }
            match next {
                Next::Read => {}
                Next::Cut => {
                    let _ = self.to.shutdown().await;
                    self.plan.has_cut();
                    return self.end.has_come.notify_one();
                }
                Next::Silence => std::future::pending().await,
            }
        }
        // The other side notices it, or has ended itself.
        let _ = self.to.shutdown().await;
    }

    /// Waits while the scenario holds this direction.
    async fn flows(&self) {
        if self.direction == Direction::ToGateway || self.plan.tampering.does(ConnectionFault::BlocksOnWriting) {
            self.plan.flows().await;
        }
    }

    /// Moves what can pass to `out`.
    async fn pass(&mut self, out: &mut Vec<u8>) -> Next {
        if !self.is_upgraded && !self.pass_head(out) {
            return Next::Read;
        }
        if !self.is_upgraded {
            return Next::Cut;
        }
        loop {
            match Frame::take(&mut self.buffer) {
                Ok(Some(frame)) => {
                    let next = self.pass_frame(&frame, out).await;
                    if !matches!(next, Next::Read) {
                        return next;
                    }
                }
                Ok(None) => return Next::Read,
                Err(_) => {
                    // The side that receives it has to judge it.
                    out.append(&mut self.buffer);
                    return Next::Read;
                }
            }
        }
    }

    /// Passes the head of the HTTP message. Returns false if the rest of it has yet to arrive. It stays not upgraded if a
    /// mutant hides a refusal.
    fn pass_head(&mut self, out: &mut Vec<u8>) -> bool {
        let end = self.buffer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
        let Some(end) = end else { return false };
        let head: Vec<u8> = self.buffer.drain(..end + END_OF_HEAD.len()).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let does = |fault| self.plan.tampering.does(fault);
        if self.direction == Direction::ToClient {
            if !head.starts_with("HTTP/1.1 101") && does(ConnectionFault::HidesRefusal) {
                return true;
            }
            out.extend(head.into_bytes());
        } else {
            let no_subprotocol = does(ConnectionFault::OffersNoSubprotocol);
            let is_kept =
                |line: &&str| !(no_subprotocol && line.to_ascii_lowercase().starts_with("sec-websocket-protocol"));
            let mut lines: Vec<_> = head.trim_end().split("\r\n").filter(is_kept).collect();
            if does(ConnectionFault::OffersCompression) {
                lines.push("Sec-WebSocket-Extensions: permessage-deflate");
            }
            out.extend(lines.join("\r\n").into_bytes());
            out.extend(END_OF_HEAD);
        }
        self.is_upgraded = true;
        true
    }

    async fn pass_frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Next {
        let does = |fault| self.plan.tampering.does(fault);
        let is_close = frame.close_code().is_some();
        match self.direction {
            Direction::ToGateway if is_close && does(ConnectionFault::ClosesSlowly) => return Next::Silence,
            Direction::ToGateway
                if frame.opcode == OpCode::Control(Control::Pong) && does(ConnectionFault::AnswersNoPing) =>
            {
                return Next::Read;
            }
            Direction::ToClient if does(ConnectionFault::ReadsShortMessages) && frame.payload.len() > SHORT_BYTES => {
                return Next::Cut;
            }
            Direction::ToClient if does(ConnectionFault::IgnoresFragments) && is_fragment(frame) => return Next::Read,
            Direction::ToClient if is_close && does(ConnectionFault::DropsTheLastFrames) => out.clear(),
            Direction::ToClient if is_close && does(ConnectionFault::ReturnsAtOnce) => {
                if let Ok(twin) = TcpStream::connect(self.gateway).await {
                    self.plan.keep(twin);
                }
            }
            _ => {}
        }
        let Some(text) = frame.text() else {
            out.extend(&frame.bytes);
            return Next::Read;
        };
        let message: Option<Value> = serde_json::from_str(text).ok();
        let cut = if checks(message.as_ref()) { None } else { self.plan.passes(self.direction) };
        match cut {
            Some(Cut::Before) => return Next::Cut,
            Some(Cut::Within) => {
                out.extend(frame.bytes.iter().take(frame.bytes.len() / 2));
                return Next::Cut;
            }
            _ => {}
        }
        self.pass_message(frame, message, out);
        if cut.is_some() { Next::Cut } else { Next::Read }
    }

    /// Passes a message on as it is, or as a mutant makes it.
    fn pass_message(&self, frame: &Frame, message: Option<Value>, out: &mut Vec<u8>) {
        let Some(message) = message else { return out.extend(&frame.bytes) };
        let altered = match self.direction {
            Direction::ToGateway => self.plan.tampering.sent(message.clone()),
            Direction::ToClient => self.plan.tampering.received(message.clone()),
        };
        if altered == [message] {
            return out.extend(&frame.bytes);
        }
        for message in altered {
            let text = message.to_string();
            out.extend(match self.direction {
                Direction::ToGateway => frame::masked_text(&text),
                Direction::ToClient => frame::text(&text),
            });
        }
    }
}

/// Returns whether a message checks the connection. Such messages come at any time, so they do not count.
fn checks(message: Option<&Value>) -> bool {
    message.is_some_and(|message| message["type"] == "ping" || message["type"] == "pong")
}

fn is_fragment(frame: &Frame) -> bool {
    frame.opcode == OpCode::Data(Data::Continue) || (frame.opcode == OpCode::Data(Data::Text) && !frame.is_final)
}
