//! Opens listening sockets and sets the options that accepted sockets inherit.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::ServeError;
use crate::runtime::memory::SEND_BUFFER;

/// The length of the kernel's queue of connections that wait for `accept`.
const BACKLOG: i32 = 4096;
/// Unsent bytes that the kernel may buffer per socket. Data beyond it stays in the outbound queue, where it can be
/// written in fewer calls and dropped if the client turns out to be a slow consumer.
#[cfg(target_os = "linux")]
const UNSENT_LOW_WATER_MARK: u32 = 32 * 1024;
/// How much later than the heartbeat timeout the kernel drops a socket whose peer acknowledges nothing. The gateway's
/// own timeout fires first, because it sends the client a close code.
const USER_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// Opens a listening socket. `heartbeat_timeout` is how long a client may be silent.
pub(super) fn listen(
    address: SocketAddr,
    heartbeat_timeout: Duration,
) -> Result<(SocketAddr, TcpListener), ServeError> {
    let listen = || {
        let socket = bind(address)?;
        set_inherited_options(&socket, heartbeat_timeout.saturating_add(USER_TIMEOUT_MARGIN));
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|cause| ServeError::Bind { address, cause })
}

/// Checks whether the gateway could listen on an address, without doing so.
///
/// # Errors
/// Returns [`ServeError::Bind`] with the error of the operating system.
pub fn can_bind(address: SocketAddr) -> Result<(), ServeError> {
    bind(address).map(drop).map_err(|cause| ServeError::Bind { address, cause })
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets the options that accepted sockets inherit. Options that the system does not support, as in some sandboxes, are
/// skipped with a warning.
fn set_inherited_options(socket: &Socket, unacknowledged: Duration) {
    // Detects a peer that is gone even while nothing is sent.
    let keepalive = socket.set_keepalive(true);
    // The kernel doubles the value to account for its own overhead (socket(7)).
    let send_buffer = socket.set_send_buffer_size(SEND_BUFFER / 2);
    let mut options = vec![("SO_KEEPALIVE", keepalive), ("SO_SNDBUF", send_buffer)];
    #[cfg(target_os = "linux")]
    {
        options.push(("TCP_NOTSENT_LOWAT", socket.set_tcp_notsent_lowat(UNSENT_LOW_WATER_MARK)));
        options.push(("TCP_USER_TIMEOUT", socket.set_tcp_user_timeout(Some(unacknowledged))));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged;
    for (option, set) in options {
        if let Err(error) = set {
            tracing::warn!(option, %error, "cannot set a socket option; continuing without it");
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
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT_LOW_WATER_MARK);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(70)));
        assert!(accepted.keepalive().unwrap());
    }
}
