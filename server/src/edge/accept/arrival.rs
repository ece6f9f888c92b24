//! The path of a socket from `accept` to its first request: it is counted, its PROXY header is read, and it is handed
//! to the runtime.
//!
//! This happens on the accept thread (`accept_thread.rs`). That thread also serves sockets that begin with a health
//! probe; the event loops (`loops.rs`) serve all others.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    AcceptedSocket, CountGuard, DescriptorState, Exchange, Port, Service,
    admission::{Admission, PROBATION},
    memory_is_short, node_is_full,
    proxy_header::{self, HeaderError},
    reserve::{PROBE_TIMEOUT, ReservedSlot},
};
use crate::{
    edge::{
        context::EdgeContext,
        probe::Probe,
        upgrade::{Refusal, is_trusted},
    },
    runtime::descriptors,
    telemetry::log_limited,
};

/// How long the accept thread waits for the first bytes of a socket. A probe sends them immediately.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_millis(500);

/// The slot that a socket occupies within the limits of the node.
enum SocketSlot {
    /// A regular slot.
    Counted(CountGuard),
    /// A slot in the reserve for health probes.
    Reserved(OverLimit),
}

/// A socket beyond a limit of the node.
struct OverLimit {
    slot: ReservedSlot,
    /// The response to every request except a health probe.
    refusal: Refusal,
    descriptor_state: DescriptorState,
}

impl<R: EdgeContext> Port<R> {
    /// Starts the task of a socket that was just accepted.
    pub(super) fn handle_accepted(
        self: &Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        descriptor_state: DescriptorState,
    ) {
        let shared = &self.shared;
        // Without TCP_NODELAY a small frame could wait for the acknowledgement of the previous one (Nagle, RFC 896).
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a socket closed before it was served");
            return;
        }
        let slot = match (descriptor_state, self.count()) {
            (DescriptorState::Available, Ok(count_guard)) => SocketSlot::Counted(count_guard),
            (descriptor_state, count_guard) => {
                let refusal = count_guard.err().unwrap_or_else(node_is_full);
                SocketSlot::Reserved(OverLimit { slot: shared.reserve.take(), refusal, descriptor_state })
            }
        };
        let deadline = Instant::now() + shared.node.config().limits.handshake_timeout;
        shared.accept_thread.tasks.spawn(Arc::clone(self).receive(socket, peer, deadline, slot));
    }

    /// Counts a socket, unless the node has too many sockets or holds too much memory.
    fn count(&self) -> Result<CountGuard, Refusal> {
        let shared = &self.shared;
        if self.service == Service::Operators {
            return CountGuard::new(&shared.operators, descriptors::OPERATOR_SOCKETS).ok_or_else(node_is_full);
        }
        if shared.node.memory().is_far_exceeded() {
            return Err(memory_is_short());
        }
        let config = shared.node.config();
        let limit = descriptors::sockets(config.limits.connections, config.permissions.max_in_flight);
        CountGuard::new(&shared.sockets, limit).ok_or_else(node_is_full)
    }

    async fn receive(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, deadline: Instant, slot: SocketSlot) {
        match slot {
            SocketSlot::Counted(count_guard) => self.read_proxy_header(socket, peer, deadline, count_guard).await,
            SocketSlot::Reserved(over_limit) => self.serve_probe_or_refuse(socket, peer, over_limit).await,
        }
    }

    /// Reads the client's address from the PROXY header, if the peer is a trusted proxy.
    async fn read_proxy_header(
        self: Arc<Self>,
        mut socket: TcpStream,
        proxy: SocketAddr,
        deadline: Instant,
        count_guard: CountGuard,
    ) {
        let peer = if is_trusted(proxy.ip().to_canonical(), &self.shared.node.config().proxies_trusted) {
            match timeout_at(deadline, proxy_header::read_header(&mut socket)).await {
                Ok(Ok(source)) => source.unwrap_or(proxy),
                Ok(Err(HeaderError::Invalid(why))) => {
                    tracing::debug!(%proxy, why, "rejected a socket: invalid PROXY protocol header");
                    return self.refuse(socket, Refusal::bad_request("the PROXY protocol header is not valid"), proxy);
                }
                Ok(Err(HeaderError::Io(error))) => return tracing::debug!(%error, "a socket closed"),
                Err(_) => return tracing::debug!("closed a socket: no request in time"),
            }
        } else {
            proxy
        };
        self.admit(socket, peer, deadline, count_guard).await;
    }

    /// Applies the limits of the peer's address, and serves the socket.
    async fn admit(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, deadline: Instant, count_guard: CountGuard) {
        let config = self.shared.node.config();
        let address = peer.ip().to_canonical();
        // Connections of a trusted proxy are limited by the client address of each request instead. Operators have
        // their own port, without limits per address.
        let admission = if self.service == Service::Operators || is_trusted(address, &config.proxies_trusted) {
            None
        } else {
            match Admission::start(&self.shared.throttle, address, &config.limits, Instant::now()) {
                Ok(admission) => Some(admission),
                Err(exceeded) => {
                    drop(count_guard);
                    let slot = self.shared.reserve.take();
                    let over_limit =
                        OverLimit { slot, refusal: exceeded.into(), descriptor_state: DescriptorState::Available };
                    return self.serve_probe_or_refuse(socket, peer, over_limit).await;
                }
            }
        };
        let is_over_limit = admission.as_ref().is_some_and(|admission| admission.exceeded_limit().is_some());
        let deadline = if is_over_limit { deadline.min(Instant::now() + PROBATION) } else { deadline };
        let probe = if self.certificates.is_none() { first_probe(&socket).await } else { None };
        let accepted = AcceptedSocket { port: Arc::clone(&self), peer, deadline, admission, only_probes: None };
        if probe.is_some() {
            let only_probes = Some(Refusal::bad_request("this connection is for health probes; open another"));
            let accepted = AcceptedSocket { only_probes, ..accepted };
            let _count_guard = count_guard;
            let _ = Box::pin(Exchange::new(accepted).run(socket)).await;
            return;
        }
        self.hand_over(socket, accepted, count_guard);
    }

    /// Hands a socket over to an event loop.
    fn hand_over(&self, socket: TcpStream, accepted: AcceptedSocket<R>, count_guard: CountGuard) {
        let tasks = self.shared.node.tasks();
        let socket = match socket.into_std() {
            Ok(socket) => socket,
            Err(error) => return tracing::debug!(%error, "a socket closed"),
        };
        let certificates = self.certificates.clone();
        let Some((runtime, loop_guard)) = self.shared.loops.least_loaded() else { return };
        let guards = [count_guard, loop_guard];
        // Two separate tasks, because the future that waits for a TLS handshake is larger than the one for plain HTTP.
        match certificates {
            None => tasks.spawn_on(runtime, async move {
                match TcpStream::from_std(socket) {
                    Ok(socket) => accepted.serve(socket, guards).await,
                    Err(error) => log_limited!(ERROR, { %error }, "cannot serve a socket"),
                }
            }),
            Some(certificates) => tasks.spawn_on(runtime, async move {
                let handshake = async { certificates.accept(TcpStream::from_std(socket)?).await };
                match Box::pin(timeout_at(accepted.deadline, handshake)).await {
                    Ok(Ok(socket)) => accepted.serve(socket, guards).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake timed out"),
                }
            }),
        };
    }

    /// Answers a socket beyond the limits if it sends a health probe, and rejects it otherwise.
    async fn serve_probe_or_refuse(self: Arc<Self>, mut socket: TcpStream, peer: SocketAddr, over_limit: OverLimit) {
        let OverLimit { slot, refusal, descriptor_state } = over_limit;
        let deadline = Instant::now() + PROBE_TIMEOUT;
        if let Some(certificates) = self.certificates.clone() {
            // With TLS, the request can be read and a refusal can be sent only after the handshake.
            let served = async {
                let socket = timeout_at(deadline, certificates.accept(socket)).await.ok()?.ok()?;
                let accepted =
                    AcceptedSocket { port: self, peer, deadline, admission: None, only_probes: Some(refusal) };
                Exchange::new(accepted).run(socket).await
            };
            let _ = slot.evicted.run_until_cancelled(Box::pin(served)).await;
            return;
        }
        let is_proxied = is_trusted(peer.ip().to_canonical(), &self.shared.node.config().proxies_trusted);
        let first = async {
            if is_proxied {
                timeout_at(deadline, proxy_header::read_header(&mut socket)).await.ok()?.ok()?;
            }
            first_probe(&socket).await
        };
        let probe = slot.evicted.run_until_cancelled(Box::pin(first)).await.flatten();
        if probe.is_none() {
            if descriptor_state == DescriptorState::Exhausted || slot.evicted.is_cancelled() {
                // Other sockets need this descriptor or slot, so do not linger. The response may be lost with the
                // close, which is no worse for the client than sending none.
                let _ = socket.try_write(&refusal.bytes());
                return self.count_refusal(&refusal, peer);
            }
            return self.refuse(socket, refusal, peer);
        }
        let accepted = AcceptedSocket { port: self, peer, deadline, admission: None, only_probes: Some(refusal) };
        let _ = slot.evicted.run_until_cancelled(Box::pin(Exchange::new(accepted).run(socket))).await;
    }

    fn count_refusal(&self, refusal: &Refusal, peer: SocketAddr) {
        let metrics = self.shared.node.metrics();
        metrics.connections_total.with_label_values(&[refusal.outcome]).inc();
        if let Some(event) = refusal.security_event(peer.ip().to_canonical()) {
            metrics.security_event(event);
        }
    }

    fn refuse(&self, socket: TcpStream, refusal: Refusal, peer: SocketAddr) {
        self.count_refusal(&refusal, peer);
        // A plain-text response would not be valid before the TLS handshake, so such a socket is closed without one.
        if self.certificates.is_none() {
            self.shared.refuser.refuse(socket, refusal);
        }
    }
}

/// Returns the health probe that the socket begins with, if any arrives in time. Peeks, so the request can still be
/// read.
async fn first_probe(socket: &TcpStream) -> Option<Probe> {
    let mut start = [0; Probe::START];
    let length = timeout(FIRST_BYTES_TIMEOUT, socket.peek(&mut start)).await.ok()?.ok()?;
    Probe::of_request(start.get(..length)?)
}
