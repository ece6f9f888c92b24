//! The way of a socket from its acceptance to its first request: counted, introduced by its proxy, and handed on.
//!
//! All of this happens on the thread that accepts (`front.rs`). A socket that begins with a health probe is answered
//! there; every other one is handed to the gateway's runtime.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Counted, Exchange, Guest, Port, Room, Service,
    admission::{Admission, PROBATION},
    memory_is_short, node_is_full,
    proxy_header::{self, HeaderError},
    reserve::{Reserved, WITHIN},
};
use crate::{
    conversation::Reception,
    descriptors,
    probe::Probe,
    telemetry::log_limited,
    upgrade::{Refusal, is_trusted},
};

/// How long the first bytes are waited for here. A probe sends them immediately.
const FIRST_BYTES_WITHIN: Duration = Duration::from_millis(500);

/// What a socket takes of the node's limits.
enum Place {
    /// A place like any other.
    Counted(Counted),
    /// A place in the reserve.
    Reserved(Beyond),
}

/// A socket beyond a limit.
struct Beyond {
    place: Reserved,
    /// The answer to everything but a health probe.
    refusal: Refusal,
    room: Room,
}

impl<R: Reception> Port<R> {
    /// Takes in a socket that was just accepted.
    pub(super) fn arrive(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, room: Room) {
        let shared = &self.shared;
        // Without it a small frame could wait for the acknowledgement of the one before (RFC 896).
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a socket was gone before it was served");
            return;
        }
        let place = match (room, self.count()) {
            (Room::Free, Ok(counted)) => Place::Counted(counted),
            (room, counted) => {
                let refusal = counted.err().unwrap_or_else(node_is_full);
                Place::Reserved(Beyond { place: shared.reserve.take(), refusal, room })
            }
        };
        let until = Instant::now() + shared.node.config().limits.handshake_timeout;
        shared.front.tasks.spawn(Arc::clone(self).receive(socket, peer, until, place));
    }

    /// Counts a socket, unless the node has too many or holds too much.
    fn count(&self) -> Result<Counted, Refusal> {
        let shared = &self.shared;
        if self.service == Service::Operators {
            return Counted::new(&shared.operators, descriptors::OPERATOR_SOCKETS).ok_or_else(node_is_full);
        }
        if shared.node.memory().is_far_exceeded() {
            return Err(memory_is_short());
        }
        let config = shared.node.config();
        let most = descriptors::sockets(config.limits.connections, config.permissions.max_in_flight);
        Counted::new(&shared.sockets, most).ok_or_else(node_is_full)
    }

    async fn receive(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, until: Instant, place: Place) {
        match place {
            Place::Counted(counted) => self.introduce(socket, peer, until, counted).await,
            Place::Reserved(beyond) => self.serve_probe_or_refuse(socket, peer, beyond).await,
        }
    }

    /// Lets a trusted proxy say whose connection it hands on.
    async fn introduce(self: Arc<Self>, mut socket: TcpStream, proxy: SocketAddr, until: Instant, counted: Counted) {
        let peer = if is_trusted(proxy.ip().to_canonical(), &self.shared.node.config().proxies_trusted) {
            match timeout_at(until, proxy_header::take(&mut socket)).await {
                Ok(Ok(source)) => source.unwrap_or(proxy),
                Ok(Err(HeaderError::Invalid(why))) => {
                    tracing::debug!(%proxy, why, "a socket was refused: a bad PROXY protocol header");
                    return self.refuse(socket, Refusal::bad_request("the PROXY protocol header is not valid"));
                }
                Ok(Err(HeaderError::Io(error))) => return tracing::debug!(%error, "a socket was closed"),
                Err(_) => return tracing::debug!("a socket was closed: no request in time"),
            }
        } else {
            proxy
        };
        self.welcome(socket, peer, until, counted).await;
    }

    /// Serves a socket, unless its peer has far too many.
    async fn welcome(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, until: Instant, counted: Counted) {
        let config = self.shared.node.config();
        let address = peer.ip().to_canonical();
        // Behind a trusted proxy the client counts, whose address the request tells. Operators have a port of their own.
        let admission = if self.service == Service::Operators || is_trusted(address, &config.proxies_trusted) {
            None
        } else {
            match Admission::begin(&self.shared.throttle, address, &config.limits, Instant::now()) {
                Ok(admission) => Some(admission),
                Err(refused) => {
                    drop(counted);
                    let place = self.shared.reserve.take();
                    let beyond = Beyond { place, refusal: refused.into(), room: Room::Free };
                    return self.serve_probe_or_refuse(socket, peer, beyond).await;
                }
            }
        };
        let is_beyond = admission.as_ref().is_some_and(|admission| admission.over().is_some());
        let until = if is_beyond { until.min(Instant::now() + PROBATION) } else { until };
        let probe = if self.certificates.is_none() { first_probe(&socket).await } else { None };
        let guest = Guest { port: Arc::clone(&self), peer, until, admission, only_probes: None };
        if probe.is_some() {
            let only_probes = Some(Refusal::bad_request("this connection is for health probes; open another"));
            let guest = Guest { only_probes, ..guest };
            let _counted = counted;
            let _ = Box::pin(Exchange::new(guest).run(socket)).await;
            return;
        }
        self.hand_over(socket, guest, counted);
    }

    /// Hands a socket to the gateway's runtime.
    fn hand_over(&self, socket: TcpStream, guest: Guest<R>, counted: Counted) {
        let tasks = self.shared.node.tasks();
        let socket = match socket.into_std() {
            Ok(socket) => socket,
            Err(error) => return tracing::debug!(%error, "a socket was closed"),
        };
        let certificates = self.certificates.clone();
        let runtime = &self.shared.front.runtime;
        // The task that waits for a TLS handshake is larger than one that serves plain HTTP.
        match certificates {
            None => tasks.spawn_on(runtime, async move {
                match TcpStream::from_std(socket) {
                    Ok(socket) => guest.serve(socket, counted).await,
                    Err(error) => log_limited!(ERROR, { %error }, "a socket cannot be served"),
                }
            }),
            Some(certificates) => tasks.spawn_on(runtime, async move {
                let accepted = async { certificates.accept(TcpStream::from_std(socket)?).await };
                match Box::pin(timeout_at(guest.until, accepted)).await {
                    Ok(Ok(socket)) => guest.serve(socket, counted).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }),
        };
    }

    /// Answers a socket beyond the limits if it asks for the node's health, and refuses it otherwise.
    async fn serve_probe_or_refuse(self: Arc<Self>, mut socket: TcpStream, peer: SocketAddr, beyond: Beyond) {
        let Beyond { place, refusal, room } = beyond;
        let until = Instant::now() + WITHIN;
        if let Some(certificates) = self.certificates.clone() {
            // What is asked shows after the handshake only, and a refusal can be sent only then.
            let served = async {
                let socket = timeout_at(until, certificates.accept(socket)).await.ok()?.ok()?;
                let guest = Guest { port: self, peer, until, admission: None, only_probes: Some(refusal) };
                Exchange::new(guest).run(socket).await
            };
            let _ = place.evicted.run_until_cancelled(Box::pin(served)).await;
            return;
        }
        let is_proxied = is_trusted(peer.ip().to_canonical(), &self.shared.node.config().proxies_trusted);
        let first = async {
            if is_proxied {
                timeout_at(until, proxy_header::take(&mut socket)).await.ok()?.ok()?;
            }
            first_probe(&socket).await
        };
        let probe = place.evicted.run_until_cancelled(Box::pin(first)).await.flatten();
        if probe.is_none() {
            if room == Room::Exhausted || place.evicted.is_cancelled() {
                // Others wait for its descriptor or place. An answer that is lost with the close tells no less than none.
                let _ = socket.try_write(&refusal.bytes());
                return self.count_refusal(&refusal);
            }
            return self.refuse(socket, refusal);
        }
        let guest = Guest { port: self, peer, until, admission: None, only_probes: Some(refusal) };
        let _ = place.evicted.run_until_cancelled(Box::pin(Exchange::new(guest).run(socket))).await;
    }

    fn count_refusal(&self, refusal: &Refusal) {
        self.shared.node.metrics().connections_total.with_label_values(&[refusal.outcome]).inc();
    }

    fn refuse(&self, socket: TcpStream, refusal: Refusal) {
        self.count_refusal(&refusal);
        // A socket that would have to speak TLS first is closed without a word.
        if self.certificates.is_none() {
            self.shared.refuser.refuse(socket, refusal);
        }
    }
}

/// The health probe that a socket begins with, if it begins with one in time. What was looked at stays to be read.
async fn first_probe(socket: &TcpStream) -> Option<Probe> {
    let mut start = [0; Probe::START];
    let length = timeout(FIRST_BYTES_WITHIN, socket.peek(&mut start)).await.ok()?.ok()?;
    Probe::of_request(start.get(..length)?)
}
