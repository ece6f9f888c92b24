//! Ports for servers of tests, which no other test process is given while they are in use.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// The first port that is given to a server.
const FIRST: u16 = 12_000;
/// The first port after them where the system does not say which ports it gives to clients; this is Linux's default.
const CLIENTS_FROM: u16 = 32_768;

/// A port at 127.0.0.1 for one server, until this is dropped.
///
/// The port is lower than those that the system gives to outgoing connections and to listeners on port 0. One of those
/// could otherwise take it in the moment before its server listens, or while the server restarts. Other test processes
/// see the lock on a file that has the port as its name.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _lock: File,
}

impl ReservedPort {
    /// Reserves a port on which no server listens.
    ///
    /// # Panics
    /// When all ports are in use.
    pub fn take() -> Self {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let ports = FIRST..clients_from();
        let count = ports.len();
        // Processes start at different places, so that they rarely try the same port.
        let start = process::id() as usize * 97 + usize::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let mut candidates = (0..count).filter_map(|n| ports.clone().nth((start + n) % count));
        candidates.find_map(Self::try_take).unwrap_or_else(|| panic!("every port in {ports:?} is in use"))
    }

    fn try_take(number: u16) -> Option<Self> {
        let lock =
            File::options().create(true).truncate(false).write(true).open(locks().join(number.to_string())).ok()?;
        lock.try_lock().ok()?;
        // A server that is no test's may listen there.
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// The number of the port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// The folder of the lock files. The files stay: removing one would let two processes lock two files of one name.
fn locks() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("gateway-test-ports-{user}"));
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{} cannot be created: {error}", folder.display()));
    folder
}

/// The first port that the system gives to clients.
fn clients_from() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(CLIENTS_FROM);
    if first > FIRST + 1_000 { first } else { CLIENTS_FROM }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn gives_each_port_to_one_server_at_a_time() {
        let ports = thread::scope(|scope| {
            let takers: Vec<_> = (0..8).map(|_| scope.spawn(|| [(); 10].map(|()| ReservedPort::take()))).collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
        });
        let numbers: HashSet<u16> = ports.iter().map(ReservedPort::number).collect();
        assert_eq!(numbers.len(), 80);
        assert!(numbers.iter().all(|number| (FIRST..clients_from()).contains(number)), "{numbers:?}");
    }

    #[test]
    fn passes_over_a_port_in_use_and_gives_back_a_released_one() {
        let port = ReservedPort::take();
        let number = port.number();
        assert!(ReservedPort::try_take(number).is_none(), "reserved");
        drop(port);
        let listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        assert!(ReservedPort::try_take(number).is_none(), "in use by a server");
        drop(listener);
        assert!(ReservedPort::try_take(number).is_some());
    }
}
