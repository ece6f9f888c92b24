//! An adapter: a process that carries out commands with the client that is tested. Its lines are JSON objects.

use std::{
    collections::VecDeque,
    ffi::OsString,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::{
    failure::{Step, check, red},
    lines::Lines,
    names::Names,
    tokens::Tokens,
};

/// The version of the protocol of adapters.
const PROTOCOL: u64 = 1;
/// How long an adapter may take until it says hello. A JVM on a busy machine takes long.
const HELLO_LIMIT: Duration = Duration::from_secs(60);
/// How long an adapter may take to exit after the end of its input.
const EXIT_LIMIT: Duration = Duration::from_secs(5);
/// The longest line, in bytes.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// How many commands wait to be written.
const QUEUE: usize = 1_024;
/// How many lines of the log are kept, to show them when the adapter fails.
const LOG_LINES: usize = 20;

/// What an adapter says about its client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The digest of the core, for an SDK that has it.
    pub(crate) core: Option<String>,
    /// The commands and groups of scenarios that the client does not have.
    pub(crate) skip: Vec<String>,
}

/// A running adapter.
pub(crate) struct Adapter {
    child: Child,
    input: mpsc::Sender<String>,
    pub(crate) hello: Hello,
    pub(crate) lines: Arc<Lines>,
    pub(crate) tokens: Arc<Tokens>,
    log: Arc<Mutex<VecDeque<String>>>,
    scenarios: AtomicU64,
    /// The tasks that read and write. They end with the adapter.
    _tasks: JoinSet<()>,
}

impl Adapter {
    /// Starts an adapter and waits for its hello.
    pub(crate) async fn start(command: &[OsString]) -> Step<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| red("there is no command of an adapter"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let shown = program.to_string_lossy();
        let mut child = command.spawn().map_err(|error| red(format_args!("cannot start {shown}: {error}")))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return Err(red("the adapter has no pipes")) };
        let (input, queue) = mpsc::channel(QUEUE);
        let (lines, log) = (Arc::new(Lines::new()), Arc::default());
        let tokens = Arc::new(Tokens::new(input.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(write(stdin, queue));
        tasks.spawn(read(stdout, Arc::clone(&lines), Arc::clone(&tokens)));
        tasks.spawn(keep_log(stderr, Arc::clone(&log)));
        let (hello, scenarios) = (Hello::default(), AtomicU64::new(0));
        let mut adapter = Self { child, input, hello, lines, tokens, log, scenarios, _tasks: tasks };
        let hello = adapter.lines.next("the hello of the adapter", HELLO_LIMIT, |line| line["event"] == "hello").await;
        adapter.hello = hello.and_then(|hello| read_hello(&hello)).map_err(|failure| {
            let log = adapter.log();
            red(format_args!("{shown}: {failure}{}{log}", if log.is_empty() { "" } else { "\n" }))
        })?;
        Ok(adapter)
    }

    /// Returns the names of the next scenario.
    pub(crate) fn next_names(&self) -> Names {
        Names { scenario: self.scenarios.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// Gives the adapter a command.
    pub(crate) async fn command(&self, command: &Value) -> Step {
        let why = || self.lines.ended().unwrap_or_else(|| "it has closed its input".to_owned());
        self.input
            .send(format!("{command}\n"))
            .await
            .map_err(|_| red(format_args!("the adapter takes no command: {}", why())))
    }

    /// Lets the adapter close all clients and forget all names.
    pub(crate) async fn reset(&self) -> Step {
        let id = RESET;
        self.command(&json!({"id": id, "do": "reset"})).await?;
        let is_done = |line: &Value| line["event"] == "done" && line["id"] == id;
        let done = self.lines.next("`done` of `reset`", Duration::from_secs(20), is_done).await?;
        check(done.get("error").is_none(), || format!("`reset` failed: {done}"))
    }

    /// Ends the input of the adapter, and checks that it exits.
    pub(crate) async fn finish(self) -> Step {
        let Self { mut child, input, lines, tokens, .. } = self;
        tokens.finish();
        drop(input);
        let status = timeout(EXIT_LIMIT, child.wait()).await;
        let status = status.map_err(|_| red("the adapter has not exited 5 s after the end of its input"))?;
        let status = status.map_err(|error| red(format_args!("the adapter: {error}")))?;
        drop(lines);
        check(status.success(), || format!("the adapter has exited with {status} after the end of its input"))
    }

    /// Returns the last lines of its log.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The id of `reset`, which no scenario uses.
const RESET: u64 = 3_000_000;

fn read_hello(hello: &Value) -> Step<Hello> {
    check(hello["protocol"] == PROTOCOL, || format!("the adapter speaks another protocol than {PROTOCOL}: {hello}"))?;
    let text = |name: &str| hello[name].as_str().map(str::to_owned);
    let skip = hello["skip"].as_array().into_iter().flatten();
    Ok(Hello {
        name: text("name").ok_or_else(|| red(format_args!("the hello has no name: {hello}")))?,
        version: text("version").unwrap_or_default(),
        core: text("core"),
        skip: skip.filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<String>) {
    while let Some(line) = queue.recv().await {
        // A process that has ended is noticed by the reader.
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn read(stdout: ChildStdout, lines: Arc<Lines>, tokens: Arc<Tokens>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) => return lines.end("the adapter has closed its output"),
            Err(error) => return lines.end(format_args!("the output of the adapter cannot be read: {error}")),
            Ok(_) => {}
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(line) if line.is_object() => {
                let line = lines.push(line);
                for line in line {
                    tokens.requested(&line).await;
                }
            }
            _ => {
                let line = String::from_utf8_lossy(&line).into_owned();
                return lines
                    .end(format_args!("the adapter wrote a line that is no JSON object of at most 1 MiB: {line}"));
            }
        }
    }
}

async fn keep_log(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_back(line);
        if log.len() > LOG_LINES {
            log.pop_front();
        }
    }
}
