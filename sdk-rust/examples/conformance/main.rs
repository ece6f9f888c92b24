//! The adapter of the Rust SDK for `gateway conformance`: carries out commands from stdin, and writes what happens to stdout.
//! docs/conformance.md has the protocol.

#![expect(clippy::indexing_slicing, reason = "a member of a JSON value that is not there reads as null")]

mod commands;
mod output;
mod stream;
mod words;

use std::{collections::HashMap, future::poll_fn, io, pin::Pin, rc::Rc, task::Poll};

use realtime_gateway_sdk::CORE_DIGEST;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    task::{AbortHandle, LocalSet},
};

use commands::Adapter;
use output::{Failed, emit};

/// The result of a command: its value, or an error.
type Outcome = Result<Value, Failed>;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(serve()))
}

async fn serve() -> io::Result<()> {
    emit(&json!({
        "event": "hello", "protocol": 1, "name": "gateway-rust", "version": env!("CARGO_PKG_VERSION"),
        "core": CORE_DIGEST, "skip": [],
    }));
    let adapter = Rc::new(Adapter::default());
    let mut running: HashMap<u64, AbortHandle> = HashMap::new();
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let id = command["id"].as_u64().unwrap_or_default();
        running.retain(|_, task| !task.is_finished());
        if command["do"] == "cancel" {
            let of = command["of"].as_u64().unwrap_or_default();
            // A call that has ended has its result already.
            if let Some(task) = running.remove(&of) {
                task.abort();
                done(of, Err(Failed::canceled()));
            }
            done(id, Ok(Value::Null));
            continue;
        }
        let mut call: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(Rc::clone(&adapter).carry_out(command));
        // A call begins with its first poll, so the order of the lines is the order of the calls.
        match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(outcome) => done(id, outcome),
            Poll::Pending => {
                let task = tokio::task::spawn_local(async move { done(id, call.await) });
                running.insert(id, task.abort_handle());
            }
        }
    }
    adapter.reset().await;
    Ok(())
}

fn done(id: u64, outcome: Outcome) {
    emit(&match outcome {
        Ok(Value::Null) => json!({"event": "done", "id": id}),
        Ok(value) => json!({"event": "done", "id": id, "value": value}),
        Err(failed) => json!({"event": "done", "id": id, "error": failed.0}),
    });
}
