//! A child process whose output is shown with its name, and that ends with this process, even if this process is
//! killed.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use anyhow::Context as _;

/// A shell between this process and the program. It prints the program's process id, and waits for the end of its own
/// standard input, which is the end of this process at the latest. Then it sends SIGTERM to the program and what that
/// has started, kills the program after ten seconds, removes the folder `$1`, and exits as the program did.
///
/// The shell ignores SIGTERM only after the program's start, because an ignored signal stays ignored in a new program.
const GUARD: &str = r#"
folder=$1; shift
sh -c 'echo $$; exec "$@"' sh "$@" <&- 2>&1 &
program=$!
exec >&- 2>&-
trap '' TERM
read -r _
kill -TERM 0
for _ in $(seq 100); do
  kill -0 "$program" || break
  sleep 0.1
done
kill -KILL "$program"
wait "$program"
status=$?
[ -z "$folder" ] || rm -rf -- "$folder"
exit "$status"
"#;

/// A program to run.
pub(super) struct Program<'a> {
    /// Its name, which begins each line of its output.
    pub(super) name: String,
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
    /// Variables in addition to those of this process.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The working directory.
    pub(super) directory: &'a Path,
    /// A folder that is removed when the program has ended.
    pub(super) folder: Option<&'a Path>,
}

/// The standard input of a guard; closing it ends the program.
#[derive(Clone)]
struct GuardInput(Arc<Mutex<Option<ChildStdin>>>);

impl GuardInput {
    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A running program.
pub(super) struct Guarded {
    pid: u32,
    input: GuardInput,
    reader: Option<JoinHandle<()>>,
}

impl Guarded {
    /// Starts a program. Its end is sent to `ended`, with its name.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(program: Program<'_>, ended: Sender<Ended>) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "sh"]).arg(program.folder.unwrap_or(Path::new(""))).args(&program.command);
        shell.envs(program.variables).current_dir(program.directory);
        // Ctrl-C reaches this process only, which then ends the programs in their order.
        let mut shell = shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.name))?;
        let input = GuardInput(Arc::new(Mutex::new(shell.stdin.take())));
        let output = shell.stdout.take().context("the output of the program")?;
        let mut output = BufReader::new(output);
        let mut first = String::new();
        output.read_line(&mut first).with_context(|| format!("start {}", program.name))?;
        let pid = first.trim().parse().with_context(|| format!("{} did not start", program.name))?;
        let (name, guard) = (program.name, input.clone());
        let reader = thread::spawn(move || {
            show(&name, output);
            // The program has closed its output, which is its end. Its guard must not wait for this process any more.
            guard.close();
            let status = shell.wait().map_or_else(|error| error.to_string(), describe);
            // The receiver may have ended first.
            let _ = ended.send(Ended { name, status });
        });
        Ok(Self { pid, input, reader: Some(reader) })
    }

    /// Returns the process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Begins to end the program: SIGTERM now, SIGKILL after ten seconds.
    pub(super) fn end(&self) {
        self.input.close();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
        // The guard exits when the program has ended and its folder is removed.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// The end of a program.
pub(super) struct Ended {
    /// The name of the program.
    pub(super) name: String,
    /// How it ended, for messages.
    pub(super) status: String,
}

/// Returns a channel for the ends of programs.
pub(super) fn ends() -> (Sender<Ended>, mpsc::Receiver<Ended>) {
    mpsc::channel()
}

/// Copies each line with the name of the program before it.
fn show(name: &str, mut output: impl io::BufRead) {
    let mut line = format!("{name:<5} | ").into_bytes();
    let start = line.len();
    while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        // A closed terminal is no reason to stop reading: the program would block.
        let _ = io::stdout().write_all(&line);
        line.truncate(start);
    }
}

/// Describes the exit of the guard. A shell reports a signal as 128 and its number.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code @ 129..), _) => format!("signal {}", code - 128),
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}
