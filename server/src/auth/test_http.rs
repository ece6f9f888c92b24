//! A local HTTP server for tests: sends configured responses, and counts and records requests.

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

use crate::runtime::tasks::Tasks;

pub(super) struct TestServer {
    pub(super) url: String,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    _tasks: Tasks,
}

struct Shared {
    hits: AtomicUsize,
    response: Mutex<(u16, String)>,
    requests: Mutex<Vec<serde_json::Value>>,
    /// The path that is redirected, and the target.
    redirect: Mutex<Option<(String, String)>>,
    arrived: watch::Sender<usize>,
}

impl TestServer {
    pub(super) async fn start(body: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            hits: AtomicUsize::new(0),
            response: Mutex::new((200, body.into())),
            requests: Mutex::default(),
            redirect: Mutex::default(),
            arrived: watch::channel(0).0,
        });
        let (open, gate) = watch::channel(true);
        let tasks = Tasks::default();
        let (accepting, serving) = (tasks.clone(), Arc::clone(&shared));
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, gate) = (Arc::clone(&serving), gate.clone());
                let service = service_fn(move |request| respond(Arc::clone(&shared), gate.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new();
                accepting.spawn(connection.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { url, shared, open, _tasks: tasks }
    }

    pub(super) fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<serde_json::Value> {
        self.shared.requests.lock().clone()
    }

    pub(super) fn respond_with(&self, status: u16, body: impl Into<String>) {
        *self.shared.response.lock() = (status, body.into());
    }

    /// Redirects requests for a path.
    pub(super) fn redirect(&self, path: &str, to: impl Into<String>) {
        *self.shared.redirect.lock() = Some((path.to_owned(), to.into()));
    }

    /// Holds back all responses until `release` is called.
    pub(super) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(super) fn release(&self) {
        self.open.send_replace(true);
    }

    /// Resolves when this number of requests has arrived in total.
    pub(super) async fn wait_for_requests(&self, requests: usize) {
        self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= requests).await.unwrap();
    }
}

async fn respond(
    shared: Arc<Shared>,
    mut gate: watch::Receiver<bool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let hits = shared.hits.fetch_add(1, Ordering::SeqCst) + 1;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    shared.requests.lock().extend(serde_json::from_slice::<serde_json::Value>(&body).ok());
    shared.arrived.send_replace(hits);
    gate.wait_for(|open| *open).await.ok();
    if let Some((_, to)) = shared.redirect.lock().as_ref().filter(|(from, _)| *from == path) {
        return Ok(Response::builder().status(302).header("location", to).body(Full::default()).unwrap());
    }
    let (status, body) = shared.response.lock().clone();
    Ok(Response::builder().status(status).body(Full::from(body)).unwrap())
}
