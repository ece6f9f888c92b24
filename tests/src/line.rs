//! A line between a client and a server that does to connections what networks do: it stalls, slows, swallows, refuses
//! and cuts them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
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
    /// They vanish: connections stay open, and what is sent is lost, so that a connection is of no use afterwards.
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
        let way = Way { weather: weather.subscribe(), cuts: cuts.subscribe() };
        let accepting = tokio::spawn(accept(listener, targets, way));
        Self { address, weather, cuts, accepting }
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes the weather, for connections that are there and for those that come.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
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
    tokio::join!(one_way(from_client, to_server, way.weather.clone()), one_way(from_server, to_client, way.weather));
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
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
        match now {
            Weather::Swallowed => continue,
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
