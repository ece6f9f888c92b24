//! The upgrade to a WebSocket (RFC 6455, section 4.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What the key of the client is hashed with (section 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest request.
const MAX_REQUEST: usize = 8 * 1024;

/// Answers the request, and returns its path. Returns `None` if it is no upgrade.
pub(super) async fn accept(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::with_capacity(1024);
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut request).await.ok()?;
        if read == 0 || request.len() > MAX_REQUEST {
            return None;
        }
    }
    let request = String::from_utf8_lossy(&request);
    let (path, response) = answer(&request)?;
    stream.write_all(response.as_bytes()).await.ok()?;
    Some(path.to_owned())
}

fn answer(request: &str) -> Option<(&str, String)> {
    let path = request.split(' ').nth(1)?;
    let headers = request.lines().filter_map(|line| line.split_once(':'));
    let mut keys = headers.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let (_, key) = keys.next()?;
    let accept = STANDARD.encode(Sha1::digest(format!("{}{MAGIC}", key.trim())));
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    Some((path, format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_the_example_of_the_specification() {
        let request = "GET /pub HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (path, response) = answer(request).expect("an upgrade");
        assert_eq!(path, "/pub");
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{response}");
        assert!(answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_none());
    }
}
