//! Writes log lines to standard error on a thread of its own. A line is copied into a bounded queue and the caller goes
//! on, so a reader of standard error that has stopped, a full disk or a closed pipe holds up no task of the gateway.

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

use crate::supervision::{Supervisor, panic_message};

/// What the thread is called as a part of the gateway.
const PART: &str = "log writer";

/// Bytes that may wait to be written. Lines beyond it are dropped and counted.
const MAX_BYTES: usize = 1024 * 1024;
/// Lines that may wait, so that many short ones do not take much more memory than their bytes.
const MAX_LINES: usize = 16 * 1024;
/// How often the thread looks for lines of its own to add, see [`LogWriter::begin`].
const TICK: Duration = Duration::from_secs(1);
/// How long [`LogWriter::flush`] waits for a single line. A reader that takes none for so long has stopped.
const STALLED: Duration = Duration::from_millis(500);
/// How long [`LogWriter::flush`] waits in total for a reader that is only slow.
const FLUSH: Duration = Duration::from_secs(5);
/// The pause before another try when standard error is set to non-blocking mode and has no room.
const NO_ROOM: Duration = Duration::from_millis(5);

/// The queue and its thread. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    added: Condvar,
    written: Condvar,
    max_bytes: usize,
    dropped: AtomicU64,
    death: Mutex<Death>,
}

/// Whether the thread has died, and who is told.
#[derive(Default)]
struct Death {
    reason: Option<String>,
    supervisors: Vec<Supervisor>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Whether a line was taken from the queue and is not written yet.
    writing: bool,
    /// How many lines were taken and written, or could not be written.
    done: u64,
}

impl LogWriter {
    /// Starts the thread that writes to standard error. It calls `tick` about once a second, between two lines; what
    /// `tick` logs is queued like any other line.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn to_stderr(tick: impl FnMut(Health) + Send + 'static) -> io::Result<Self> {
        // Not through `io::stderr()`: a write that hangs would keep its lock, and whatever else prints would hang too.
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
            death: Mutex::default(),
        });
        let writing = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| writing.write_lines(out, tick))) {
                writing.died(panic_message(&*panic));
            }
        })?;
        Ok(Self(queue))
    }

    /// Has a supervisor be told when the thread dies, also when it has died before.
    pub(super) fn supervise(&self, supervisor: &Supervisor) {
        supervisor.note(PART);
        let mut death = self.0.death.lock();
        if let Some(reason) = &death.reason {
            supervisor.report(PART, reason);
        }
        death.supervisors.push(supervisor.clone());
    }

    /// How many lines were not written since the start, because the queue was full or writing failed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the lines that wait are written, or until the reader has stopped. False when lines are left.
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

/// How writing goes, for [`LogWriter::begin`]'s `tick`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    /// How many lines were dropped since the start.
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

    /// The thread has died: whoever waits for lines to be written waits no longer, and what
    /// is left is printed without it.
    fn died(&self, reason: String) {
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
        let mut death = self.death.lock();
        death.supervisors.iter().for_each(|supervisor| supervisor.report(PART, &reason));
        death.reason = Some(reason);
    }

    /// The next line, or `None` when there was none for a while.
    fn next(&self) -> Option<Box<[u8]>> {
        let mut state = self.state.lock();
        if state.lines.is_empty() {
            // Whether it timed out or not: what counts is whether there is a line now.
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

/// One log line; tracing's formatter writes each with one call.
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

/// Writes one line to standard error, and waits for that no longer than a moment.
pub(crate) fn print_to_stderr(line: String) {
    let (done, finished) = std::sync::mpsc::sync_channel(1);
    let write = move || {
        let mut out = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        // Without a place to write to there is no reader to inform.
        let _ = out.as_mut().map(|out| write_line(out, format!("{line}\n").as_bytes()));
        let _ = done.send(());
    };
    if thread::Builder::new().name("stderr".into()).spawn(write).is_ok() {
        let _ = finished.recv_timeout(STALLED);
    }
}

#[cfg(test)]
mod tests;
