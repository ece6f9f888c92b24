//! The HTTP part of a socket's life: plain requests go to a poem endpoint, and one for `/ws` ends it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{Counted, Guest, Place, node_is_full};
use crate::{
    conversation::Reception,
    http::Body,
    router::Opening,
    upgrade::{self, Refusal},
};

/// Within which the head of a request must be complete, also of one that follows another.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// What is left of `limits.handshake_timeout` to send an answer that refuses a WebSocket.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// Within which an endpoint must answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// For how long a socket may be used for one request after the other.
const LIFE: Duration = Duration::from_secs(60);
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
}

/// How far an exchange has come.
enum Progress {
    /// No request was read yet, or one for a WebSocket is being looked into.
    Handshake,
    /// A plain request came, so this is no handshake.
    Plain,
    /// The answer that grants a WebSocket is under way.
    Upgrade(Granted),
}

impl<R: Reception> Exchange<R> {
    pub(super) fn new(guest: Guest<R>) -> Self {
        Self(Arc::new(State { guest, progress: Mutex::new(Progress::Handshake) }))
    }

    /// Answers requests until there are no more; gives the socket back for a WebSocket, with what was read behind the request.
    pub(super) async fn run<S>(self, socket: S) -> Option<(S, Bytes, Granted)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let state = Arc::clone(&self.0);
        let mut http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(64)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(socket), self);
        let ended = {
            let mut stopped = pin!(state.guest.port.shared.stop.cancelled());
            let mut timer = pin!(sleep_until(state.guest.until));
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
                    if late && (last || matches!(*state.progress.lock(), Progress::Handshake)) {
                        return Poll::Ready(None);
                    }
                    // A socket that has been used for long, or until the gateway stops, ends with the answer under way.
                    let now = Instant::now();
                    last = stops || now >= state.guest.until + LIFE;
                    timer.as_mut().reset(if last { now + ANSWER_WITHIN } else { state.guest.until + LIFE });
                    if last {
                        Pin::new(&mut http).graceful_shutdown();
                    }
                }
            })
            .await
        };
        let Some(ended) = ended else {
            tracing::debug!("a socket was closed: no request in time");
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
        let progress = std::mem::replace(&mut *state.progress.lock(), Progress::Plain);
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
            let answer = if state.guest.port.websocket && request.uri().path() == "/ws" {
                state.upgrade(&request.into_parts().0).await.inspect_err(|refusal| {
                    let metrics = state.guest.port.shared.node.metrics();
                    metrics.connections_total.with_label_values(&[refusal.outcome]).inc();
                })
            } else {
                state.answer(request).await
            };
            Ok(answer.unwrap_or_else(|refusal| refusal.response().map(whole)))
        })
    }
}

impl<R: Reception> State<R> {
    /// Grants a WebSocket, if nothing stands against it.
    async fn upgrade(&self, request: &http::request::Parts) -> Result<Response<Body>, Refusal> {
        let shared = &self.guest.port.shared;
        let config = shared.node.config();
        let answer = upgrade::check(request, &config, &shared.origins)?;
        let peer = self.guest.peer.ip().to_canonical();
        let client = shared.forwarding.client(&request.headers, peer, &config.proxies_trusted);
        let place = match client {
            Some(client) => Some(shared.throttle.admit(client, &config.limits, Instant::now())?),
            None => None,
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
        *self.progress.lock() = Progress::Plain;
        let port = &self.guest.port;
        let scheme = if port.certificates.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let answer = timeout(ANSWER_WITHIN, port.endpoint.answer(request, self.guest.peer, scheme)).await;
        answer.map_err(|_| Refusal::unavailable("no answer in time", Duration::from_secs(1)))
    }
}

/// A body that is here already.
fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
