//! A local HTTP server for tests: answers as it is told, counts, remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::watch};

use crate::drain::Tasks;

pub(super) struct TestServer {
    pub(super) url: String,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    _tasks: Tasks,
}

struct Shared {
    hits: AtomicUsize,
    answer: Mutex<(u16, String)>,
    asked: Mutex<Vec<serde_json::Value>>,
    /// The path that is redirected, and where to.
    redirect: Mutex<Option<(String, String)>>,
    arrived: watch::Sender<usize>,
}

impl TestServer {
    pub(super) async fn start(body: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            hits: AtomicUsize::new(0),
            answer: Mutex::new((200, body.into())),
            asked: Mutex::default(),
            redirect: Mutex::default(),
            arrived: watch::channel(0).0,
        });
        let (open, gate) = watch::channel(true);
        let tasks = Tasks::default();
        let (accepting, serving) = (tasks.clone(), Arc::clone(&shared));
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, gate) = (Arc::clone(&serving), gate.clone());
                let service = service_fn(move |request| answer(Arc::clone(&shared), gate.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new();
                accepting.spawn(connection.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { url, shared, open, _tasks: tasks }
    }

    pub(super) fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    pub(super) fn asked(&self) -> Vec<serde_json::Value> {
        self.shared.asked.lock().clone()
    }

    pub(super) fn answers(&self, status: u16, body: impl Into<String>) {
        *self.shared.answer.lock() = (status, body.into());
    }

    /// Requests for a path are redirected.
    pub(super) fn redirects(&self, path: &str, to: impl Into<String>) {
        *self.shared.redirect.lock() = Some((path.to_owned(), to.into()));
    }

    /// Requests arrive, but get no answer until `release`.
    pub(super) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(super) fn release(&self) {
        self.open.send_replace(true);
    }

    /// Resolves when so many requests have arrived in all.
    pub(super) async fn arrived(&self, requests: usize) {
        self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= requests).await.unwrap();
    }
}

async fn answer(
    shared: Arc<Shared>,
    mut gate: watch::Receiver<bool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let hits = shared.hits.fetch_add(1, Ordering::SeqCst) + 1;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    shared.asked.lock().extend(serde_json::from_slice::<serde_json::Value>(&body).ok());
    shared.arrived.send_replace(hits);
    gate.wait_for(|open| *open).await.ok();
    if let Some((_, to)) = shared.redirect.lock().as_ref().filter(|(from, _)| *from == path) {
        return Ok(Response::builder().status(302).header("location", to).body(Full::default()).unwrap());
    }
    let (status, body) = shared.answer.lock().clone();
    Ok(Response::builder().status(status).body(Full::from(body)).unwrap())
}
