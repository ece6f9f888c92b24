//! How the cost of a delivery grows with connections, with the members of a topic, and with topics.
//!
//! All loads have 20,000 deliveries a second. The floor runs next to the gateway, because the kernel's share grows too:
//! the data of a socket that was last used a second ago is in no cache.

mod capacity;
mod point;
mod report;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::{
    point::{Measured, Point},
    report::Report,
};
use crate::{
    generator::{Faults, run as put_load},
    peers::Contender,
    server::{Programs, Security},
};

/// The servers.
const CONTENDERS: [Contender; 3] = Contender::OF_BASELINE;
/// File descriptors that a server needs for other things than connections. The gateway keeps 1,536.
const RESERVED_DESCRIPTORS: u64 = 2_000;

/// Measures and prints the tables. Returns the number of faults.
pub(crate) fn run(programs: &Programs, rounds: u16, measured: Duration) -> u64 {
    let points = Point::all(descriptors().saturating_sub(RESERVED_DESCRIPTORS));
    let mut report = Report::default();
    let mut faults = Faults::default();
    for round in 1..=rounds {
        for point in &points {
            for contender in CONTENDERS {
                let Some(server) = contender.start(programs, Security::Plain) else { continue };
                let load = put_load(&point.plan(measured), &server.target(), &server);
                let figures = Measured::of(&load);
                println!("round {round} of {rounds}: {}, {}: {:.2} µs", point.name(), contender.name(), figures.micros);
                if load.faults.sum() > 0 {
                    println!("  {:?}", load.faults);
                }
                report.add(*point, contender, figures);
                faults = faults.and(load.faults);
            }
        }
    }
    println!("\n{}", report.markdown());
    faults.sum()
}

/// Raises the limit of open files as far as the system allows, and returns it. Servers that are started later inherit it.
pub(crate) fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, the present limit applies.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
