//! A client socket on which a test controls every byte.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// The request headers of the example handshake in RFC 6455, section 1.3.
pub(crate) const HANDSHAKE: &str = "Host: gateway.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A socket with a read buffer.
pub(crate) struct RawSocket<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (its_name, value) = line.split_once(':')?;
            its_name.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns the `code` of a problem document.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// Waits for a future that must complete within 20 s.
async fn in_time<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), event).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

impl RawSocket {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects with a small receive buffer, so that writes of the server soon block.
    pub(crate) async fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawSocket<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time("room to send", self.stream.write_all(bytes.as_ref())).await.unwrap();
        in_time("room to send", self.stream.flush()).await.unwrap();
    }

    /// Sends a request with these headers and returns the response.
    pub(crate) async fn send_request(&mut self, method: &str, target: &str, headers: &str) -> HttpResponse {
        self.send(format!("{method} {target} HTTP/1.1\r\n{headers}\r\n")).await;
        self.response().await
    }

    /// Sends a WebSocket handshake, which must succeed.
    pub(crate) async fn upgrade(&mut self) {
        let response = self.send_request("GET", "/ws", HANDSHAKE).await;
        assert_eq!(response.status, 101, "{response:?}");
    }

    pub(crate) async fn response(&mut self) -> HttpResponse {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_more().await, "closed instead of a response");
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut response = HttpResponse { status: head[9..12].parse().unwrap(), head, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            assert!(self.read_more().await, "closed within a response");
        }
        response.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        response
    }

    /// Reads more bytes; returns false at the end of the stream.
    pub(crate) async fn read_more(&mut self) -> bool {
        in_time("more bytes", self.stream.read_buf(&mut self.read)).await.unwrap() > 0
    }

    /// Returns whether the unprocessed input contains these bytes.
    pub(crate) fn has_read(&self, bytes: &[u8]) -> bool {
        self.read.windows(bytes.len()).any(|window| window == bytes)
    }

    /// Returns the first byte and the payload of the next frame.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some((first, start, end)) = complete_frame(&self.read) {
                let bytes: Vec<u8> = self.read.drain(..end).collect();
                return (first, bytes[start..].to_vec());
            }
            assert!(self.read_more().await, "closed without a close frame");
        }
    }

    /// Returns the next frame, which must be a text frame.
    pub(crate) async fn text(&mut self) -> String {
        let (first, payload) = self.frame().await;
        assert_eq!(first, 0x81, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// Returns the code of the close frame, which must be the last one, and skips frames before it.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame().await;
            if first == 0x88 {
                assert!(self.read.is_empty(), "data follows the close frame");
                return payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
            }
        }
    }

    /// Waits until the server closes the socket without sending more bytes.
    pub(crate) async fn wait_for_eof(&mut self) {
        while self.read_more().await {}
        assert!(self.read.is_empty(), "{:?}", String::from_utf8_lossy(&self.read));
    }
}

/// Returns the first byte of the first frame and the range of its payload, once the frame is complete.
fn complete_frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()).into()),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())).unwrap()),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= start + length).then(|| (bytes[0], start, start + length))
}

/// Encodes a masked frame.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Encodes a masked text frame.
pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(0x81, text)
}
