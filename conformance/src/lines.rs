//! The lines of an adapter during one scenario, and waiting for one of them.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;

use crate::{
    failure::{Failure, Step, red},
    mutants::Tampering,
    names::Names,
};

/// How many of the last lines a failure shows.
const SHOWN: usize = 6;
/// How much of a line a failure shows, in bytes.
const SHOWN_BYTES: usize = 300;

/// A line of the adapter.
struct Line {
    value: Value,
    /// The scenario has judged it.
    is_taken: bool,
}

/// The lines of an adapter, in order.
pub(crate) struct Lines {
    recorded: Mutex<Recorded>,
    /// Changes with each line.
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Recorded {
    lines: Vec<Line>,
    tampering: Tampering,
    names: Names,
    /// Why there will be no further line.
    end: Option<String>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { recorded: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Forgets all lines, for the next scenario.
    pub(crate) fn begin(&self, names: Names, tampering: Tampering) {
        let mut recorded = self.recorded();
        recorded.lines.clear();
        recorded.tampering = tampering;
        recorded.names = names;
    }

    /// Adds a line of the adapter. Returns what a mutant has made of it.
    pub(crate) fn push(&self, line: Value) -> Vec<Value> {
        let mut recorded = self.recorded();
        let Some(line) = recorded.names.local(line) else { return Vec::new() };
        let lines = recorded.tampering.line(line);
        recorded.lines.extend(lines.iter().map(|value| Line { value: value.clone(), is_taken: false }));
        drop(recorded);
        self.count.send_modify(|count| *count += 1);
        lines
    }

    /// Records that the adapter gives no further line.
    pub(crate) fn end(&self, why: impl Display) {
        self.recorded().end.get_or_insert_with(|| why.to_string());
        self.count.send_modify(|count| *count += 1);
    }

    /// Returns why there will be no further line.
    pub(crate) fn ended(&self) -> Option<String> {
        self.recorded().end.clone()
    }

    /// Waits for the first line that fits and that no earlier call has taken.
    pub(crate) async fn next(&self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Step<Value> {
        self.wait(what, limit, || self.take(&fits)).await
    }

    /// Waits for the first line of a kind that fits, and takes all earlier ones of the kind.
    pub(crate) async fn next_after(
        &self,
        what: &str,
        limit: Duration,
        is_of_kind: impl Fn(&Value) -> bool,
        fits: impl Fn(&Value) -> bool,
    ) -> Step<Value> {
        let take = || {
            let mut recorded = self.recorded();
            let is_open = |line: &Line| !line.is_taken && is_of_kind(&line.value);
            let at = recorded.lines.iter().position(|line| is_open(line) && fits(&line.value))?;
            let mut lines = recorded.lines.iter_mut().take(at + 1).filter(|line| is_open(line));
            lines.by_ref().fold(None, |_, line| {
                line.is_taken = true;
                Some(line.value.clone())
            })
        };
        self.wait(what, limit, take).await
    }

    /// Waits until all lines together fulfil a condition.
    pub(crate) async fn until(&self, what: &str, limit: Duration, holds: impl Fn(&[Value]) -> bool) -> Step {
        self.wait(what, limit, || holds(&self.all()).then_some(Value::Null)).await.map(drop)
    }

    async fn wait(&self, what: &str, limit: Duration, take: impl Fn() -> Option<Value>) -> Step<Value> {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                count.borrow_and_update();
                if let Some(found) = take() {
                    return Ok(found);
                }
                if let Some(why) = self.ended() {
                    return Err(red(format_args!("waits for {what}, but {why}")));
                }
                // The sender lives as long as this borrow of it.
                let _ = count.changed().await;
            }
        };
        tokio::time::timeout(limit, search).await.unwrap_or_else(|_| Err(self.late(what, limit)))
    }

    /// Takes the first line that fits, if it is there already.
    pub(crate) fn take(&self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let mut recorded = self.recorded();
        let line = recorded.lines.iter_mut().find(|line| !line.is_taken && fits(&line.value))?;
        line.is_taken = true;
        Some(line.value.clone())
    }

    /// Returns all lines, also those that were taken.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.recorded().lines.iter().map(|line| line.value.clone()).collect()
    }

    /// Returns the lines that no call has taken.
    pub(crate) fn left(&self) -> Vec<Value> {
        self.recorded().lines.iter().filter(|line| !line.is_taken).map(|line| line.value.clone()).collect()
    }

    fn late(&self, what: &str, limit: Duration) -> Failure {
        let recorded = self.recorded();
        let from = recorded.lines.len().saturating_sub(SHOWN);
        let shown = recorded.lines.iter().skip(from).map(|line| short(&line.value.to_string()));
        let shown: Vec<_> = shown.collect();
        red(format_args!("waited {limit:?} for {what}; the last lines are {}", shown.join(" ")))
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shortens a text that is shown to people.
pub(crate) fn short(text: &str) -> String {
    if text.len() <= SHOWN_BYTES {
        return text.to_owned();
    }
    let end = (0..=SHOWN_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
}
