//! Supervision of the parts that live as long as the gateway. A part that panics, or ends before the shutdown, is a
//! fault: it is logged, the node stops being ready, and the process ends (`gateway/running.rs`).

use std::{
    any::Any,
    collections::BTreeSet,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The maximum length of a panic message.
const MESSAGE_BYTES: usize = 200;
/// The texts after which a panic message contains data: slicing a `str` quotes the text, and `unwrap` quotes the error.
const QUOTES: [&str; 2] = [" of `", " value: "];

/// A part that has ended too early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the part `{part}` of the gateway has died ({reason}), so the process ends; please report it")]
pub struct PartFailure {
    /// The name of the part.
    pub part: &'static str,
    /// The message of its panic, or that it has ended.
    pub reason: Arc<str>,
}

/// Watches the parts of one gateway. It is cheap to clone, and all clones share the same state.
#[derive(Debug, Clone)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The parts that are watched, or were.
    parts: Mutex<BTreeSet<&'static str>>,
    /// The first part that has ended too early.
    failure: watch::Sender<Option<PartFailure>>,
    /// Whether the gateway shuts down, so that parts may end.
    shutting_down: AtomicBool,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self(Arc::new(Inner {
            parts: Mutex::default(),
            failure: watch::Sender::new(None),
            shutting_down: AtomicBool::new(false),
        }))
    }
}

impl Supervisor {
    /// Runs a part that must not end before the shutdown.
    pub fn watch<F>(&self, part: &'static str, future: F) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        self.watch_until(part, CancellationToken::new(), future)
    }

    /// Runs a part that ends once `stop` is cancelled, and not before.
    pub fn watch_until<F>(
        &self,
        part: &'static str,
        stop: CancellationToken,
        future: F,
    ) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        self.record(part);
        let supervisor = self.clone();
        async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(()) if stop.is_cancelled() => {}
                Ok(()) => supervisor.report(part, "it has ended"),
                Err(panic) => supervisor.report(part, &panic_message(&*panic)),
            }
        }
    }

    /// Runs work that may end. A panic in it is reported, because it would otherwise leave the work undone unnoticed.
    pub fn watch_panics<F>(&self, part: &'static str, future: F) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        let supervisor = self.clone();
        async move {
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                supervisor.report(part, &panic_message(&*panic));
            }
        }
    }

    /// Reports that a part has ended too early. During a shutdown parts may end, and nothing is reported.
    pub fn report(&self, part: &'static str, reason: &str) {
        if self.0.shutting_down.load(Ordering::Acquire) {
            return;
        }
        tracing::error!(part, reason, "a part of the gateway has died; the process ends");
        let failure = PartFailure { part, reason: reason.into() };
        self.0.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(failure);
            }
            is_first
        });
    }

    /// Records a part that is watched. [`Supervisor::watch`] and [`Supervisor::watch_until`] do so themselves.
    pub fn record(&self, part: &'static str) {
        self.0.parts.lock().insert(part);
    }

    /// Returns the names of all parts that are watched, or were.
    pub fn parts(&self) -> Vec<&'static str> {
        self.0.parts.lock().iter().copied().collect()
    }

    /// Records that the gateway shuts down: parts may end from now on.
    pub fn begin_shutdown(&self) {
        self.0.shutting_down.store(true, Ordering::Release);
    }

    /// Returns the first part that has ended too early, if one has.
    pub fn failure(&self) -> Option<PartFailure> {
        self.0.failure.borrow().clone()
    }

    /// Resolves when a part has ended too early.
    pub async fn failed(&self) -> PartFailure {
        let mut failure = self.0.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(failure)) => failure,
            // Unreachable: `self` owns the sender.
            _ => std::future::pending().await,
        }
    }
}

/// Returns the message of a panic without quoted data, which may come from a client.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.map_or_else(|| "a panic without a message".to_owned(), without_data)
}

fn without_data(message: &str) -> String {
    let end = QUOTES.iter().filter_map(|quote| message.find(quote).map(|at| at + quote.len())).min();
    let end = end.unwrap_or(message.len()).min(MESSAGE_BYTES);
    let end = (0..=end).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
    let shown = message.get(..end).unwrap_or_default();
    if shown.len() < message.len() { format!("{shown}…") } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn panics() {
        panic!("out of order");
    }

    #[tokio::test]
    async fn reports_first_part_that_panics() {
        let supervisor = Supervisor::default();
        supervisor.watch("one", async { panics() }).await;
        supervisor.watch("two", async { panics() }).await;
        let expected = PartFailure { part: "one", reason: "out of order".into() };
        assert_eq!(supervisor.failed().await, expected);
        assert_eq!(supervisor.failure(), Some(expected));
    }

    #[tokio::test]
    async fn reports_part_that_ends_too_early() {
        let supervisor = Supervisor::default();
        supervisor.watch_panics("work", async {}).await;
        assert_eq!(supervisor.failure(), None);
        let stop = CancellationToken::new();
        stop.cancel();
        supervisor.watch_until("stopped", stop, async {}).await;
        assert_eq!(supervisor.failure(), None);
        supervisor.watch_until("port", CancellationToken::new(), async {}).await;
        assert_eq!(supervisor.failed().await.part, "port");
    }

    #[tokio::test]
    async fn parts_may_end_during_shutdown() {
        let supervisor = Supervisor::default();
        supervisor.begin_shutdown();
        supervisor.watch("part", async {}).await;
        assert_eq!(supervisor.failure(), None);
    }

    #[test]
    fn message_of_panic_shows_no_data() {
        let sliced = catch_unwind(|| {
            let text = std::hint::black_box("é secret");
            text[1..].len()
        });
        let message = panic_message(&*sliced.unwrap_err());
        assert!(message.contains("char boundary") && !message.contains("secret"), "{message}");
        let unwrapped = catch_unwind(|| {
            let broken: Result<(), &str> = std::hint::black_box(Err("secret"));
            broken.unwrap();
        });
        let message = panic_message(&*unwrapped.unwrap_err());
        assert!(message.contains("unwrap") && !message.contains("secret"), "{message}");
        assert_eq!(without_data(&"é".repeat(300)).chars().count(), 101);
    }
}
