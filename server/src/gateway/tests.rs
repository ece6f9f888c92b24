//! A gateway whose parts die: it notices, is not ready any more, and ends.

use std::sync::Arc;

use futures_util::future::join_all;
use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_protocol::{GetPresence, SessionId, UserId};

use super::*;
use crate::{
    auth::{Grants, Identity},
    config::{Flags, Loaded, LogFormat, Secret},
    crypto,
    outbound::Outbound,
    services::Presences,
    session::{Comer, Session},
    store::{
        TokenClaims,
        failing::{FailingStore, Failure},
        memory::MemoryStore,
    },
};

/// How long what must happen may take, before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway on a store that can be broken.
struct Fragile {
    running: Running,
    store: Arc<FailingStore>,
    client: reqwest::Client,
}

impl Fragile {
    async fn start() -> Self {
        let mut config = Config::default();
        config.listen.set_port(0);
        config.store.url = Secret("memory".into());
        config.auth.jwt_secrets = vec![Secret("a secret of more than thirty-two bytes".into())];
        let (name, clock, supervisor) = (NodeName::new("n"), NodeClock::default(), Supervisor::default());
        let memory = MemoryStore::new(config.store_options(&name), clock.for_store());
        let store = Arc::new(FailingStore::around(memory));
        let Ok(prepared) = Prepared::new(&config) else { panic!("the configuration is valid") };
        let gateway = Identified { config, name, services: Vec::new() };
        let running = build(gateway, prepared, store.clone(), clock, supervisor).await.unwrap();
        Self { running, store, client: crypto::https_client().build().unwrap() }
    }

    /// The part that has died.
    async fn failed(&self) -> PartFailure {
        timeout(PATIENCE, self.running.failed()).await.expect("the death of a part is noticed")
    }

    async fn status(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.running.address());
        self.client.get(url).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn part_that_panics_turns_readiness_off() {
    for (operation, part) in [("pulse", "pulse"), ("sweep", "sweep")] {
        let gateway = Fragile::start().await;
        assert_eq!(gateway.status("/health/ready").await, 200);
        gateway.store.break_operation(operation, Failure::Panics);
        let failure = gateway.failed().await;
        assert_eq!((failure.part, &*failure.reason), (part, &*format!("{operation} is broken")));
        for path in ["/health", "/health/ready"] {
            assert_eq!(gateway.status(path).await, 503, "{part}: {path}");
        }
        assert_eq!(gateway.status("/health/live").await, 200);
    }
}

#[tokio::test]
async fn presence_that_panics_is_noticed() {
    let gateway = Fragile::start().await;
    gateway.store.break_operation("present", Failure::Panics);
    let node = &gateway.running.node;
    let grants = Arc::new(Grants { clans: vec!["*".into()], ..Grants::default() });
    let identity = Identity {
        user: UserId::new("a").unwrap(),
        device: None,
        expires_at: node.now(),
        grants,
        token: TokenClaims::default(),
    };
    let outbound = Arc::new(Outbound::new(1 << 20));
    let session = Session::new(SessionId::new("s").unwrap(), Comer::default(), identity, outbound, node.now());
    let get = GetPresence { clan_id: "c".to_owned().try_into().unwrap() };
    assert!(Presences::read(node, &session, &get).await.is_err());
    assert_eq!(gateway.failed().await.part, "presence");
}

#[tokio::test]
async fn part_that_dies_ends_the_gateway_with_an_error() {
    let gateway = Fragile::start().await;
    gateway.store.break_operation("pulse", Failure::Panics);
    let loaded = Loaded::read(&Flags { dev: true, ..Flags::default() }).unwrap();
    let log = crate::config::Log { level: "error".into(), format: LogFormat::Pretty, audit: false };
    let telemetry = crate::telemetry::init(&log).unwrap();
    let running = gateway.running.run_until_shutdown(Signals::listen().unwrap(), loaded, &telemetry);
    let ended = timeout(PATIENCE, running).await.expect("the death of a part ends the gateway");
    assert_eq!(ended.unwrap_err().part, "pulse");
}

#[tokio::test]
async fn parts_end_without_a_fault_when_the_gateway_is_asked_to() {
    let gateway = Fragile::start().await;
    gateway.running.drain_within(crate::config::Drain { delay: CLOSE, spread: CLOSE, grace: RESIGN }).await;
    assert_eq!(gateway.running.node.tasks.supervisor().failure(), None);
}

#[tokio::test]
async fn store_that_hangs_or_refuses_is_seen_by_its_write_path() {
    let gateway = Fragile::start().await;
    gateway.store.break_operation("probe", Failure::Hangs);
    let failed = async {
        while gateway.status("/health/ready").await != 503 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, failed).await.expect("a probe that hangs has failed");
}

#[tokio::test]
async fn store_is_probed_once_a_second_however_many_ask() {
    let gateway = Fragile::start().await;
    let began = std::time::Instant::now();
    let asked = (0..200).map(|n| gateway.status(if n % 2 == 0 { "/health" } else { "/health/ready" }));
    assert!(join_all(asked).await.iter().all(|status| *status == 200));
    let (probes, seconds) = (gateway.store.probes(), began.elapsed().as_secs());
    assert!((1..=seconds + 1).contains(&probes), "{probes} probes in {seconds} s");
}

/// Every part of a node that uses all that there is. Each is named in docs/operations.md in words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_is_watched() {
    let (store, bus) = tokio::task::spawn_blocking(|| (redis::shared().url(), rabbitmq::shared())).await.unwrap();
    let mut config = Config::default();
    config.listen.set_port(0);
    config.internal_listen = Some("127.0.0.1:0".parse().unwrap());
    config.store.url = Secret(store);
    config.store.prefix = "watched".into();
    config.bus.url = Secret(bus);
    config.bus.prefix = "watched".into();
    config.auth.jwt_secrets = vec![Secret("a secret of more than thirty-two bytes".into())];
    let running = Gateway::new(config.clone()).start().await.unwrap();
    let expected = [
        "bus listener",
        "clock",
        "condition",
        "inbound events",
        "internal port",
        "memory budget",
        "port",
        "presence",
        "pulse",
        "rabbitmq consumer",
        "rabbitmq publisher",
        "redis link",
        "sweep",
    ];
    assert_eq!(running.node.tasks.supervisor().parts(), expected);

    let directory = tempfile::tempdir().unwrap();
    config.store.url = Secret(format!("redb:{}", directory.path().join("a.redb").display()));
    config.bus.url = Secret("embedded".into());
    let running = Gateway::new(config).start().await.unwrap();
    let expected = [
        "bus listener",
        "clock",
        "condition",
        "internal port",
        "memory budget",
        "port",
        "presence",
        "pulse",
        "store writer",
        "sweep",
    ];
    assert_eq!(running.node.tasks.supervisor().parts(), expected);
}
