//! Compares two nodes on one Redis with Centrifugo: subscribers are on the first node, publishers on the second.
//!
//! Redis flushes every write before it answers (`appendfsync always`). The loads and the sizes of messages are the same
//! for all servers, and rounds of the servers alternate, because the speed of a machine changes with time. Compare the
//! ratios only.

mod aims;
mod confirmed;
mod delivery;
mod load;
mod peer;
mod redis_benchmark;
mod report;

use tokio::runtime::Runtime;

use self::{
    confirmed::Confirmed,
    load::{Figures, Load},
    peer::{Kind, Peer},
};
use crate::server::Programs;

/// The figures of one server for one load, a set for each round.
pub(crate) struct Measured {
    kind: Kind,
    load: Load,
    rounds: Vec<Figures>,
}

/// Measures each server `rounds` times and prints the tables. Returns the number of messages that were lost, doubled or
/// out of order.
pub(crate) fn run(runtime: &Runtime, programs: &Programs, rounds: u16) -> u64 {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| is_available(*kind, programs)).collect();
    let pairs = kinds.iter().flat_map(|kind| Load::ALL.map(|load| (*kind, load)));
    let mut measured: Vec<_> = pairs.map(|(kind, load)| Measured { kind, load, rounds: Vec::new() }).collect();
    let mut confirmed: Vec<Confirmed> = Vec::new();
    for round in 1..=rounds {
        for kind in &kinds {
            println!("round {round} of {rounds}: {}", kind.name());
            let peer = Peer::start(*kind, programs);
            for measured in measured.iter_mut().filter(|measured| measured.kind == *kind) {
                measured.rounds.push(runtime.block_on(measured.load.run(&peer)));
            }
        }
        println!("round {round} of {rounds}: confirmed messages of one node");
        confirmed.push(runtime.block_on(confirmed::run(programs)));
    }
    println!("\n{}\n{}", report::loads(&measured), report::confirmed(&confirmed));
    println!("{}", aims::table(&measured, &confirmed));
    measured.iter().flat_map(|measured| &measured.rounds).map(|figures| figures.faults.sum()).sum()
}

/// Returns whether the server's program is installed, and says so if it is not.
fn is_available(kind: Kind, programs: &Programs) -> bool {
    let missing = match kind {
        Kind::Centrifugo if programs.centrifugo.is_none() => "Centrifugo, which Go compiles, is not there",
        Kind::RedisAndRabbit if !peer::has_rabbitmq() => "rabbitmq-server is not installed",
        _ => return true,
    };
    println!("left out: {} ({missing})", kind.name());
    false
}
