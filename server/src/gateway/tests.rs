//! Tests that the gateway detects a failed part, reports not ready, and ends.

use std::sync::Arc;

use futures_util::future::join_all;
use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_protocol::ClanId;

use super::*;
use crate::{
    config::{Flags, Loaded, LogFormat, Secret},
    crypto,
    store::{
        memory::MemoryStore,
        testing::failing::{FailingStore, Failure},
    },
};

/// The time limit for events that the tests wait for.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A gateway with a store whose operations can be made to fail.
struct GatewayOnFailingStore {
    running: Running,
    store: Arc<FailingStore>,
    client: reqwest::Client,
}

impl GatewayOnFailingStore {
    async fn start() -> Self {
        let mut config = Config::default();
        config.listen.set_port(0);
        config.store.url = Secret("memory".into());
        config.auth.jwt_secrets = vec![Secret("a secret of more than thirty-two bytes".into())];
        let (name, clock, supervisor) = (NodeName::new("n"), NodeClock::default(), Supervisor::default());
        let memory = MemoryStore::new(config.store_options(&name), clock.for_store());
        let store = Arc::new(FailingStore::around(memory));
        let Ok(prepared) = Prepared::new(&config) else { panic!("the configuration is valid") };
        let materials =
            Materials { config, name, services: Vec::new(), prepared, store: store.clone(), clock, supervisor };
        let running = build(materials).await.unwrap();
        Self { running, store, client: crypto::https_client().build().unwrap() }
    }

    /// Waits for a part to fail.
    async fn failed(&self) -> PartFailure {
        timeout(TIMEOUT, self.running.failed()).await.expect("a failed part is reported")
    }

    async fn status(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.running.address());
        self.client.get(url).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn reports_not_ready_after_a_part_panicked() {
    for (operation, part) in [("reconcile", "reconciliation"), ("sweep", "sweep")] {
        let gateway = GatewayOnFailingStore::start().await;
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
async fn reports_panic_of_presence() {
    let gateway = GatewayOnFailingStore::start().await;
    gateway.store.break_operation("present", Failure::Panics);
    let clan = ClanId::new("c").unwrap();
    assert!(gateway.running.parts.presence.clan_roster(&clan).await.is_err());
    assert_eq!(gateway.failed().await.part, "presence");
}

#[tokio::test]
async fn ends_with_an_error_after_a_part_failed() {
    let gateway = GatewayOnFailingStore::start().await;
    gateway.store.break_operation("reconcile", Failure::Panics);
    let loaded = Loaded::read(&Flags { dev: true, ..Flags::default() }).unwrap();
    let log = crate::config::Log { level: "error".into(), format: LogFormat::Pretty, audit: false };
    let telemetry = crate::telemetry::init(&log).unwrap();
    let running = gateway.running.run_until_shutdown(Signals::listen().unwrap(), loaded, &telemetry);
    let ended = timeout(TIMEOUT, running).await.expect("the gateway ends after a part has failed");
    assert_eq!(ended.unwrap_err().part, "reconciliation");
}

#[tokio::test]
async fn reports_no_failure_on_graceful_shutdown() {
    let gateway = GatewayOnFailingStore::start().await;
    gateway.running.drain_within(crate::config::Drain { delay: CLOSE, spread: CLOSE, grace: RESIGN }).await;
    assert_eq!(gateway.running.parts.tasks.supervisor().failure(), None);
}

#[tokio::test]
async fn reports_not_ready_when_the_store_probe_hangs() {
    let gateway = GatewayOnFailingStore::start().await;
    gateway.store.break_operation("probe", Failure::Hangs);
    let failed = async {
        while gateway.status("/health/ready").await != 503 {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, failed).await.expect("a hanging probe counts as failed");
}

#[tokio::test]
async fn probes_store_once_a_second_regardless_of_health_requests() {
    let gateway = GatewayOnFailingStore::start().await;
    let started = std::time::Instant::now();
    let requests = (0..200).map(|n| gateway.status(if n % 2 == 0 { "/health" } else { "/health/ready" }));
    assert!(join_all(requests).await.iter().all(|status| *status == 200));
    let (probes, seconds) = (gateway.store.probes(), started.elapsed().as_secs());
    assert!((1..=seconds + 1).contains(&probes), "{probes} probes in {seconds} s");
}

/// Compares the parts of nodes with all features enabled. docs/operations.md describes each of these parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supervises_every_part() {
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
        "dead letter publisher",
        "escalations",
        "inbound consumer",
        "inbound events",
        "internal port",
        "keys of identity providers",
        "memory budget",
        "outbox publisher",
        "port",
        "presence",
        "rabbitmq consumer",
        "rabbitmq publisher",
        "reconciliation",
        "redis appends",
        "redis broadcasts",
        "redis link",
        "server-side subscriptions",
        "sweep",
    ];
    assert_eq!(running.parts.tasks.supervisor().parts(), expected);

    let directory = tempfile::tempdir().unwrap();
    config.store.url = Secret(format!("redb:{}", directory.path().join("a.redb").display()));
    config.bus.url = Secret("embedded".into());
    let running = Gateway::new(config).start().await.unwrap();
    let expected = [
        "bus listener",
        "clock",
        "condition",
        "escalations",
        "internal port",
        "keys of identity providers",
        "memory budget",
        "port",
        "presence",
        "reconciliation",
        "server-side subscriptions",
        "store writer",
        "sweep",
    ];
    assert_eq!(running.parts.tasks.supervisor().parts(), expected);
}

#[tokio::test]
async fn refuses_two_services_with_one_name() {
    struct Named(&'static str);
    impl Service for Named {
        fn name(&self) -> ServiceName {
            ServiceName::new(self.0).unwrap()
        }
    }
    for (first, second) in [("orders", "orders"), ("orders", "clan_chat"), ("notifications", "orders")] {
        let mut config = Config::default();
        config.listen.set_port(0);
        config.store.url = Secret("memory".into());
        config.auth.jwt_secrets = vec![Secret("a secret of more than thirty-two bytes".into())];
        let started = Gateway::new(config).service(Named(first)).service(Named(second)).start().await;
        let Err(StartError::ServiceName(name)) = started else { panic!("{first} and {second} were accepted") };
        assert!([first, second].contains(&name.as_str()));
    }
}
