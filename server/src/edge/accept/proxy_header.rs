//! Reads the PROXY protocol header, in which a trusted proxy sends the client's address ahead of all other data.
//!
//! Implements versions 1 and 2 of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. The header is
//! optional: a connection that begins with anything else is served under the proxy's own address, so that its health
//! checks work without a header.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
    time::sleep,
};

/// The first bytes of a version 2 header. No HTTP request and no TLS record begins with them.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The first bytes of a version 1 header.
const V1_PREFIX: &[u8] = b"PROXY ";
/// The length of the longest version 1 header, with its CRLF.
const V1_MAX_BYTES: usize = 107;
/// The most bytes that may follow the first 16 bytes of a version 2 header: addresses, and extensions such as a client
/// certificate.
const V2_MAX_BODY_BYTES: usize = 4096;
/// How long to wait before peeking again at a header that arrives in several segments.
const PEEK_RETRY_DELAY: Duration = Duration::from_millis(5);
/// The part of a version 2 header that is examined: two IPv6 addresses and their ports.
const V2_ADDRESS_BYTES: usize = 36;

/// Why a connection of a trusted proxy cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    /// The header cannot be parsed, so the client's address is unknown.
    #[error("the PROXY protocol header is not valid: {0}")]
    Invalid(&'static str),
    /// The socket failed or was closed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a header from the socket, if it begins with one, and returns the address in it.
///
/// Returns `None` for the proxy's own connections, such as health checks: they have no header, or one without an
/// address.
///
/// # Errors
/// Returns a [`HeaderError`]. The bytes read so far are lost.
pub(super) async fn read_header(socket: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderError> {
    let mut buffer = [0; V2_SIGNATURE.len()];
    let peeked = loop {
        let length = socket.peek(&mut buffer).await?;
        let peeked = buffer.get(..length).unwrap_or_default();
        if peeked.is_empty() || peeked.len() == V2_SIGNATURE.len() || !V2_SIGNATURE.starts_with(peeked) {
            break peeked;
        }
        // These bytes may be part of the signature, or an empty line before a request; more bytes decide. Peeked bytes
        // stay in the buffer, so another peek would return immediately: wait first.
        sleep(PEEK_RETRY_DELAY).await;
    };
    if peeked.is_empty() {
        return Ok(None);
    }
    if peeked == V2_SIGNATURE {
        return version_2(socket).await;
    }
    // A part of the prefix may also be the start of a request (`P`, `PR`), so the prefix must arrive in one segment, as
    // the specification demands of proxies.
    if peeked.starts_with(V1_PREFIX) { version_1(socket).await } else { Ok(None) }
}

async fn version_2(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut head = [0; 16];
    socket.read_exact(&mut head).await?;
    let [signature @ .., command, family, length_1, length_2] = head;
    if signature != V2_SIGNATURE {
        return Err(HeaderError::Invalid("it does not begin with the signature"));
    }
    let length = usize::from(u16::from_be_bytes([length_1, length_2]));
    if length > V2_MAX_BODY_BYTES {
        return Err(HeaderError::Invalid("it is too long"));
    }
    let mut addresses = [0; V2_ADDRESS_BYTES];
    let known = addresses.get_mut(..length.min(V2_ADDRESS_BYTES)).unwrap_or_default();
    socket.read_exact(known).await?;
    let source = source(command, family, known)?;
    let mut left = length.saturating_sub(V2_ADDRESS_BYTES);
    let mut skipped = [0; 256];
    while left > 0 {
        let some = skipped.get_mut(..left.min(256)).unwrap_or_default();
        left -= socket.read_exact(some).await?;
    }
    Ok(source)
}

/// Returns the source address of a version 2 header, without the extensions that follow the addresses.
fn source(command: u8, family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    match command {
        0x21 => {}
        // LOCAL: the proxy's own connection. The addresses are ignored.
        0x20 => return Ok(None),
        _ => return Err(HeaderError::Invalid("its version or command is unknown")),
    }
    // The low half is the transport (unspecified, stream or datagram), which does not affect the layout of the
    // addresses.
    if family & 0xf > 2 {
        return Err(HeaderError::Invalid("its transport is unknown"));
    }
    let short = || HeaderError::Invalid("its addresses are cut short");
    match family >> 4 {
        // Unspecified, or a UNIX socket: no IP address.
        0 | 3 => Ok(None),
        1 => endpoint::<4>(addresses).ok_or_else(short).map(Some),
        2 => endpoint::<16>(addresses).ok_or_else(short).map(Some),
        _ => Err(HeaderError::Invalid("its address family is unknown")),
    }
}

/// Returns the first of two addresses of `N` bytes with its port. The two ports follow the two addresses.
fn endpoint<const N: usize>(addresses: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let both = addresses.get(..2 * N + 4)?;
    let (source, port) = (both.first_chunk::<N>()?, both.get(2 * N..)?.first_chunk()?);
    Some(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port)))
}

async fn version_1(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut line = Vec::with_capacity(V1_MAX_BYTES);
    // Read byte by byte: the data after the line belongs to HTTP or TLS.
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_MAX_BYTES {
            return Err(HeaderError::Invalid("it is too long"));
        }
        line.push(socket.read_u8().await?);
    }
    let invalid = || HeaderError::Invalid("it is no line of version 1");
    let line = std::str::from_utf8(&line).map_err(|_| invalid())?;
    let mut words = line.trim_end().split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let words: Vec<_> = words.collect();
    let [source, destination, port, other_port] = words.as_slice() else { return Err(invalid()) };
    let parse = |address: &str| address.parse::<IpAddr>().map_err(|_| invalid());
    let (source, destination) = (parse(source)?, parse(destination)?);
    let fits = match family {
        Some("TCP4") => source.is_ipv4() && destination.is_ipv4(),
        Some("TCP6") => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    let port = port.parse().ok().filter(|_| fits && other_port.parse::<u16>().is_ok()).ok_or_else(invalid)?;
    Ok(Some(SocketAddr::new(source, port)))
}

#[cfg(test)]
mod tests;
