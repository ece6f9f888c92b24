//! The HTTP that the example backend needs: one request for each connection, and JSON bodies.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// The time limit for a read or a write.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that is read.
const MAX_BODY: u64 = 1024 * 1024;

/// A response: the status and the body.
pub(super) struct Answer(pub(super) u16, pub(super) Value);

/// Reads the body of a request, and answers it.
///
/// # Errors
/// If the connection fails, or the request has no JSON body.
pub(super) fn answer(mut socket: TcpStream, handle: impl FnOnce(&Value) -> Answer) -> io::Result<()> {
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    let Answer(status, body) = handle(&read(&socket)?);
    let body = body.to_string();
    let length = body.len();
    write!(
        socket,
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Posts JSON with a bearer token, and returns the status.
///
/// # Errors
/// If the connection fails.
pub(super) fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> io::Result<u16> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let body = body.to_string();
    let length = body.len();
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the gateway sent no HTTP"))
}

fn read(socket: &TcpStream) -> io::Result<Value> {
    let mut reader = BufReader::new(socket.take(MAX_BODY));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    serde_json::from_reader(reader.take(length)).map_err(Into::into)
}
