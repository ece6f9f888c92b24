//! The bare loop, the baseline of the benchmarks: a server that only writes one pre-encoded frame to every socket of a
//! room.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpListener,
    sync::mpsc,
};

type Rooms = Arc<Mutex<HashMap<String, Vec<mpsc::Sender<Bytes>>>>>;

/// Serves until the process is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        let rooms = Rooms::default();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let rooms = rooms.clone();
            spawn(async move {
                let service = service_fn(|request| ready(upgrade(request, &rooms)));
                // The client reports a connection that fails during a benchmark.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "the tasks of the bare loop end with its process")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

fn upgrade(mut request: Request<Incoming>, rooms: &Rooms) -> Result<Response<Empty<Bytes>>, std::convert::Infallible> {
    let room = request.uri().query().unwrap_or_default().to_owned();
    let upgraded = hyper::upgrade::on(&mut request);
    let rooms = rooms.clone();
    spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let (reading, writing) = tokio::io::split(TokioIo::new(upgraded));
            let (sender, receiver) = mpsc::channel(65_536);
            rooms.lock().unwrap().entry(room.clone()).or_default().push(sender);
            spawn(write(writing, receiver));
            read(reading, &room, &rooms).await;
        }
    });
    let response = Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    Ok(response.body(Empty::new()).unwrap())
}

/// Writes each frame with one write call.
async fn write(mut socket: WriteHalf<TokioIo<Upgraded>>, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if socket.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// Sends the same frame to every client in the room for each message of a client.
async fn read(mut socket: ReadHalf<TokioIo<Upgraded>>, room: &str, rooms: &Rooms) {
    let mut frame = vec![0x81, 126, 1, 44];
    frame.extend_from_slice(&[b'x'; 300]);
    let frame = Bytes::from(frame);
    let mut buffer = vec![0; 64 * 1024];
    let mut left = 0;
    while let Ok(read @ 1..) = socket.read(&mut buffer).await {
        left += read;
        // A message of a benchmark client has 128 bytes, so its masked frame has 136.
        while left >= 136 {
            left -= 136;
            let senders = rooms.lock().unwrap().get(room).cloned().unwrap_or_default();
            for sender in senders {
                if sender.send(frame.clone()).await.is_err() {
                    return;
                }
            }
        }
    }
}
