//! Runs the 301 Autobahn cases for the base protocol against the code that serves `/ws`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use gateway::{
    auth::{AuthError, Identity},
    config::Config,
    delivery::{frame::Frame, outbound::Outbound},
    edge::{accept::Listening, context::EdgeContext},
    http::Routes,
    metrics::Metrics,
    runtime::{memory::MemoryBudget, tasks::Tasks},
    session::{
        UpgradeInfo,
        connection_handler::{ConnectionHandler, ConnectionSummary},
    },
};
use poem::EndpointExt;
use tokio::time::Instant;

/// Echoes every text and binary message.
struct EchoHandler(Arc<Outbound>);

impl ConnectionHandler for EchoHandler {
    const BINARY: bool = true;

    async fn begin(&mut self) {}

    async fn receive(&mut self, text: &str) {
        self.0.push(Frame::text("other", text));
    }

    async fn receive_binary(&mut self, bytes: &[u8]) {
        self.0.push(Frame::binary(bytes));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    async fn on_deadline(&mut self) {}

    async fn end(self, _: ConnectionSummary) {}
}

/// Accepts every connection without a token.
struct EchoContext {
    config: Arc<Config>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    memory: Arc<MemoryBudget>,
}

impl EdgeContext for EchoContext {
    type Handler = EchoHandler;

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
        Err(AuthError::Unavailable)
    }

    fn new_handler(self: &Arc<Self>, outbound: Arc<Outbound>, _: UpgradeInfo) -> EchoHandler {
        EchoHandler(outbound)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_all_base_protocol_cases() {
    let mut config = Config::default();
    config.limits.message_bytes = 16 * 1024 * 1024;
    config.limits.outbound_queue = 64 * 1024 * 1024;
    config.listen = ([127, 0, 0, 1], 0).into();
    let (config, tasks, metrics) = (Arc::new(config), Tasks::default(), Arc::new(Metrics::new().unwrap()));
    let memory = MemoryBudget::new(usize::MAX);
    let echoes = Arc::new(EchoContext { config, tasks: tasks.clone(), metrics, memory });
    let nothing = poem::endpoint::make_sync(|_| http::StatusCode::NOT_FOUND).map_to_response().boxed();
    let listening = Listening::begin(&echoes, Routes { public: nothing.into(), internal: None }, None).unwrap();
    let port = listening.address.port();

    let report = tokio::task::spawn_blocking(move || run_suite(port)).await.unwrap();
    listening.stop();
    assert!(tasks.stop(Duration::from_secs(10)).await, "a connection task is still running");

    let mut failed = Vec::new();
    let mut passed = 0;
    for (case, outcome) in report {
        match outcome.as_str() {
            "OK" | "NON-STRICT" | "INFORMATIONAL" => passed += 1,
            other => failed.push(format!("{case}: {other}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    // Each case has two results: its behaviour, and how the connection was closed.
    assert_eq!(passed, 2 * 301);
}

/// Runs the suite and returns each case with its outcome.
fn run_suite(port: u16) -> Vec<(String, String)> {
    let out = tempfile::tempdir().unwrap();
    let run = Command::new(kosoku())
        .args([&format!("ws://127.0.0.1:{port}/ws"), "-p", "2", "-x", "12.*", "-x", "13.*", "-o"])
        .arg(out.path())
        .output()
        .unwrap();
    let printed = format!("{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let index = std::fs::read(out.path().join("index.json")).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let agents = index.as_object().unwrap().values();
    let cases = agents.flat_map(|agent| agent.as_object().unwrap());
    cases
        .flat_map(|(case, result)| {
            let outcome = |name: &str| result[name].as_str().unwrap_or("missing").to_owned();
            [(case.clone(), outcome("behavior")), (format!("{case} close"), outcome("behaviorClose"))]
        })
        .collect()
}

/// Returns the suite's program: the one that `cargo xtask test` names, or one installed into the target folder.
fn kosoku() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "xtask passes the path in this variable")]
    if let Ok(program) = std::env::var("GATEWAY_TEST_KOSOKU") {
        return program.into();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = target.join("kosoku/bin/kosoku");
    if !program.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(target.join("kosoku")).status().unwrap();
        assert!(made.success(), "python3 -m venv is needed for the Autobahn cases");
        let pip = target.join("kosoku/bin/pip");
        let installed = Command::new(pip).args(["install", "--quiet", "kosoku==0.1"]).status().unwrap();
        assert!(installed.success(), "the Autobahn cases are in kosoku 0.1, which PyPI has");
    }
    program
}
