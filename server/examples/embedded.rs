//! The gateway inside another Rust program: configured in code, with a service that uses the program's own state.
//!
//! ```sh
//! cargo run -p realtime-gateway-server --example embedded -- 127.0.0.1:4000
//! ```
//!
//! It prints a line with the address, and one with a token for each player. A client that connects with a token
//! subscribes to the service `score` and publishes points; all players get the new total of the program's scoreboard:
//!
//! ```json
//! {"type":"subscribe","service":"score","topic":"match-1"}
//! {"type":"publish","service":"score","topic":"match-1","data":5}
//! ```
//!
//! SIGTERM and Ctrl-C end it: the clients are asked to reconnect, and the store is closed.
#![expect(clippy::print_stdout, reason = "those lines are what it is for")]

use std::{
    collections::{BTreeMap, HashMap},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use gateway::{
    auth::{Mint, mint},
    command_error::CommandError,
    config::{Auth, Config, Drain, Secret, Store},
    gateway::Gateway,
    service::Service,
};
use parking_lot::Mutex;
use realtime_gateway_protocol::{ErrorCode, RawJson, ServiceName, TopicName, UserId};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};

/// The program's own state, which the gateway's service shares with all else that the program does.
#[derive(Default)]
struct Scoreboard(Mutex<HashMap<String, u64>>);

impl Scoreboard {
    /// Adds points and returns the player's total.
    fn add(&self, player: &str, points: u64) -> u64 {
        let mut totals = self.0.lock();
        let total = totals.entry(player.to_owned()).or_default();
        *total = total.saturating_add(points);
        *total
    }
}

struct Scores(Arc<Scoreboard>);

#[async_trait]
impl Service for Scores {
    fn name(&self) -> ServiceName {
        #[expect(clippy::expect_used, reason = "the name is valid")]
        ServiceName::new("score").expect("a valid name")
    }

    async fn publish(&self, from: &UserId, _topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let points: u64 = data.decode().map_err(|_| CommandError::field("data", "how many points"))?;
        let total = self.0.add(from.as_str(), points);
        RawJson::encode(&serde_json::json!({ "player": from.as_str(), "total": total }))
            .map_err(|_| CommandError::new(ErrorCode::Internal, "internal error"))
    }
}

/// What is not set here has the defaults of the README's table. A program with a configuration file of the gateway's form
/// reads that with `gateway::config::Loaded`.
fn configuration(listen: &str) -> anyhow::Result<Config> {
    // A secret of this process alone, which both signs and verifies the tokens.
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|_| anyhow!("the operating system gives no random bytes"))?;
    let secret = Secret(secret.iter().map(|byte| format!("{byte:02x}")).collect());
    let defaults = Config::default();
    Ok(Config {
        listen: listen.parse().context("the first argument is an address such as 127.0.0.1:4000")?,
        // Entries last as long as the process. A path keeps them: `redb:./data/gateway.redb`.
        store: Store { url: Secret("memory".to_owned()), ..defaults.store },
        auth: Auth { jwt_secrets: vec![secret], ..defaults.auth },
        drain: Drain { delay: Duration::ZERO, spread: Duration::from_secs(1), grace: Duration::from_secs(5) },
        ..defaults
    })
}

/// A token of a player, who may use every topic of the service.
fn token(auth: &Auth, player: &str) -> anyhow::Result<String> {
    let topics = BTreeMap::from([("score".to_owned(), vec!["*".to_owned()])]);
    let user = UserId::new(player)?;
    let claims = Mint {
        user,
        clans: Vec::new(),
        topics,
        calls: BTreeMap::new(),
        subscribe: Vec::new(),
        device: None,
        ttl: Duration::from_secs(3600),
    };
    Ok(mint(auth, &claims)?.token)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    // Before the start, so that a signal during it is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let config = configuration(&listen)?;
    let auth = config.auth.clone();
    let scoreboard = Arc::new(Scoreboard::default());

    let running = Gateway::new(config).service(Scores(scoreboard.clone())).start().await?;
    println!("{}", serde_json::json!({ "url": format!("ws://{}/ws", running.address()) }));
    for player in ["alice", "bob"] {
        println!("{}", serde_json::json!({ "player": player, "token": token(&auth, player)? }));
    }

    // Here the program does its own work, on the same runtime.
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = running.failed() => Some(failure),
    };
    running.shut_down().await;
    println!("{}", serde_json::json!({ "totals": *scoreboard.0.lock() }));
    match failed {
        // Whatever started this program starts it again.
        Some(failure) => Err(failure.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}
