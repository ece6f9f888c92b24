//! The HTTP part of a socket's life: plain requests go to a poem endpoint, and one for `/ws` ends it.

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
use http::{HeaderValue, Method, Request, Response, header, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    Counted, Guest, Service as PortService,
    admission::{Admission, Afterwards},
    http_rates::Asker,
    node_is_full,
    throttle::Place,
};
use crate::{
    config::origin::Transport,
    conversation::Reception,
    http::Body,
    memory::{Charge, HANDSHAKE},
    probe::Probe,
    router::Opening,
    upgrade::{self, Refusal},
};

/// What is left of `limits.handshake_timeout` to send an answer that refuses a WebSocket.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// How long a client may take for its first request while memory is short.
const HURRY: Duration = Duration::from_secs(1);
/// Within which an endpoint must answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// After which an answer says that the connection ends with it: clients then spread over new nodes in time.
const LIFE: Duration = Duration::from_secs(3_600);
/// For how long a client that was answered is read, so that a reset does not overtake the answer.
const LINGER: Duration = Duration::from_millis(500);

/// A WebSocket that was granted.
pub(super) struct Granted {
    pub(super) opening: Box<Opening>,
    pub(super) places: (Counted, Option<Place>),
}

/// One socket's exchange of requests and answers.
pub(super) struct Exchange<R>(Arc<State<R>>);

struct State<R> {
    guest: Guest<R>,
    progress: Mutex<Progress>,
    /// How long it may wait for the next request.
    idle: Duration,
    /// Counts the memory that HTTP takes, until it is over.
    _charge: Charge,
}

/// How far an exchange has come.
enum Progress {
    /// No request was read yet, or one for a WebSocket is being looked into.
    Handshake,
    /// The latest plain request came at this time, so this is no handshake.
    Plain(Instant),
    /// The answer that grants a WebSocket is under way.
    Upgrade(Granted),
}

impl<R: Reception> Exchange<R> {
    pub(super) fn new(guest: Guest<R>) -> Self {
        let node = &guest.port.shared.node;
        let (idle, charge) = (node.config().limits.http_idle_timeout, node.memory().charge(HANDSHAKE));
        Self(Arc::new(State { guest, progress: Mutex::new(Progress::Handshake), idle, _charge: charge }))
    }

    /// Answers requests until there are no more; gives the socket back for a WebSocket, with what was read behind the request.
    pub(super) async fn run<S>(self, socket: S) -> Option<(S, Bytes, Granted)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let state = Arc::clone(&self.0);
        let mut http = http1::Builder::new()
            .timer(TokioTimer::new())
            // From the end of an answer to the end of the next request's head. The first head comes within the
            // handshake's time.
            .header_read_timeout(state.idle)
            .max_headers(64)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(socket), self);
        let ended = {
            let mut stopped = pin!(state.guest.port.shared.stop.cancelled());
            let mut timer = pin!(sleep_until(state.guest.until.min(Instant::now() + HURRY)));
            let mut last = false;
            poll_fn(|context| {
                loop {
                    if let Poll::Ready(ended) = http.poll_without_shutdown(context) {
                        return Poll::Ready(Some(ended));
                    }
                    let stops = !last && stopped.as_mut().poll(context).is_ready();
                    let late = timer.as_mut().poll(context).is_ready();
                    if !stops && !late {
                        return Poll::Pending;
                    }
                    let now = Instant::now();
                    // Hyper bounds the wait for a request, but not how slowly an answer is read.
                    let is_short = state.guest.port.shared.node.memory().is_short();
                    let mut look_at = None;
                    let stuck_at = match *state.progress.lock() {
                        // While memory is short, a client that takes long for its first request is in the way.
                        Progress::Handshake if !last && !is_short => {
                            look_at = Some(now + HURRY);
                            state.guest.until
                        }
                        Progress::Plain(since) if !last => since + ANSWER_WITHIN + state.idle + ANSWER_WITHIN,
                        Progress::Upgrade(_) if !last => state.guest.until + ANSWER_WITHIN,
                        _ => now,
                    };
                    if late && now >= stuck_at {
                        return Poll::Ready(None);
                    }
                    // The gateway stops: the socket ends with the answer under way.
                    last |= stops;
                    let next = look_at.map_or(stuck_at, |look_at| stuck_at.min(look_at));
                    timer.as_mut().reset(if last { now + ANSWER_WITHIN } else { next });
                    if stops {
                        Pin::new(&mut http).graceful_shutdown();
                    }
                }
            })
            .await
        };
        let Some(ended) = ended else {
            tracing::debug!("a socket was closed: no request in time");
            let over = state.guest.admission.as_ref().and_then(Admission::over);
            if let Some(over) = over {
                // It was let wait only to show what it is for.
                let refusal = state.refused(over.into());
                let mut socket = http.into_parts().io.into_inner();
                let _ = timeout(LINGER, socket.write_all(&refusal.bytes())).await;
                let _ = timeout(LINGER, linger(socket)).await;
            }
            return None;
        };
        let parts = http.into_parts();
        if let Err(error) = ended {
            tracing::debug!(%error, "a socket was closed");
            if error.is_parse() {
                let guest = &state.guest;
                guest.port.shared.forwarding.no_request(guest.peer.ip().to_canonical(), &parts.read_buf);
            }
        }
        let socket = parts.io.into_inner();
        let progress = std::mem::replace(&mut *state.progress.lock(), Progress::Handshake);
        if let Progress::Upgrade(granted) = progress {
            return Some((socket, parts.read_buf, granted));
        }
        let _ = timeout(LINGER, linger(socket)).await;
        None
    }
}

async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) -> std::io::Result<()> {
    socket.shutdown().await?;
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}

impl<R: Reception> Service<Request<Incoming>> for Exchange<R> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = if state.guest.only_probes.is_some() {
                state.answer_probe(&request)
            } else if state.guest.port.service == PortService::Clients && request.uri().path() == "/ws" {
                state.upgrade(&request.into_parts().0).await.map_err(|refusal| state.refused(refusal))
            } else {
                state.answer(request).await
            };
            Ok(answer.unwrap_or_else(|refusal| refusal.response().map(whole)))
        })
    }
}

impl<R: Reception> State<R> {
    /// Counts a refusal.
    fn refused(&self, refusal: Refusal) -> Refusal {
        self.guest.port.shared.node.metrics().connections_total.with_label_values(&[refusal.outcome]).inc();
        refusal
    }

    /// Answers a health probe, and refuses everything else.
    fn answer_probe(&self, request: &Request<Incoming>) -> Result<Response<Body>, Refusal> {
        *self.progress.lock() = Progress::Plain(Instant::now());
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if let Some(probe) = Probe::of_path(request.uri().path()).filter(|_| is_read) {
            if let Some(admission) = &self.guest.admission {
                admission.probe();
            }
            return Ok(self.guest.port.shared.node.probed(probe).response().map(whole));
        }
        let refusal = self.guest.only_probes.clone();
        Err(self.refused(refusal.unwrap_or_else(node_is_full)))
    }

    /// Grants a WebSocket, if nothing stands against it.
    async fn upgrade(&self, request: &http::request::Parts) -> Result<Response<Body>, Refusal> {
        let shared = &self.guest.port.shared;
        let config = shared.node.config();
        let now = Instant::now();
        if let Some(admission) = &self.guest.admission {
            admission.limited(&config.limits, now)?;
        }
        let transport = if self.guest.port.certificates.is_some() { Transport::Tls } else { Transport::Unknown };
        let answer = upgrade::check(request, &config, &shared.origins, transport)?;
        let peer = self.guest.peer.ip().to_canonical();
        let client = shared.forwarding.client(&request.headers, peer, &config.proxies_trusted);
        let place = match client {
            Some(client) => Some(shared.throttle.admit(client, &config.limits, now)?),
            None => self.guest.admission.as_ref().and_then(Admission::take),
        };
        let counted = Counted::new(&shared.connections, config.limits.connections).ok_or_else(node_is_full)?;
        let opening = upgrade::open(&*shared.node, request, client.unwrap_or(peer));
        // An identity provider that answers slowly must not cost the client its answer.
        let answer_by = self.guest.until.checked_sub(ANSWER_TIME).unwrap_or(self.guest.until);
        let opening = match timeout_at(answer_by, opening).await {
            Ok(opening) => Box::new(opening?),
            Err(_) => return Err(Refusal::token_unchecked()),
        };
        *self.progress.lock() = Progress::Upgrade(Granted { opening, places: (counted, place) });
        Ok(answer.map(|()| whole(Bytes::new())))
    }

    /// Lets the endpoint answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let now = Instant::now();
        *self.progress.lock() = Progress::Plain(now);
        let afterwards = self.admit(&request, now)?;
        let port = &self.guest.port;
        let scheme = if port.certificates.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let answer = timeout(ANSWER_WITHIN, port.endpoint.answer(request, self.guest.peer, scheme)).await;
        let mut answer = answer.map_err(|_| Refusal::unavailable("no answer in time", Duration::from_secs(1)))?;
        if afterwards == Afterwards::Close || now >= self.guest.until + LIFE {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    /// Counts a plain request against the rate of its key or address, and against the limits of its address, if they
    /// apply to it.
    fn admit(&self, request: &Request<Incoming>, now: Instant) -> Result<Afterwards, Refusal> {
        let shared = &self.guest.port.shared;
        let (node, path) = (&shared.node, request.uri().path());
        let limits = node.config().limits;
        let key = upgrade::bearer(request.headers()).and_then(|key| node.api_key(key));
        let asker = match &key {
            Some(name) => Some(Asker::Key(name)),
            None => self
                .address_of(request)
                .filter(|_| Probe::of_path(path).is_none())
                .map(|address| if is_monitored(path) { Asker::Monitor(address) } else { Asker::Address(address) }),
        };
        if let Some(asker) = asker {
            shared.rates.admit(asker, &limits, now).map_err(|after| {
                node.metrics().rate_limited(asker.limit());
                asks_too_often(asker, after)
            })?;
        }
        let Some(admission) = &self.guest.admission else { return Ok(Afterwards::Open) };
        if key.is_some() {
            admission.free();
            return Ok(Afterwards::Open);
        }
        if is_monitored(path) {
            return Ok(admission.probe());
        }
        admission.limited(&limits, now).map_err(|over| self.refused(over.into()))?;
        Ok(Afterwards::Open)
    }

    /// The address that a request counts against; none on the port for operators.
    fn address_of(&self, request: &Request<Incoming>) -> Option<IpAddr> {
        let (port, peer) = (&self.guest.port, self.guest.peer.ip().to_canonical());
        if port.service == PortService::Operators {
            return None;
        }
        let config = port.shared.node.config();
        Some(port.shared.forwarding.client_of_plain(request.headers(), peer, &config.proxies_trusted))
    }
}

fn asks_too_often(asker: Asker<'_>, after: Duration) -> Refusal {
    let detail = match asker {
        Asker::Key(_) => "this API key is used too often (limits.http_per_key_per_second)",
        Asker::Address(_) | Asker::Monitor(_) => "this address asks too often (limits.http_per_ip_per_second)",
    };
    Refusal::too_many(detail, after)
}

/// Whether this is what orchestrators and monitoring ask for, which must not fail because others of their address
/// (behind one NAT, say) are busy.
fn is_monitored(path: &str) -> bool {
    matches!(path, "/metrics" | "/health") || path.starts_with("/health/")
}

/// A body that is here already.
fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
