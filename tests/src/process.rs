//! A gateway in a process of its own, on a port of its own, with a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use realtime_gateway_brokers::{FakeClock, ReservedPort};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

use crate::{Api, SECRET, eventually, must};

/// What a story changes of the configuration: lines of TOML, section by section.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<String>);

impl Settings {
    /// Sets a key such as `limits.burst` to a TOML value such as `5` or `"memory"`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.0.push(format!("{key} = {value}"));
        self
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    program: Program,
    /// Its own also while it restarts.
    port: Arc<ReservedPort>,
    address: String,
    dir: Arc<TempDir>,
    settings: Settings,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// Starts one with the defaults of the stories: a durable store, generous limits.
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// Starts one with some settings changed.
    pub async fn with(settings: Settings) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let program = Program::serving(gateway_program());
        Self::launch(program, dir, settings, Arc::new(ReservedPort::take())).await
    }

    /// Starts one that goes by this wall clock.
    pub async fn with_clock(settings: Settings, clock: &FakeClock) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let program = Program { environment: clock.environment(), ..Program::serving(gateway_program()) };
        Self::launch(program, dir, settings, Arc::new(ReservedPort::take())).await
    }

    /// Starts the example of a gateway with a service of its own.
    pub async fn custom_service() -> Self {
        Self::custom_service_with(Settings::default()).await
    }

    /// Starts that example with some settings changed.
    pub async fn custom_service_with(settings: Settings) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let program = option_env!("CARGO_BIN_EXE_custom-service-under-test");
        Self::launch(Program::at(program, "custom-service-under-test"), dir, settings, Arc::new(ReservedPort::take()))
            .await
    }

    /// Starts that example as its documentation says, without arguments.
    pub async fn custom_service_without_arguments() -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let program = option_env!("CARGO_BIN_EXE_custom-service-under-test");
        let program = Program { arguments: &[], ..Program::at(program, "custom-service-under-test") };
        Self::launch(program, dir, Settings::default(), Arc::new(ReservedPort::take())).await
    }

    /// Starts it anew on the same port and the same data, after it was killed or has gone.
    pub async fn restart(&mut self) {
        let (program, port) = (self.program.clone(), self.port.clone());
        *self = Self::launch(program, self.dir.clone(), self.settings.clone(), port).await;
    }

    /// Runs a command of the gateway's program to its end.
    pub async fn run_once(settings: Settings, command: &str) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        std::fs::write(&config, configuration(&dir.path().join("gateway.redb"), &settings, "127.0.0.1:0")).unwrap();
        let program = Program::at(option_env!("CARGO_BIN_EXE_gateway-under-test"), "gateway-under-test");
        let mut run = Command::new(&program.path);
        run.args([command, "--config"]).arg(&config).current_dir(dir.path()).env_remove("RUST_LOG").kill_on_drop(true);
        must("the program's end", run.stdin(Stdio::null()).output()).await.unwrap()
    }

    /// The command that serves in a folder with some settings changed, for a test that looks at the process itself.
    pub fn serve_command(dir: &Path, settings: &Settings) -> Command {
        let program = Program::at(option_env!("CARGO_BIN_EXE_gateway-under-test"), "gateway-under-test");
        program.serve(dir, settings, "127.0.0.1:0")
    }

    async fn launch(program: Program, dir: Arc<TempDir>, settings: Settings, port: Arc<ReservedPort>) -> Self {
        let listen = format!("127.0.0.1:{}", port.number());
        let mut child = program
            .serve(dir.path(), &settings, &listen)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (told, mut address) = watch::channel(None);
        let told = Arc::new(told);
        follow(child.stdout.take().unwrap(), log.clone(), told.clone());
        follow(child.stderr.take().unwrap(), log.clone(), told);
        let listening = must("the gateway's start", address.wait_for(Option::is_some)).await;
        let Ok(Some(address)) = listening.map(|address| address.clone()) else {
            panic!("the gateway did not start:\n{}", log.lock().unwrap().join("\n"));
        };
        Self { child, program, port, address, dir, settings, log }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until it is connected to its broker.
    pub async fn connected(&self) {
        let api = self.api();
        eventually("the broker's connection", || async { api.get("/health").await["bus"]["state"] == "connected" })
            .await;
    }

    /// Runs another command of its program in its folder, to its end.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program.path);
        command.args(arguments).current_dir(self.dir.path()).env_remove("RUST_LOG").kill_on_drop(true);
        must("the command's end", command.stdin(Stdio::null()).output()).await.unwrap()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Its HTTP API, with an API key.
    pub fn api(&self) -> Api {
        Api::new(&self.address)
    }

    /// Ends it as a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal by name, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }

    /// Waits for its end and tells the exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        must("the gateway's end", self.child.wait()).await.unwrap().code()
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The folder of its data and configuration.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Writes its configuration anew with one more setting, for SIGHUP.
    pub fn rewrite(&mut self, settings: Settings) {
        self.settings = settings;
        let path = self.dir.path().join("gateway.redb");
        let text = configuration(&path, &self.settings, &self.address);
        std::fs::write(self.dir.path().join("gateway.toml"), text).unwrap();
    }
}

fn configuration(store: &Path, settings: &Settings, listen: &str) -> String {
    let sha256 = Api::KEY_SHA256;
    let mut lines = vec![
        format!("listen = \"{listen}\""),
        "log.level = \"debug\"".into(),
        "log.format = \"json\"".into(),
        format!("store.url = \"redb:{}\"", store.display()),
        format!("auth.jwt_secret = \"{SECRET}\""),
        format!("auth.api_keys = [{{ name = \"stories\", sha256 = \"{sha256}\" }}]"),
        "limits.messages_per_second = 10000".into(),
        "limits.burst = 10000".into(),
        "limits.connects_per_ip_per_minute = 100000".into(),
    ];
    for line in &settings.0 {
        let key = line.split(" = ").next().unwrap_or_default();
        lines.retain(|default| !default.starts_with(&format!("{key} = ")));
        lines.push(line.clone());
    }
    lines.join("\n")
}

/// Sends a process a signal by name, such as `TERM`.
///
/// # Panics
/// When the process has ended.
pub async fn signal(process: &Child, name: &str) {
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").arg(format!("-{name}")).arg(pid).status().await.unwrap().success());
}

/// The gateway's binary, as the stories run it.
pub fn gateway_program() -> PathBuf {
    Program::at(option_env!("CARGO_BIN_EXE_gateway-under-test"), "gateway-under-test").path
}

/// A gateway's binary, and the arguments with which it serves what stands in `gateway.toml` of its folder.
#[derive(Debug, Clone)]
struct Program {
    path: PathBuf,
    arguments: &'static [&'static str],
    environment: Vec<(String, String)>,
}

impl Program {
    fn serving(path: PathBuf) -> Self {
        Self { path, arguments: &["serve", "--config", "gateway.toml"], environment: Vec::new() }
    }

    /// Where cargo says that it is, or beside a test in `target/<profile>/deps`.
    fn at(told: Option<&str>, name: &str) -> Self {
        let beside = || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(name);
        Self::serving(told.map_or_else(beside, PathBuf::from))
    }

    /// Writes a configuration to a folder, and gives the command that serves there.
    fn serve(&self, dir: &Path, settings: &Settings, listen: &str) -> Command {
        let config = dir.join("gateway.toml");
        std::fs::write(&config, configuration(&dir.join("gateway.redb"), settings, listen)).unwrap();
        let mut command = Command::new(&self.path);
        command.args(self.arguments).current_dir(dir).env_remove("RUST_LOG").envs(self.environment.clone());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "the task ends with the process whose output it reads")]
fn follow(
    output: impl AsyncRead + Unpin + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
    told: Arc<watch::Sender<Option<String>>>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&line)
                && value["fields"]["message"] == "listening"
                && let Some(address) = value["fields"]["address"].as_str()
            {
                told.send_replace(Some(address.to_owned()));
            }
            log.lock().unwrap().push(line);
        }
    });
}
