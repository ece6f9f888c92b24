//! A line between a client and a server that does to connections what networks do: it stalls, slows, swallows, refuses
//! and cuts them. It does nothing that TCP rules out: a connection that has lost a byte never passes a later one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// What becomes of bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// They pass.
    #[default]
    Fair,
    /// They wait: connections stay open, and nothing comes through.
    Stalled,
    /// They vanish, as behind a firewall that has forgotten the connection: it stays open, and nothing that is sent on it
    /// from then on arrives, whatever the weather is later. New connections are swallowed as long as this lasts.
    Swallowed,
    /// They pass at so many bytes a second and direction.
    Slow(u32),
    /// Connections end at once, and new ones as soon as they are made.
    Refused,
}

/// A TCP proxy in front of one server, or a balancer in front of several.
#[derive(Debug)]
pub struct Line {
    address: String,
    weather: Arc<watch::Sender<Weather>>,
    cuts: Arc<watch::Sender<u64>>,
    swallowed: watch::Receiver<u64>,
    accepting: JoinHandle<()>,
}

impl Line {
    /// A line to a server at `host:port`.
    pub async fn to(target: &str) -> Self {
        Self::over(vec![target.to_owned()]).await
    }

    /// A balancer: each connection goes to the next server that takes it.
    #[expect(clippy::disallowed_methods, reason = "the task is ended when the line is dropped")]
    pub async fn over(targets: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (weather, cuts) = (Arc::new(watch::Sender::default()), Arc::new(watch::Sender::default()));
        let (counter, swallowed) = watch::channel(0);
        let way = Way { weather: weather.subscribe(), cuts: cuts.subscribe(), swallowed: Arc::new(counter) };
        let accepting = tokio::spawn(accept(listener, targets, way));
        Self { address, weather, cuts, swallowed, accepting }
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes the weather, for connections that are there and for those that come.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Waits until this many reads of bytes have been swallowed.
    pub async fn has_swallowed(&self, reads: u64) {
        // The line ends with this value, and so does the counter.
        let _ = self.swallowed.clone().wait_for(|swallowed| *swallowed >= reads).await;
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// What a connection has to look at.
#[derive(Clone)]
struct Way {
    weather: watch::Receiver<Weather>,
    cuts: watch::Receiver<u64>,
    swallowed: Arc<watch::Sender<u64>>,
}

#[expect(clippy::disallowed_methods, reason = "each connection ends with either of its ends, or when it is cut")]
async fn accept(listener: TcpListener, targets: Vec<String>, way: Way) {
    let next = Arc::new(AtomicUsize::new(0));
    let targets: Arc<[String]> = targets.into();
    while let Ok((client, _)) = listener.accept().await {
        let (next, targets, mut way) = (next.clone(), targets.clone(), way.clone());
        way.cuts.mark_unchanged();
        tokio::spawn(async move {
            let now = *way.weather.borrow();
            if now == Weather::Refused {
                return;
            }
            let Some(server) = connect(&targets, &next).await else { return };
            let pass = pass(client, server, way.clone());
            tokio::select! {
                () = pass => {}
                _ = way.cuts.changed() => {}
                () = refused(way.weather.clone()) => {}
            }
        });
    }
}

/// The next server that takes a connection.
async fn connect(targets: &[String], next: &AtomicUsize) -> Option<TcpStream> {
    let first = next.fetch_add(1, Ordering::Relaxed);
    for n in 0..targets.len() {
        if let Ok(server) = TcpStream::connect(&targets[(first + n) % targets.len()]).await {
            return Some(server);
        }
    }
    None
}

async fn refused(mut weather: watch::Receiver<Weather>) {
    if weather.wait_for(|weather| *weather == Weather::Refused).await.is_err() {
        std::future::pending().await
    }
}

/// Passes bytes both ways until either end closes.
async fn pass(client: TcpStream, server: TcpStream, way: Way) {
    for stream in [&client, &server] {
        // It is only about speed.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let lost = AtomicBool::new(false);
    tokio::join!(one_way(from_client, to_server, way.clone(), &lost), one_way(from_server, to_client, way, &lost));
}

/// Passes bytes one way. `lost` says that bytes of this connection have vanished, in either direction: TCP would send
/// them again indefinitely, and never deliver what comes after them.
async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, lost: &AtomicBool) {
    let Way { mut weather, swallowed, .. } = way;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(now) = weather.wait_for(|weather| *weather != Weather::Stalled).await.map(|weather| *weather) else {
            return;
        };
        let most = if let Weather::Slow(rate) = now { (rate as usize / 20).max(1) } else { buffer.len() };
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]) => read,
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let read = match read {
            // The end of a lost connection arrives as little as its bytes do. Returning would close the other side.
            Ok(0) | Err(_) if is_lost(lost, *weather.borrow()) => return std::future::pending().await,
            Ok(0) | Err(_) => {
                // The other side learns of it the same way.
                let _ = to.shutdown().await;
                return;
            }
            Ok(read) => read,
        };
        if weather.wait_for(|weather| *weather != Weather::Stalled).await.is_err() {
            return;
        }
        let now = *weather.borrow();
        if is_lost(lost, now) {
            swallowed.send_modify(|reads| *reads += 1);
            continue;
        }
        match now {
            Weather::Slow(_) => {}
            _ if to.write_all(&buffer[..read]).await.is_err() => return,
            _ => continue,
        }
        sleep(Duration::from_millis(50)).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Whether a connection's bytes vanish, now and from now on.
fn is_lost(lost: &AtomicBool, now: Weather) -> bool {
    lost.fetch_or(now == Weather::Swallowed, Ordering::AcqRel) || now == Weather::Swallowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::must;

    /// A client's and a server's end of a new connection over the line.
    async fn connected(line: &Line, server: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(line.address()).await.unwrap();
        (client, must("a connection", server.accept()).await.unwrap().0)
    }

    async fn arrives(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
        from.write_all(text).await.unwrap();
        let mut read = vec![0; text.len()];
        must("what was sent", to.read_exact(&mut read)).await.unwrap();
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn never_passes_a_byte_on_a_connection_that_has_lost_one() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line::to(&server.local_addr().unwrap().to_string()).await;
        let (mut client, mut served) = connected(&line, &server).await;
        arrives(&mut client, &mut served, b"before").await;
        arrives(&mut served, &mut client, b"before").await;
        line.set(Weather::Swallowed);
        client.write_all(b"lost").await.unwrap();
        must("the loss", line.has_swallowed(1)).await;
        line.set(Weather::Fair);
        client.write_all(b"after").await.unwrap();
        served.write_all(b"after").await.unwrap();
        must("the loss of what came after", line.has_swallowed(3)).await;
        let (mut other, mut other_served) = connected(&line, &server).await;
        arrives(&mut other, &mut other_served, b"another connection").await;
        client.shutdown().await.unwrap();
        // Only the line itself can end the connection, and nothing has arrived until then.
        line.cut();
        let mut read = Vec::new();
        for end in [&mut client, &mut served] {
            must("the end", end.read_to_end(&mut read)).await.unwrap();
        }
        assert_eq!(read, b"");
    }

    #[tokio::test]
    async fn passes_everything_after_a_stall() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line::to(&server.local_addr().unwrap().to_string()).await;
        let (mut client, mut served) = connected(&line, &server).await;
        line.set(Weather::Stalled);
        client.write_all(b"held ").await.unwrap();
        line.set(Weather::Fair);
        client.write_all(b"back").await.unwrap();
        let mut read = [0; 9];
        must("what was held back", served.read_exact(&mut read)).await.unwrap();
        assert_eq!(&read, b"held back");
    }
}
