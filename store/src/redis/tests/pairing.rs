//! A proxy between the gateway and Redis loses a request, so that every later reply is read for the wrong request.
//! Every such reply is rejected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use realtime_gateway_brokers::redis::{Persistence, RedisServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{RedisOptions, TestNode, eventually};
use crate::{
    Log, StoreError,
    testing::conformance::{ALL, entry_at, topic},
};

/// A proxy that forwards everything, except for one request that the test chooses.
struct Proxy {
    port: u16,
    loses_next_append: Arc<AtomicBool>,
    lost: Arc<Notify>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "the runtime of the test ends these tasks")]
    async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), server.port());
        let (loses_next_append, lost) = (Arc::<AtomicBool>::default(), Arc::<Notify>::default());
        let proxy = Self { port, loses_next_append: loses_next_append.clone(), lost: lost.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let (loses, lost) = (loses_next_append.clone(), lost.clone());
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        let bytes = &buffer[..read];
                        let is_append = bytes.windows(4).any(|word| word == b"LOST");
                        if is_append && loses.swap(false, Ordering::AcqRel) {
                            lost.notify_one();
                        } else if to_server.write_all(bytes).await.is_err() {
                            break;
                        }
                    }
                });
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            }
        });
        proxy
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_reply_of_another_request() {
    let server = RedisServer::start(Persistence::Always);
    let proxy = Proxy::before(&server).await;
    let options = RedisOptions::new(&format!("redis://127.0.0.1:{}", proxy.port), "own");
    let node = TestNode::join(&options, "a").await;
    let append = async |body: String| node.store.append(entry_at(SystemTime::now().into(), "a", &body)).await;
    append("before".into()).await.unwrap();

    for round in 0..5 {
        proxy.loses_next_append.store(true, Ordering::Release);
        let later = async {
            tokio::time::timeout(Duration::from_secs(5), proxy.lost.notified()).await.unwrap();
            // Redis answers this one, and the reply is read for the lost request.
            append(format!("later-{round}")).await
        };
        let (lost, later) = tokio::join!(append(format!("LOST-{round}")), later);
        let problem = lost.expect_err("Redis never saw this request");
        assert!(matches!(&problem, StoreError::Unavailable(reason) if reason.contains("another request")), "{problem}");
        if let Ok(appended) = later {
            let page = node.store.read(&topic("a"), appended.offset - 1, ALL).await.unwrap();
            assert_eq!(page.entries[0].body, format!("later-{round}"), "confirmed with the offset of another entry");
        }
        // The connection is replaced, and everything works again.
        eventually("an append", async || append(format!("after-{round}")).await.is_ok()).await;
    }
    let entries = node.store.read(&topic("a"), 0, ALL).await.unwrap().entries;
    assert!(entries.iter().all(|entry| !entry.body.starts_with(b"LOST")));
    for round in 0..5 {
        let after = format!("after-{round}");
        assert!(entries.iter().any(|entry| entry.body == after), "{after} was confirmed and is missing");
    }
}
