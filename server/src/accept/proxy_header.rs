//! The PROXY protocol: what a trusted proxy says, ahead of everything else, about whose connection it hands on.
//!
//! Versions 1 and 2 as in <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. A proxy need not send it: a
//! connection that begins otherwise is taken as it is, so that health checks go without it.

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

/// How a header of version 2 begins. No request of HTTP and no TLS record does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How a header of version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// The longest header of version 1, with its CRLF.
const MOST_OF_1: usize = 107;
/// The most that may follow the first 16 bytes of version 2: addresses, and extensions such as a client's certificate.
const MOST_OF_2: usize = 4096;
/// How long the rest of a header that comes in pieces is left alone before it is looked at again.
const PIECES: Duration = Duration::from_millis(5);
/// What is looked at of version 2: two addresses of IPv6 with their ports.
const ADDRESSES: usize = 36;

/// Why a connection of a trusted proxy is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    /// The header cannot be understood, so nobody knows whose connection it is.
    #[error("the PROXY protocol header is not valid: {0}")]
    Invalid(&'static str),
    /// The socket ended.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes a header from the socket, if it begins with one, and tells the address that it names.
///
/// `None` is the proxy's own connection, such as a health check: there is no header, or one that names nobody.
///
/// # Errors
/// [`HeaderError`]; what was read is lost then.
pub(super) async fn take(socket: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderError> {
    let mut first = [0; SIGNATURE.len()];
    let seen = loop {
        let length = socket.peek(&mut first).await?;
        let seen = first.get(..length).unwrap_or_default();
        if seen.is_empty() || seen.len() == SIGNATURE.len() || !SIGNATURE.starts_with(seen) {
            break seen;
        }
        // A piece of the signature, or an empty line before a request: what follows tells. What was looked at stays, so
        // that the next look would not wait for more.
        sleep(PIECES).await;
    };
    if seen.is_empty() {
        return Ok(None);
    }
    if seen == SIGNATURE {
        return version_2(socket).await;
    }
    // The text may be the beginning of a request (`P`, `PR`), so it must come in one piece, as the specification asks.
    if seen.starts_with(WORD) { version_1(socket).await } else { Ok(None) }
}

async fn version_2(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut head = [0; 16];
    socket.read_exact(&mut head).await?;
    let [signature @ .., command, family, length_1, length_2] = head;
    if signature != SIGNATURE {
        return Err(HeaderError::Invalid("it does not begin with the signature"));
    }
    let length = usize::from(u16::from_be_bytes([length_1, length_2]));
    if length > MOST_OF_2 {
        return Err(HeaderError::Invalid("it is too long"));
    }
    let mut addresses = [0; ADDRESSES];
    let known = addresses.get_mut(..length.min(ADDRESSES)).unwrap_or_default();
    socket.read_exact(known).await?;
    let source = source(command, family, known)?;
    let mut left = length.saturating_sub(ADDRESSES);
    let mut skipped = [0; 256];
    while left > 0 {
        let some = skipped.get_mut(..left.min(256)).unwrap_or_default();
        left -= socket.read_exact(some).await?;
    }
    Ok(source)
}

/// What the binary header says, without the extensions behind the addresses.
fn source(command: u8, family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    match command {
        0x21 => {}
        // LOCAL: the proxy's own connection, whatever follows.
        0x20 => return Ok(None),
        _ => return Err(HeaderError::Invalid("its version or command is unknown")),
    }
    // The low half is the transport: unspecified, stream or datagram, of which each has the same addresses.
    if family & 0xf > 2 {
        return Err(HeaderError::Invalid("its transport is unknown"));
    }
    let short = || HeaderError::Invalid("its addresses are cut short");
    match family >> 4 {
        // Unspecified, or a UNIX socket: somebody without an address.
        0 | 3 => Ok(None),
        1 => endpoint::<4>(addresses).ok_or_else(short).map(Some),
        2 => endpoint::<16>(addresses).ok_or_else(short).map(Some),
        _ => Err(HeaderError::Invalid("its address family is unknown")),
    }
}

/// The first of two addresses of `N` bytes, behind which stand the two ports.
fn endpoint<const N: usize>(addresses: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let both = addresses.get(..2 * N + 4)?;
    let (source, port) = (both.first_chunk::<N>()?, both.get(2 * N..)?.first_chunk()?);
    Some(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port)))
}

async fn version_1(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut line = Vec::with_capacity(MOST_OF_1);
    // Byte by byte: what follows the line belongs to HTTP or TLS.
    while !line.ends_with(b"\r\n") {
        if line.len() == MOST_OF_1 {
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
