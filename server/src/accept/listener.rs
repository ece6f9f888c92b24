//! Opens ports, and says what accepted sockets inherit from them.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::ServeError;
use crate::memory::SEND_BUFFER;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 4096;
/// Bytes that may wait in the kernel and are not sent yet. What waits in the outbound queue instead leaves in fewer
/// writes, and is dropped when the client turns out not to read.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 32 * 1024;
/// How much longer than a silent client the kernel keeps a socket whose peer does not acknowledge: the gateway, which
/// tells the client why, decides first.
const LATER: Duration = Duration::from_secs(10);

/// Opens a port. `silence` is how long a client may be silent.
pub(super) fn listen(address: SocketAddr, silence: Duration) -> Result<(SocketAddr, TcpListener), ServeError> {
    let listen = || {
        let socket = bound(address)?;
        inherit(&socket, silence.saturating_add(LATER));
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|cause| ServeError::Bind { address, cause })
}

/// Whether an address could be listened on now, without listening on it.
///
/// # Errors
/// [`ServeError::Bind`] with what the operating system says.
pub fn can_bind(address: SocketAddr) -> Result<(), ServeError> {
    bound(address).map(drop).map_err(|cause| ServeError::Bind { address, cause })
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets what accepted sockets inherit. A system that knows an option not, as some sandboxes do, serves without it.
fn inherit(socket: &Socket, unacknowledged: Duration) {
    // A peer that is gone is noticed although nothing is sent.
    let keepalive = socket.set_keepalive(true);
    // The kernel doubles the number, for its own overhead.
    let send_buffer = socket.set_send_buffer_size(SEND_BUFFER / 2);
    let mut options = vec![("SO_KEEPALIVE", keepalive), ("SO_SNDBUF", send_buffer)];
    #[cfg(target_os = "linux")]
    {
        options.push(("TCP_NOTSENT_LOWAT", socket.set_tcp_notsent_lowat(UNSENT)));
        options.push(("TCP_USER_TIMEOUT", socket.set_tcp_user_timeout(Some(unacknowledged))));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged;
    for (option, set) in options {
        if let Err(error) = set {
            tracing::warn!(option, %error, "a socket option cannot be set; the gateway serves without it");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let (address, listener) = listen(([127, 0, 0, 1], 0).into(), Duration::from_secs(60)).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        listener.set_nonblocking(false).unwrap();
        let accepted = Socket::from(listener.accept().unwrap().0);
        assert_eq!(accepted.send_buffer_size().unwrap(), SEND_BUFFER);
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(70)));
        assert!(accepted.keepalive().unwrap());
    }
}
