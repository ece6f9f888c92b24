//! What a delivery, a connection and a confirmed append cost, beside a bare loop measured in the same run.
//!
//! `cargo xtask bench [NAME…]` runs it and prints the table. The server is a process of its own; its CPU is user plus
//! system time of all its threads, read from `/proc`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends"
)]

mod append;
mod bare;
mod client;
mod frames;
mod nodes;
mod scenarios;
mod server;
mod table;

use self::{scenarios::Scenario, server::Server, table::Row};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "--bare") {
        return bare::serve();
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for scenario in Scenario::ALL.iter().filter(|scenario| wanted(scenario.name())) {
        // Each has fresh servers, so that one scenario's memory and queues are not another's.
        let ours = runtime.block_on(scenario.run(&Server::ours()));
        let bare = runtime.block_on(scenario.run(&Server::bare()));
        rows.push(scenario.row(&ours, &bare));
    }
    if wanted("append") {
        rows.extend(runtime.block_on(append::run()));
    }
    if wanted("nodes") {
        rows.extend(runtime.block_on(nodes::run()));
    }
    println!("{}", table::markdown(&rows));
}
