//! The gateway next to other servers under the same load: the floor, uWebSockets.js and Centrifugo.
//!
//! Rounds of the servers alternate, because the speed of a machine changes with time, and ratios are taken within a
//! round. Each load uses a new process, so that the memory and the queues of another load do not affect it.

pub(crate) mod baseline;
mod contender;
mod figures;
mod load;
mod metric;
mod table;

use std::time::Duration;

use self::metric::Metric;
pub(crate) use self::{contender::Contender, figures::Figures, load::Load};
use crate::{
    generator::{Faults, run},
    server::Programs,
};

/// What is to be measured.
pub(crate) struct Options {
    /// The loads.
    pub(crate) loads: Vec<Load>,
    /// The servers.
    pub(crate) contenders: Vec<Contender>,
    /// How many times.
    pub(crate) rounds: u16,
    /// How long a load is measured each time.
    pub(crate) measured: Duration,
}

/// Measures, and returns the figures and the number of faults.
pub(crate) fn measure(programs: &Programs, options: &Options) -> (Figures, u64) {
    let mut figures = Figures::default();
    let mut faults = Faults::default();
    for round in 1..=options.rounds {
        for load in &options.loads {
            for contender in &options.contenders {
                let Some(server) = contender.start(programs, load.security()) else { continue };
                let report = run(&load.plan(options.measured), &server.target(), &server);
                println!("round {round} of {}: {}, {}", options.rounds, load.name(), contender.name());
                for metric in Metric::of(*load) {
                    println!("  {}: {}", metric.name(), metric.text(metric.value(&report)));
                    figures.add(round, *contender, metric, metric.value(&report), report.is_bound_by_client());
                }
                if report.faults.sum() > 0 {
                    println!("  {:?}", report.faults);
                }
                faults = faults.and(report.faults);
            }
        }
    }
    (figures, faults.sum())
}

/// Formats the figures as a Markdown table.
pub(crate) fn table(figures: &Figures) -> String {
    table::markdown(figures)
}
