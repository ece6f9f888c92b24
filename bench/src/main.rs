//! The benchmarks, which `cargo xtask bench [NAME…]` compiles and runs. Each server is a process of its own.
//!
//! - [`peers`]: the gateway next to a floor, uWebSockets.js and Centrifugo, with the [`generator`] of loads;
//! - [`growth`]: the cost of a delivery with more connections, members and topics;
//! - [`append`], [`declared`], [`nodes`]: single parts of the gateway;
//! - [`cluster`]: two nodes on one Redis next to Centrifugo.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark stops at the first error"
)]

mod append;
mod client;
mod cluster;
mod declared;
mod floor;
mod frames;
mod generator;
mod growth;
mod nodes;
mod options;
mod peers;
mod server;
mod statistics;
mod table;
mod token;

use std::{fs, process::ExitCode, time::Duration};

use clap::{Parser as _, ValueEnum as _};

use self::{
    floor::Writes,
    options::{Group, Options},
    peers::{Contender, baseline},
    table::Row,
};

/// The argument with which this program is the floor, and not the benchmarks.
const FLOOR: &str = "--floor";

fn main() -> ExitCode {
    // Servers inherit the limit.
    growth::descriptors();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, floor, writes] = arguments.as_slice()
        && floor == FLOOR
    {
        floor::serve(Writes::from_str(writes, false).unwrap());
        return ExitCode::SUCCESS;
    }
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(faults) => {
            println!("{faults} messages were lost, doubled, out of order or refused: see above");
            ExitCode::FAILURE
        }
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmarks, and returns the number of faults.
///
/// # Errors
/// If a figure is worse than the baseline, or the baseline cannot be used.
fn run(options: &Options) -> Result<u64, String> {
    let programs = &options.programs;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut faults = 0;
    let mut rows: Vec<Row> = Vec::new();
    let measured = Duration::from_secs(options.seconds.into());
    let loads = options.loads();
    let mut comparison = Ok(());
    if !loads.is_empty() {
        let before = if options.compare { Some(baseline::read(options.baseline()?)?) } else { None };
        let writes_baseline = options.write_baseline;
        let contenders: &[Contender] = if options.compare { &Contender::OF_BASELINE } else { &Contender::ALL };
        let peers = peers::Options { loads, contenders: contenders.into(), rounds: options.rounds, measured };
        let (figures, wrong) = peers::measure(programs, &peers);
        faults += wrong;
        println!("\n{}", peers::table(&figures));
        if let Some(before) = before {
            comparison = compared(&baseline::compare(&before, &figures));
        }
        // Figures of a load in which messages were lost are not those of the load.
        if writes_baseline && wrong == 0 {
            let path = options.baseline()?;
            fs::write(path, baseline::format(&figures)).map_err(|error| format!("{}: {error}", path.display()))?;
            println!("written: {}", path.display());
        }
    }
    if options.wants(Group::Growth) {
        faults += growth::run(programs, options.rounds, measured);
    }
    if options.wants(Group::Append) {
        rows.extend(runtime.block_on(append::run(programs)));
    }
    if options.wants(Group::Declared) {
        rows.push(runtime.block_on(declared::run(programs)));
    }
    if options.wants(Group::Nodes) {
        rows.extend(runtime.block_on(nodes::run(programs)));
    }
    if !rows.is_empty() {
        println!("{}", table::markdown(&rows));
    }
    if options.wants(Group::Cluster) {
        faults += cluster::run(&runtime, programs, options.rounds);
    }
    comparison.map(|()| faults)
}

/// Prints the comparison with the baseline.
///
/// # Errors
/// If a figure is worse by more than its tolerance, or if the baseline has none of the figures.
fn compared(comparisons: &[baseline::Comparison]) -> Result<(), String> {
    if comparisons.is_empty() {
        return Err("the baseline has none of these figures: `cargo xtask bench --write-baseline` writes them".into());
    }
    println!("{}", baseline::table(comparisons));
    match comparisons.iter().filter(|comparison| comparison.is_regression()).count() {
        0 => Ok(()),
        count => Err(format!(
            "{count} ratios to the floor are worse than the baseline by more than the tolerance. Repeat the run on a quiet \
             machine; if it is meant, `cargo xtask bench --write-baseline` writes the new baseline"
        )),
    }
}
