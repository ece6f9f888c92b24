//! The HTTP part of a socket's life. Plain requests go to a poem endpoint; an upgrade on `/ws` ends the exchange.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    AcceptedSocket, CountGuard, Service as PortService,
    admission::{Admission, AfterResponse},
    http_rates::RateKey,
    node_is_full,
    throttle::ConnectionSlot,
};
use crate::{
    config::origin::Transport,
    edge::{
        context::EdgeContext,
        probe::Probe,
        upgrade::{self, Forwarding, Refusal},
    },
    http::{Body, NDJSON},
    runtime::memory::{Charge, HANDSHAKE},
    session::UpgradeInfo,
};

/// The part of `limits.handshake_timeout` that is reserved for sending the response to a refused WebSocket.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);
/// How long a client may take to send its first request while memory is short.
const SHORT_MEMORY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an endpoint may take to respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The age after which a connection closes with the next response, so that clients spread over newly added nodes.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// How long the socket is read after the last response. Closing it with unread data would reset it, and the reset could
/// overtake the response.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// A WebSocket upgrade that was granted.
pub(super) struct GrantedUpgrade {
    pub(super) upgrade: Box<UpgradeInfo>,
    pub(super) guards: (CountGuard, Option<ConnectionSlot>),
}

/// The exchange of requests and responses on one socket.
pub(super) struct Exchange<R>(Arc<State<R>>);

struct State<R> {
    accepted: AcceptedSocket<R>,
    progress: Mutex<Progress>,
    /// How long the socket may be idle between two requests.
    idle: Duration,
    /// Charges the memory of the HTTP exchange until it ends.
    _charge: Charge,
}

/// The progress of an exchange.
enum Progress {
    /// No request has been read yet, or an upgrade request is being checked.
    Handshake,
    /// The most recent plain request arrived at this time, so the handshake deadline no longer applies.
    Plain(Instant),
    /// A response without an end is being sent. It ends with the socket, or when the gateway shuts down.
    Endless,
    /// The response that grants a WebSocket is being sent.
    Upgrade(GrantedUpgrade),
}

impl<R: EdgeContext> Exchange<R> {
    pub(super) fn new(accepted: AcceptedSocket<R>) -> Self {
        let node = &accepted.port.shared.node;
        let (idle, charge) = (node.config().limits.http_idle_timeout, node.memory().charge(HANDSHAKE));
        Self(Arc::new(State { accepted, progress: Mutex::new(Progress::Handshake), idle, _charge: charge }))
    }

    /// Answers requests until the socket closes. Returns the socket for a WebSocket, with the bytes that were read
    /// after the upgrade request.
    pub(super) async fn run<S>(self, socket: S) -> Option<(S, Bytes, GrantedUpgrade)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let state = Arc::clone(&self.0);
        let mut http = http1::Builder::new()
            .timer(TokioTimer::new())
            // Counted from the end of a response to the end of the next request's head. The handshake deadline covers
            // the first head.
            .header_read_timeout(state.idle)
            .max_headers(64)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(socket), self);
        let ended = {
            let mut stopped = pin!(state.accepted.port.shared.stop.cancelled());
            let mut timer = pin!(sleep_until(state.accepted.deadline.min(Instant::now() + SHORT_MEMORY_TIMEOUT)));
            let mut is_stopping = false;
            poll_fn(|context| {
                loop {
                    if let Poll::Ready(ended) = http.poll_without_shutdown(context) {
                        return Poll::Ready(Some(ended));
                    }
                    let stops = !is_stopping && stopped.as_mut().poll(context).is_ready();
                    let is_due = timer.as_mut().poll(context).is_ready();
                    if !stops && !is_due {
                        return Poll::Pending;
                    }
                    let now = Instant::now();
                    // Hyper limits the wait for a request, but not how slowly a client reads a response.
                    let is_short = state.accepted.port.shared.node.memory().is_short();
                    let mut recheck_at = None;
                    let expires_at = match *state.progress.lock() {
                        // While memory is short, a client that is slow to send its first request gives way.
                        Progress::Handshake if !is_stopping && !is_short => {
                            recheck_at = Some(now + SHORT_MEMORY_TIMEOUT);
                            state.accepted.deadline
                        }
                        Progress::Plain(since) if !is_stopping => {
                            since + RESPONSE_TIMEOUT + state.idle + RESPONSE_TIMEOUT
                        }
                        Progress::Endless if !is_stopping => now + MAX_AGE,
                        Progress::Upgrade(_) if !is_stopping => state.accepted.deadline + RESPONSE_TIMEOUT,
                        _ => now,
                    };
                    if is_due && now >= expires_at {
                        return Poll::Ready(None);
                    }
                    // The gateway shuts down: close the socket after the response in progress.
                    is_stopping |= stops;
                    let next = recheck_at.map_or(expires_at, |recheck_at| expires_at.min(recheck_at));
                    timer.as_mut().reset(if is_stopping { now + RESPONSE_TIMEOUT } else { next });
                    if stops {
                        Pin::new(&mut http).graceful_shutdown();
                    }
                }
            })
            .await
        };
        let Some(ended) = ended else {
            tracing::debug!("closed a socket: no request in time");
            let exceeded = state.accepted.admission.as_ref().and_then(Admission::exceeded_limit);
            if let Some(exceeded) = exceeded {
                // A socket on probation that sent no request is refused with the limit that it exceeds.
                let refusal = state.record_refusal(exceeded.into(), state.peer());
                let mut socket = http.into_parts().io.into_inner();
                let _ = timeout(LINGER_TIMEOUT, socket.write_all(&refusal.bytes())).await;
                let _ = timeout(LINGER_TIMEOUT, linger(socket)).await;
            }
            return None;
        };
        let parts = http.into_parts();
        if let Err(error) = ended {
            tracing::debug!(%error, "a socket closed");
            if error.is_parse() {
                let accepted = &state.accepted;
                accepted
                    .port
                    .shared
                    .forwarding
                    .record_parse_failure(accepted.peer.ip().to_canonical(), &parts.read_buf);
            }
        }
        let socket = parts.io.into_inner();
        let progress = std::mem::replace(&mut *state.progress.lock(), Progress::Handshake);
        if let Progress::Upgrade(granted) = progress {
            return Some((socket, parts.read_buf, granted));
        }
        let _ = timeout(LINGER_TIMEOUT, linger(socket)).await;
        None
    }
}

async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) -> std::io::Result<()> {
    socket.shutdown().await?;
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}

impl<R: EdgeContext> Service<Request<Incoming>> for Exchange<R> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let response = if state.accepted.only_probes.is_some() {
                state.respond_to_probe(&request)
            } else if state.accepted.port.service == PortService::Clients && request.uri().path() == "/ws" {
                let request = request.into_parts().0;
                let client = state.client(&request.headers);
                let response = state.upgrade(&request, client).await;
                response.map_err(|refusal| state.record_refusal(refusal, client.unwrap_or_else(|| state.peer())))
            } else {
                state.respond(request).await
            };
            Ok(response.unwrap_or_else(|refusal| refusal.response().map(full_body)))
        })
    }
}

impl<R: EdgeContext> State<R> {
    /// Returns the peer's address, or the client address from the PROXY header of a trusted proxy.
    fn peer(&self) -> IpAddr {
        self.accepted.peer.ip().to_canonical()
    }

    /// Returns the client's address if a trusted proxy forwarded the request.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let shared = &self.accepted.port.shared;
        shared.forwarding.client(headers, self.peer(), &shared.node.config().proxies_trusted)
    }

    /// Counts a refusal in the metrics and returns it.
    fn record_refusal(&self, refusal: Refusal, address: IpAddr) -> Refusal {
        let metrics = self.accepted.port.shared.node.metrics();
        metrics.connections_total.with_label_values(&[refusal.outcome]).inc();
        if let Some(event) = refusal.security_event(address) {
            metrics.security_event(event);
        }
        refusal
    }

    /// Answers a health probe, and refuses every other request.
    fn respond_to_probe(&self, request: &Request<Incoming>) -> Result<Response<Body>, Refusal> {
        *self.progress.lock() = Progress::Plain(Instant::now());
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if let Some(probe) = Probe::of_path(request.uri().path()).filter(|_| is_read) {
            if let Some(admission) = &self.accepted.admission {
                admission.record_probe();
            }
            return Ok(self.accepted.port.shared.node.probed(probe).response().map(full_body));
        }
        let refusal = self.accepted.only_probes.clone();
        Err(self.record_refusal(refusal.unwrap_or_else(node_is_full), self.peer()))
    }

    /// Checks an upgrade request and grants the WebSocket.
    async fn upgrade(&self, request: &http::request::Parts, client: Option<IpAddr>) -> Result<Response<Body>, Refusal> {
        let shared = &self.accepted.port.shared;
        let config = shared.node.config();
        let now = Instant::now();
        if let Some(admission) = &self.accepted.admission {
            admission.require_slot(&config.limits, now)?;
        }
        let peer = self.peer();
        let is_secure = self.accepted.port.certificates.is_some()
            || Forwarding::is_secure(&request.headers, peer, &config.proxies_trusted);
        let transport = if is_secure { Transport::Tls } else { Transport::Unknown };
        let response = upgrade::check(request, &config, &shared.origins, transport)?;
        let slot = match client {
            Some(client) => Some(shared.throttle.admit(client, &config.limits, now)?),
            None => self.accepted.admission.as_ref().and_then(Admission::take_slot),
        };
        let count_guard = CountGuard::new(&shared.connections, config.limits.connections).ok_or_else(node_is_full)?;
        let reading = upgrade::read_upgrade_info(&*shared.node, request, client.unwrap_or(peer));
        // A slow identity provider must not prevent the response from being sent in time.
        let respond_by = self.accepted.deadline.checked_sub(RESPONSE_MARGIN).unwrap_or(self.accepted.deadline);
        let upgrade = match timeout_at(respond_by, reading).await {
            Ok(info) => Box::new(info?),
            Err(_) => return Err(Refusal::token_unchecked()),
        };
        *self.progress.lock() = Progress::Upgrade(GrantedUpgrade { upgrade, guards: (count_guard, slot) });
        Ok(response.map(|()| full_body(Bytes::new())))
    }

    /// Passes a plain request on to the endpoint.
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let now = Instant::now();
        *self.progress.lock() = Progress::Plain(now);
        let after_response = self.admit(&request, now)?;
        let port = &self.accepted.port;
        let scheme = if port.certificates.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let response = timeout(RESPONSE_TIMEOUT, port.endpoint.respond(request, self.accepted.peer, scheme)).await;
        let mut response = response.map_err(|_| Refusal::unavailable("no response in time", Duration::from_secs(1)))?;
        if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == NDJSON) {
            *self.progress.lock() = Progress::Endless;
        }
        if after_response == AfterResponse::Close || now >= self.accepted.deadline + MAX_AGE {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// Counts a plain request against the rate of its API key or address and, unless it is exempt, against the
    /// connection limits of its address.
    fn admit(&self, request: &Request<Incoming>, now: Instant) -> Result<AfterResponse, Refusal> {
        let shared = &self.accepted.port.shared;
        let (node, path) = (&shared.node, request.uri().path());
        let limits = node.config().limits;
        let key = upgrade::bearer(request.headers()).and_then(|key| node.api_key(key));
        let rate_key = match &key {
            Some(name) => Some(RateKey::Key(name)),
            None => self.rate_limited_address(request).filter(|_| Probe::of_path(path).is_none()).map(|address| {
                if is_monitoring_path(path) { RateKey::Monitor(address) } else { RateKey::Address(address) }
            }),
        };
        if let Some(rate_key) = rate_key {
            shared.rates.admit(rate_key, &limits, now).map_err(|after| {
                node.metrics().rate_limited(rate_key.metric_label());
                rate_exceeded(rate_key, after)
            })?;
        }
        let Some(admission) = &self.accepted.admission else { return Ok(AfterResponse::KeepAlive) };
        if key.is_some() {
            admission.exempt();
            return Ok(AfterResponse::KeepAlive);
        }
        if is_monitoring_path(path) {
            return Ok(admission.record_probe());
        }
        admission.require_slot(&limits, now).map_err(|exceeded| self.record_refusal(exceeded.into(), self.peer()))?;
        Ok(AfterResponse::KeepAlive)
    }

    /// Returns the address that a request counts against; `None` on the operators' port.
    fn rate_limited_address(&self, request: &Request<Incoming>) -> Option<IpAddr> {
        let (port, peer) = (&self.accepted.port, self.accepted.peer.ip().to_canonical());
        if port.service == PortService::Operators {
            return None;
        }
        let config = port.shared.node.config();
        Some(port.shared.forwarding.client_of_plain(request.headers(), peer, &config.proxies_trusted))
    }
}

fn rate_exceeded(rate_key: RateKey<'_>, after: Duration) -> Refusal {
    let detail = match rate_key {
        RateKey::Key(_) => "this API key is used too often (limits.http_per_key_per_second)",
        RateKey::Address(_) | RateKey::Monitor(_) => {
            "this address sends requests too often (limits.http_per_ip_per_second)"
        }
    };
    Refusal::too_many(detail, after)
}

/// Returns whether orchestrators and monitoring request this path. These requests must not fail because other clients
/// behind the same address, such as a NAT, are busy.
fn is_monitoring_path(path: &str) -> bool {
    matches!(path, "/metrics" | "/health") || path.starts_with("/health/")
}

/// Wraps bytes that are available in full as a body.
fn full_body(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
