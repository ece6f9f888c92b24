//! Forwards the TCP connections of one port to several gateways in turn.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// How long a gateway may take to accept a connection before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after a failed accept, which is usually a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections in the background until this process exits, and forwards each to one of the targets in turn.
pub(super) fn start(listener: TcpListener, targets: Vec<SocketAddr>) {
    thread::spawn(move || {
        let turn = Turn { targets, next: AtomicUsize::new(0) };
        loop {
            match listener.accept() {
                Ok((client, _)) => forward(client, turn.candidates()),
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    });
}

/// The targets in the order in which they are used.
struct Turn {
    targets: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl Turn {
    /// Returns all targets, beginning with the one whose turn it is.
    fn candidates(&self) -> Vec<SocketAddr> {
        let mut candidates = self.targets.clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % candidates.len().max(1);
        candidates.rotate_left(first);
        candidates
    }
}

/// Copies both directions between the client and the first target that accepts a connection, on threads of their own.
fn forward(client: TcpStream, candidates: Vec<SocketAddr>) {
    thread::spawn(move || {
        let connect = |target: &SocketAddr| TcpStream::connect_timeout(target, CONNECT_TIMEOUT).ok();
        // Without a target the client's connection is closed, as if no server listened.
        let Some(server) = candidates.iter().find_map(connect) else { return };
        if let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) {
            thread::spawn(move || copy(&from_client, &to_server));
            copy(&server, &client);
        }
    });
}

/// Copies one direction to its end, and passes the end on. After an error no direction can continue.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // A small message must not wait for the confirmation of the one before it.
    let copied = to.set_nodelay(true).and_then(|()| io::copy(&mut from, &mut to));
    let (end, both) = (Shutdown::Write, Shutdown::Both);
    // The connection may be closed already.
    let _ = to.shutdown(if copied.is_ok() { end } else { both });
    if copied.is_err() {
        let _ = from.shutdown(both);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// Starts a server that sends its name, and then everything that it has received when the client has ended.
    fn named_server(name: &'static str) -> SocketAddr {
        let (listener, address) = listener();
        thread::spawn(move || {
            while let Ok((mut client, _)) = listener.accept() {
                client.write_all(name.as_bytes()).expect("the client reads");
                let mut received = Vec::new();
                client.read_to_end(&mut received).expect("the end of the client");
                client.write_all(&received).expect("the client reads");
            }
        });
        address
    }

    fn forwarder(targets: Vec<SocketAddr>) -> SocketAddr {
        let (listener, address) = listener();
        start(listener, targets);
        address
    }

    /// Connects, sends a text, ends its own direction, and returns everything that comes back.
    fn exchange(address: SocketAddr, text: &str) -> String {
        let mut socket = TcpStream::connect(address).expect("the forwarder listens");
        socket.write_all(text.as_bytes()).expect("the forwarder reads");
        socket.shutdown(Shutdown::Write).expect("the connection is open");
        let mut all = String::new();
        socket.read_to_string(&mut all).expect("the end of the server");
        all
    }

    #[test]
    fn uses_targets_in_turn_and_passes_half_close_on() {
        let address = forwarder(vec![named_server("a:"), named_server("b:")]);
        let answers: Vec<_> = (0..4).map(|_| exchange(address, "text")).collect();
        assert_eq!(answers, ["a:text", "b:text", "a:text", "b:text"]);
    }

    #[test]
    fn passes_over_target_that_does_not_answer() {
        let (listening, closed) = listener();
        drop(listening);
        let address = forwarder(vec![closed, named_server("b:")]);
        assert_eq!([exchange(address, "1"), exchange(address, "2")], ["b:1", "b:2"]);
    }

    #[test]
    fn closes_connection_when_no_target_answers() {
        let (listening, closed) = listener();
        drop(listening);
        let mut socket = TcpStream::connect(forwarder(vec![closed])).expect("the forwarder listens");
        assert_eq!(socket.read(&mut [0]).expect("a close"), 0);
    }

    #[test]
    fn forwards_large_messages_in_both_directions() {
        let text = "0123456789".repeat(300_000);
        assert_eq!(exchange(forwarder(vec![named_server("")]), &text), text);
    }
}
