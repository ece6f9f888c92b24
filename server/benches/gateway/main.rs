//! Benchmarks the cost of a delivery, a connection and a confirmed append against a bare loop in the same run.
//!
//! `cargo xtask bench [NAME…]` runs it and prints the table. The server is a separate process. Its CPU time is the user
//! and system time of all its threads, read from `/proc`. The group `cluster` compares two nodes with Centrifugo, and
//! runs only when it is named.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark stops at the first error"
)]

mod append;
mod bare;
mod client;
mod cluster;
mod declared;
mod frames;
mod nodes;
mod scenarios;
mod server;
mod table;

use std::process::ExitCode;

use self::{scenarios::Scenario, server::Server, table::Row};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "--bare") {
        bare::serve();
        return ExitCode::SUCCESS;
    }
    let (options, arguments): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|given| given.starts_with("--"));
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for scenario in Scenario::ALL.iter().filter(|scenario| wanted(scenario.name())) {
        // Each scenario uses new servers, so that memory and queues of another one do not affect it.
        let ours = runtime.block_on(scenario.run(&Server::ours()));
        let bare = runtime.block_on(scenario.run(&Server::bare()));
        rows.push(scenario.row(&ours, &bare));
    }
    if wanted("append") {
        rows.extend(runtime.block_on(append::run()));
    }
    if wanted("declared") {
        rows.push(runtime.block_on(declared::run()));
    }
    if wanted("nodes") {
        rows.extend(runtime.block_on(nodes::run()));
    }
    if !rows.is_empty() {
        println!("{}", table::markdown(&rows));
    }
    if arguments.iter().any(|argument| argument == "cluster") {
        return cluster::run(&runtime, &cluster::Options::of(&options));
    }
    ExitCode::SUCCESS
}
