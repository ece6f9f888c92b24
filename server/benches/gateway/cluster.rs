//! Compares two nodes on one Redis with Centrifugo: subscribers are on the first node, publishers on the second.
//!
//! Redis flushes every write before it answers (`appendfsync always`). The loads and the sizes of messages are the same
//! for all servers, and rounds of the servers alternate, because the speed of a machine changes with time. Compare the
//! ratios only.

mod confirmed;
mod delivery;
mod load;
mod peer;
mod redis_benchmark;
mod report;

use std::{path::PathBuf, process::ExitCode};

use tokio::runtime::Runtime;

use self::{
    confirmed::Confirmed,
    load::{Figures, Load},
    peer::{Kind, Peer},
};

/// What the command line says about this group.
pub(crate) struct Options {
    /// `--rounds=N`: how many times each server is measured; 3 by default.
    rounds: usize,
    /// `--centrifugo=PATH`: Centrifugo's program; it is left out without it.
    centrifugo: Option<PathBuf>,
}

impl Options {
    /// Reads the options among the arguments.
    pub(crate) fn of(options: &[String]) -> Self {
        let value = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        let rounds = value("--rounds").map_or(3, |rounds| rounds.parse().expect("--rounds=N is a number"));
        Self { rounds, centrifugo: value("--centrifugo").map(PathBuf::from) }
    }
}

/// The figures of one server for one load, a set for each round.
pub(crate) struct Measured {
    kind: Kind,
    load: Load,
    rounds: Vec<Figures>,
}

/// Measures and prints the tables. Fails if a message was lost, doubled or out of order.
pub(crate) fn run(runtime: &Runtime, options: &Options) -> ExitCode {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| is_available(*kind, options)).collect();
    let pairs = kinds.iter().flat_map(|kind| Load::ALL.map(|load| (*kind, load)));
    let mut measured: Vec<_> = pairs.map(|(kind, load)| Measured { kind, load, rounds: Vec::new() }).collect();
    let mut confirmed: Vec<Confirmed> = Vec::new();
    for round in 1..=options.rounds {
        for kind in &kinds {
            println!("round {round} of {}: {}", options.rounds, kind.name());
            let peer = Peer::start(*kind, options.centrifugo.as_deref());
            for measured in measured.iter_mut().filter(|measured| measured.kind == *kind) {
                measured.rounds.push(runtime.block_on(measured.load.run(&peer)));
            }
        }
        println!("round {round} of {}: confirmed messages of one node", options.rounds);
        confirmed.push(runtime.block_on(confirmed::run()));
    }
    println!("\n{}\n{}", report::loads(&measured), report::confirmed(&confirmed));
    let faults: u64 = measured.iter().flat_map(|measured| &measured.rounds).map(|figures| figures.faults.sum()).sum();
    if faults > 0 {
        println!("{faults} messages were lost, doubled or out of order: see the tables");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns whether the server's program is installed, and says so if it is not.
fn is_available(kind: Kind, options: &Options) -> bool {
    let missing = match kind {
        Kind::Centrifugo if options.centrifugo.is_none() => "Centrifugo, which Go compiles, is not there",
        Kind::RedisAndRabbit if !peer::has_rabbitmq() => "rabbitmq-server is not installed",
        _ => return true,
    };
    println!("left out: {} ({missing})", kind.name());
    false
}
