//! No bytes make the front door panic or keep a socket: as the first bytes of a socket, and behind a handshake.
#![no_main]

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use gateway::{edge::{accept::Listening, context::EdgeContext}, auth::{AuthError, Identity}, config::Config, runtime::{tasks::Tasks, memory::MemoryBudget}, delivery::{frame::Frame, outbound::Outbound}, http::Routes, metrics::Metrics, session::{UpgradeInfo, connection_handler::{ConnectionHandler, ConnectionSummary}}};
use libfuzzer_sys::fuzz_target;
use poem::{EndpointExt, http::StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::{Instant, timeout},
};

const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Says everything back.
struct Echo(Arc<Outbound>);

impl ConnectionHandler for Echo {
    async fn begin(&mut self) {}

    async fn receive(&mut self, text: &str) {
        self.0.push(Frame::text("other", text));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    async fn on_deadline(&mut self) {}

    async fn end(self, _: ConnectionSummary) {}
}

struct Echoes {
    config: Arc<Config>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    memory: Arc<MemoryBudget>,
}

impl EdgeContext for Echoes {
    type Handler = Echo;

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    async fn verify(&self, _: &str, _: IpAddr) -> Result<Identity, AuthError> {
        Err(AuthError::Invalid("there are no keys"))
    }

    fn new_handler(self: &Arc<Self>, outbound: Arc<Outbound>, _: UpgradeInfo) -> Echo {
        Echo(outbound)
    }
}

/// One door for all inputs, and the thread's runtime that it runs on.
static DOOR: LazyLock<(Runtime, SocketAddr)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    config.limits.connects_per_ip_per_minute = usize::MAX;
    config.limits.connections_per_ip = usize::MAX;
    let metrics = Arc::new(Metrics::new().unwrap());
    let memory = MemoryBudget::new(usize::MAX);
    let echoes = Arc::new(Echoes { config: Arc::new(config), tasks: Tasks::default(), metrics, memory });
    let nothing = poem::endpoint::make_sync(|_| StatusCode::NOT_FOUND).map_to_response().boxed();
    let routes = Routes { public: nothing.into(), internal: None };
    let listening = runtime.block_on(async { Listening::begin(&echoes, routes, None) }).unwrap();
    let address = listening.address;
    std::mem::forget(listening);
    (runtime, address)
});

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (behind_a_handshake, bytes) = input;
    let (runtime, address) = &*DOOR;
    runtime.block_on(async {
        let socket = TcpStream::connect(address).await.unwrap();
        // So that the ports of ended connections can be reused immediately.
        socket.set_zero_linger().unwrap();
        let (mut reader, mut writer) = socket.into_split();
        let write = async {
            if behind_a_handshake {
                let _ = writer.write_all(HANDSHAKE).await;
            }
            let _ = writer.write_all(&bytes).await;
            let _ = writer.shutdown().await;
        };
        let mut answer = Vec::new();
        let read = async {
            let _ = reader.read_to_end(&mut answer).await;
        };
        let ended = timeout(Duration::from_secs(8), async { tokio::join!(write, read) }).await;
        assert!(ended.is_ok(), "the socket was kept");
        if behind_a_handshake {
            assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        }
    });
});
