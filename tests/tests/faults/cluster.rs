//! A cluster for fault cases: nodes that reach one Redis, and RabbitMQ if the case has one, through fault proxies, behind a
//! load balancer.

use std::time::Duration;

use realtime_gateway_brokers::{
    rabbitmq::RabbitServer,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_tests::{FaultProxy, Gateway, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// The servers and nodes of a case.
pub(crate) struct Cluster {
    pub(crate) redis: RedisServer,
    /// The broker of backend services. Without one, backend services use HTTP.
    pub(crate) rabbit: Option<RabbitServer>,
    pub(crate) nodes: Vec<Gateway>,
    /// The proxy between each node and Redis.
    pub(crate) to_redis: Vec<FaultProxy>,
    /// The proxy between each node and the broker, if there is one.
    pub(crate) to_rabbit: Vec<FaultProxy>,
    /// The load balancer to which clients connect.
    pub(crate) front: FaultProxy,
}

impl Cluster {
    /// Starts a cluster of `nodes` nodes on new servers.
    pub(crate) async fn start(nodes: usize) -> Self {
        Self::with(nodes, Settings::default()).await
    }

    /// Starts a cluster of `nodes` nodes with changed settings.
    pub(crate) async fn with(nodes: usize, settings: Settings) -> Self {
        Self::next_to(Some(run_blocking(RabbitServer::start).await), nodes, settings).await
    }

    /// Starts a cluster of `nodes` nodes that share a Redis and nothing else.
    pub(crate) async fn on_redis_alone(nodes: usize, settings: Settings) -> Self {
        Self::next_to(None, nodes, settings).await
    }

    async fn next_to(rabbit: Option<RabbitServer>, nodes: usize, settings: Settings) -> Self {
        let redis = run_blocking(|| RedisServer::start(Persistence::Always)).await;
        let to_redis = format!("127.0.0.1:{}", redis.port());
        let url = |link: &FaultProxy| format!("redis://{}", link.address());
        Self::on(redis, rabbit, (&to_redis, url), nodes, settings).await
    }

    /// Starts a cluster whose Redis primary is determined by these Sentinels.
    pub(crate) async fn behind_sentinels(
        redis: RedisServer,
        sentinels: &[RedisServer],
        rabbit: Option<RabbitServer>,
        nodes: usize,
    ) -> Self {
        let hosts: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        let (hosts, to_redis) = (hosts.join(","), format!("127.0.0.1:{}", redis.port()));
        let url = |_: &FaultProxy| format!("redis+sentinel://{hosts}/main");
        Self::on(redis, rabbit, (&to_redis, url), nodes, Settings::default()).await
    }

    async fn on(
        redis: RedisServer,
        rabbit: Option<RabbitServer>,
        (to_redis, url): (&str, impl Fn(&FaultProxy) -> String),
        nodes: usize,
        settings: Settings,
    ) -> Self {
        let broker = rabbit.as_ref().map(|rabbit| format!("127.0.0.1:{}", rabbit.port()));
        let mut cluster = Self {
            redis,
            rabbit,
            nodes: vec![],
            to_redis: vec![],
            to_rabbit: vec![],
            front: FaultProxy::balancing(vec![]).await,
        };
        for n in 0..nodes {
            let to_redis = FaultProxy::to(to_redis).await;
            let mut bus = "embedded".to_owned();
            if let Some(broker) = &broker {
                let to_rabbit = FaultProxy::to(broker).await;
                bus = format!("amqp://{}", to_rabbit.address());
                cluster.to_rabbit.push(to_rabbit);
            }
            let settings = node_settings(settings.clone(), n, &url(&to_redis), &bus);
            cluster.nodes.push(Gateway::with(settings).await);
            cluster.to_redis.push(to_redis);
        }
        cluster.front =
            FaultProxy::balancing(cluster.nodes.iter().map(|node| node.address().to_owned()).collect()).await;
        cluster
    }

    /// Returns the broker's URL for backend services, which bypasses the fault proxies.
    pub(crate) fn amqp(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.broker().port())
    }

    /// Returns the broker of a case that has one.
    pub(crate) fn broker(&self) -> &RabbitServer {
        self.rabbit.as_ref().expect("the case has a broker")
    }

    /// Returns the health document of a node.
    pub(crate) async fn health(&self, node: usize) -> serde_json::Value {
        self.nodes[node].api().health().await
    }

    /// Returns the value of a node's metric.
    pub(crate) async fn metric(&self, node: usize, name: &str) -> f64 {
        let api = self.nodes[node].api();
        let text = api.call(reqwest::Method::GET, "/metrics", None).await.text().await.unwrap();
        text.lines().find_map(|link| link.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Returns the number of messages in the dead letter queue.
    pub(crate) async fn dead_letters(&self) -> u64 {
        crate::backend::queue_length(&self.amqp(), "gateway.dead_letter").await.unwrap()
    }

    /// Ends every connection that has subscribed to channels of Redis, again and again until it is dropped, so that nodes
    /// hardly ever receive each other's messages. Commands have other connections.
    pub(crate) async fn keep_cutting_channel(&self) {
        self.keep_ending_connections("pubsub", Duration::from_millis(10)).await;
    }

    /// Ends every connection to Redis of a type, `pubsub` or `normal`, and again after each pause, until it is dropped.
    pub(crate) async fn keep_ending_connections(&self, kind: &str, pause: Duration) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.redis.port())).await.unwrap();
        let mut answer = [0; 64];
        loop {
            connection.write_all(format!("CLIENT KILL TYPE {kind}\r\n").as_bytes()).await.unwrap();
            let length = connection.read(&mut answer).await.unwrap();
            assert!(answer[..length].starts_with(b":"), "{}", String::from_utf8_lossy(&answer[..length]));
            sleep(pause).await;
        }
    }

    /// Runs a blocking action on the broker without blocking the tasks of the load.
    pub(crate) fn with_broker(&mut self, action: impl FnOnce(&mut RabbitServer) + Send) {
        tokio::task::block_in_place(|| action(self.rabbit.as_mut().expect("the case has a broker")));
    }

    /// Runs a blocking action on Redis without blocking the tasks of the load.
    pub(crate) fn with_redis(&mut self, action: impl FnOnce(&mut RedisServer) + Send) {
        tokio::task::block_in_place(|| action(&mut self.redis));
    }
}

/// Runs a blocking function on a separate thread.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Returns the settings of node `n` on shared servers.
pub(crate) fn node_settings(settings: Settings, n: usize, store: &str, bus: &str) -> Settings {
    settings
        .set("node_id", &format!("\"node-{n}\""))
        .set("store.url", &format!("\"{store}\""))
        .set("bus.url", &format!("\"{bus}\""))
        .set("limits.connections_per_ip", "100000")
}
