//! Several nodes on one Redis and one RabbitMQ, each reached over a line of its own, and a balancer before them.

use realtime_gateway_brokers::{
    rabbitmq::RabbitServer,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_tests::{Gateway, Line, Settings};

/// What a case runs on.
pub(crate) struct Cluster {
    pub(crate) redis: RedisServer,
    pub(crate) rabbit: RabbitServer,
    pub(crate) nodes: Vec<Gateway>,
    /// What each node knows as its Redis.
    pub(crate) to_redis: Vec<Line>,
    /// What each node knows as its broker.
    pub(crate) to_rabbit: Vec<Line>,
    /// What clients know as the gateway.
    pub(crate) front: Line,
}

impl Cluster {
    /// Begins so many nodes on fresh servers.
    pub(crate) async fn start(nodes: usize) -> Self {
        Self::with(nodes, Settings::default()).await
    }

    /// Begins so many nodes with some settings changed.
    pub(crate) async fn with(nodes: usize, settings: Settings) -> Self {
        let (redis, rabbit) = apart(|| (RedisServer::start(Persistence::Always), RabbitServer::start())).await;
        let to_redis = format!("127.0.0.1:{}", redis.port());
        let url = |line: &Line| format!("redis://{}", line.address());
        Self::on(redis, rabbit, (&to_redis, url), nodes, settings).await
    }

    /// Begins nodes whose Redis is chosen by these Sentinels.
    pub(crate) async fn behind_sentinels(redis: RedisServer, sentinels: &[RedisServer], nodes: usize) -> Self {
        let rabbit = apart(RabbitServer::start).await;
        let hosts: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        let (hosts, to_redis) = (hosts.join(","), format!("127.0.0.1:{}", redis.port()));
        let url = |_: &Line| format!("redis+sentinel://{hosts}/main");
        Self::on(redis, rabbit, (&to_redis, url), nodes, Settings::default()).await
    }

    async fn on(
        redis: RedisServer,
        rabbit: RabbitServer,
        (to_redis, url): (&str, impl Fn(&Line) -> String),
        nodes: usize,
        settings: Settings,
    ) -> Self {
        let broker = format!("127.0.0.1:{}", rabbit.port());
        let mut cluster =
            Self { redis, rabbit, nodes: vec![], to_redis: vec![], to_rabbit: vec![], front: Line::over(vec![]).await };
        for n in 0..nodes {
            let (to_redis, to_rabbit) = (Line::to(to_redis).await, Line::to(&broker).await);
            let settings =
                node_settings(settings.clone(), n, &url(&to_redis), &format!("amqp://{}", to_rabbit.address()));
            cluster.nodes.push(Gateway::with(settings).await);
            cluster.to_redis.push(to_redis);
            cluster.to_rabbit.push(to_rabbit);
        }
        cluster.front = Line::over(cluster.nodes.iter().map(|node| node.address().to_owned()).collect()).await;
        cluster
    }

    /// Where backend services reach the broker.
    pub(crate) fn amqp(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.rabbit.port())
    }

    /// What a node tells of itself.
    pub(crate) async fn health(&self, node: usize) -> serde_json::Value {
        self.nodes[node].api().health().await
    }

    /// A counter of a node.
    pub(crate) async fn metric(&self, node: usize, name: &str) -> f64 {
        let api = self.nodes[node].api();
        let text = api.call(reqwest::Method::GET, "/metrics", None).await.text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// How many events the gateway could not accept.
    pub(crate) async fn dead_letters(&self) -> u64 {
        crate::backend::waiting(&self.amqp(), "gateway.dead_letter").await.unwrap()
    }

    /// Does something that waits for processes, away from the tasks that serve the load.
    pub(crate) fn broker(&mut self, hurt: impl FnOnce(&mut RabbitServer) + Send) {
        tokio::task::block_in_place(|| hurt(&mut self.rabbit));
    }

    /// The same for Redis.
    pub(crate) fn store(&mut self, hurt: impl FnOnce(&mut RedisServer) + Send) {
        tokio::task::block_in_place(|| hurt(&mut self.redis));
    }
}

/// Runs something that blocks on a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The settings of a node on shared servers.
pub(crate) fn node_settings(settings: Settings, n: usize, store: &str, bus: &str) -> Settings {
    settings
        .set("node_id", &format!("\"node-{n}\""))
        .set("store.url", &format!("\"{store}\""))
        .set("bus.url", &format!("\"{bus}\""))
        .set("limits.connections_per_ip", "100000")
}
