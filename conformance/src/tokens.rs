//! Answers the questions of token providers, unless a scenario does it by itself.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The first id of the commands that answer by themselves. They are not part of the log.
pub(crate) const FIRST_ID: u64 = 1_000_000;

/// How the questions are answered.
pub(crate) struct Tokens {
    /// `None` at the end, so that the input of the adapter can end.
    input: Mutex<Option<mpsc::Sender<String>>>,
    is_automatic: Mutex<bool>,
    last: AtomicU64,
}

impl Tokens {
    pub(crate) fn new(input: mpsc::Sender<String>) -> Self {
        Self { input: Mutex::new(Some(input)), is_automatic: Mutex::new(true), last: AtomicU64::new(FIRST_ID) }
    }

    /// Sets whether the kit answers, always with the same token.
    pub(crate) fn answer_automatically(&self, is_automatic: bool) {
        *self.is_automatic.lock().unwrap_or_else(PoisonError::into_inner) = is_automatic;
    }

    /// Handles a line of the adapter, which may be a question.
    pub(crate) async fn requested(&self, line: &Value) {
        let is_automatic = *self.is_automatic.lock().unwrap_or_else(PoisonError::into_inner);
        if line["event"] != "token" || !is_automatic {
            return;
        }
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let answer = json!({"id": id, "do": "token", "ask": line["ask"], "token": "a token"});
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(input) = input {
            // A process that has ended is noticed by the reader of its output.
            let _ = input.send(format!("{answer}\n")).await;
        }
    }

    /// Answers nothing more.
    pub(crate) fn finish(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
