//! Writes log lines to standard error on a dedicated thread. Callers copy their lines into a bounded queue, so a
//! stopped reader of standard error, a full disk or a closed pipe blocks no task of the gateway.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use crate::runtime::supervision::{Supervisor, panic_message};

/// The name of the thread as a part of the gateway.
const PART: &str = "log writer";

/// The maximum number of queued bytes. Lines beyond it are dropped and counted.
const MAX_BYTES: usize = 1024 * 1024;
/// The maximum number of queued lines. It bounds the memory overhead of many short lines.
const MAX_LINES: usize = 16 * 1024;
/// The interval at which the thread calls `tick`, see [`LogWriter::begin`].
const TICK: Duration = Duration::from_secs(1);
/// How long [`LogWriter::flush`] waits for a single line before it assumes that the reader has stopped.
const STALLED: Duration = Duration::from_millis(500);
/// How long [`LogWriter::flush`] waits in total for a slow reader.
const FLUSH: Duration = Duration::from_secs(5);
/// The delay before a write is retried when standard error is in non-blocking mode and has no room.
const NO_ROOM: Duration = Duration::from_millis(5);

/// A handle to the queue and its thread. Clones share the queue.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    added: Condvar,
    written: Condvar,
    max_bytes: usize,
    dropped: AtomicU64,
    failure: Mutex<Failure>,
}

/// Whether the thread has panicked, and the supervisors that are notified of it.
#[derive(Default)]
struct Failure {
    reason: Option<String>,
    supervisors: Vec<Supervisor>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Whether a line was taken from the queue and has not been written yet.
    writing: bool,
    /// The number of lines that were written or could not be written.
    done: u64,
}

impl LogWriter {
    /// Starts the thread that writes to standard error. It calls `tick` about once a second, between two lines; what
    /// `tick` logs is queued like any other line.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub(super) fn to_stderr(tick: impl FnMut(Health) + Send + 'static) -> io::Result<Self> {
        // Do not use `io::stderr()`: a blocked write would hold its lock, and every other user of it would block too.
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::begin(File::from(descriptor), MAX_BYTES, tick),
            Err(_) => Self::begin(io::stderr(), MAX_BYTES, tick),
        }
    }

    fn begin(
        out: impl Write + Send + 'static,
        max_bytes: usize,
        tick: impl FnMut(Health) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            added: Condvar::new(),
            written: Condvar::new(),
            max_bytes,
            dropped: AtomicU64::new(0),
            failure: Mutex::default(),
        });
        let writing = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| writing.write_lines(out, tick))) {
                writing.fail(panic_message(&*panic));
            }
        })?;
        Ok(Self(queue))
    }

    /// Notifies a supervisor when the thread panics. If it has panicked before, the supervisor is notified immediately.
    pub(super) fn supervise(&self, supervisor: &Supervisor) {
        supervisor.record(PART);
        let mut failure = self.0.failure.lock();
        if let Some(reason) = &failure.reason {
            supervisor.report(PART, reason);
        }
        failure.supervisors.push(supervisor.clone());
    }

    /// Returns the number of lines since the start that were not written, because the queue was full or writing failed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the queued lines are written. Returns false if the reader has stopped and lines are left.
    pub(super) fn flush(&self) -> bool {
        let begun = Instant::now();
        let mut state = self.0.state.lock();
        while state.writing || !state.lines.is_empty() {
            let before = state.done;
            let timed_out = self.0.written.wait_for(&mut state, STALLED).timed_out();
            if (timed_out && state.done == before) || begun.elapsed() > FLUSH {
                return false;
            }
        }
        true
    }
}

/// The state of writing, as passed to `tick` of [`LogWriter::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    /// The number of lines that were dropped since the start.
    pub(super) dropped: u64,
    /// Whether the last line could be written.
    pub(super) works: bool,
}

impl Queue {
    fn add(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.bytes + line.len() > self.max_bytes || state.lines.len() >= MAX_LINES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        drop(state);
        self.added.notify_one();
    }

    fn write_lines(&self, mut out: impl Write, mut tick: impl FnMut(Health)) {
        let (mut works, mut ticked) = (true, Instant::now());
        loop {
            if let Some(line) = self.next() {
                works = write_line(&mut out, &line).is_ok();
                if !works {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                let mut state = self.state.lock();
                state.writing = false;
                state.done += 1;
                drop(state);
                self.written.notify_all();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(Health { dropped: self.dropped.load(Ordering::Relaxed), works });
            }
        }
    }

    /// Handles a panic of the thread: wakes the callers of `flush`, prints the queued lines directly, and notifies the
    /// supervisors.
    fn fail(&self, reason: String) {
        let mut state = self.state.lock();
        state.writing = false;
        let waiting: Vec<u8> = state.lines.drain(..).flatten().collect();
        state.bytes = 0;
        drop(state);
        self.written.notify_all();
        let waiting = String::from_utf8_lossy(&waiting);
        let line = serde_json::json!({ "level": "ERROR", "fields": {
            "message": "a part of the gateway has died; the process ends", "part": PART, "reason": reason } });
        print_to_stderr(format!("{waiting}{line}"));
        let mut failure = self.failure.lock();
        failure.supervisors.iter().for_each(|supervisor| supervisor.report(PART, &reason));
        failure.reason = Some(reason);
    }

    /// Takes the next line. Returns `None` if there was none within one tick.
    fn next(&self) -> Option<Box<[u8]>> {
        let mut state = self.state.lock();
        if state.lines.is_empty() {
            // The result is not needed: the queue is checked again below.
            let _ = self.added.wait_for(&mut state, TICK);
        }
        let line = state.lines.pop_front()?;
        state.bytes -= line.len();
        state.writing = true;
        Some(line)
    }
}

fn write_line(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let mut rest = line;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process that shares the descriptor may have set it to non-blocking mode.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(NO_ROOM),
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

/// Queues a log line. The formatter of tracing writes each line with one call.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Writes one line to standard error and waits for it at most half a second.
pub(crate) fn print_to_stderr(line: String) {
    let (done, finished) = std::sync::mpsc::sync_channel(1);
    let write = move || {
        let mut out = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        // A failure cannot be reported: there is no standard error.
        let _ = out.as_mut().map(|out| write_line(out, format!("{line}\n").as_bytes()));
        let _ = done.send(());
    };
    if thread::Builder::new().name("stderr".into()).spawn(write).is_ok() {
        let _ = finished.recv_timeout(STALLED);
    }
}

#[cfg(test)]
mod tests;
