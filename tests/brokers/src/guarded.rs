//! A server process that ends with the test process, also when that is killed: a shell between the two waits for the
//! end of a pipe.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

/// Runs its arguments, tells their process id, and ends them when its own standard input ends. It is not in the way of
/// signals that the test sends to that id.
const GUARD: &str = r#""$@" <&- >&3 2>&1 & echo $!; exec 3>&- 1>&-; read -r _; kill -KILL $! 2>/dev/null; wait $!"#;

/// A process that a test has begun, and that ends with it.
#[derive(Debug)]
pub struct Guarded {
    shell: Child,
    pid: Pid,
}

impl Guarded {
    /// Begins it; what it prints goes to the file.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn begin(program: &str, arguments: &[String], directory: &Path, output: &Path) -> Self {
        let output = File::options().create(true).append(true).open(output).unwrap();
        let mut shell = Command::new("sh");
        // The shell's third descriptor is its error output until it has begun the program.
        shell.args(["-c", &format!("exec 3>&2; {GUARD}"), "sh", program]).args(arguments);
        let mut shell = shell
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be begun: {error}"));
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        Self { shell, pid: pid.unwrap_or_else(|| panic!("{program} was not begun")) }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        is_there(self.pid)
    }

    /// Sends it a signal. A process that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended, which whoever sends a signal waits for anyway.
        let _ = kill_process(self.pid, signal);
    }

    /// Halts it, as a machine that does not answer would.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it as a power cut would, and waits for that.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        drop(self.shell.stdin.take());
        // Whether the shell ended well says nothing of the test.
        let _ = self.shell.wait();
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while is_there(self.pid) {
            assert!(began.elapsed() < PATIENCE, "process {} does not end", self.pid());
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a process runs. The shell has not waited for it yet, so one that has ended is a zombie.
fn is_there(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// A port on which no server listens. For a server, take a [`ReservedPort`](crate::ReservedPort): another process may
/// get this one before the server listens.
///
/// # Panics
/// When this machine has none.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
