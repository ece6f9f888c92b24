#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a member of a JSON value that is not there reads as null")]

mod failure;
mod random;

// The wire.
mod frame;
mod gateway;
mod proxy;
mod tls;

// The adapter.
mod adapter;
mod lines;
mod names;
mod tokens;

// Scenarios.
mod mutants;
mod scenario;
mod scenarios;
mod world;

// Results.
mod canonical;
mod log;
mod page;
mod report;
mod run;

mod arguments;

pub use arguments::{Arguments, ArgumentsError};
pub use report::{Report, Row, Verdict};
pub use run::{MutantChoice, Plan, PlanError, run};

/// Returns the name, the purpose and the mutant of each scenario.
pub fn scenarios() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    scenario::all().map(|scenario| (scenario.name, scenario.about, scenario.mutant))
}

/// Returns the name of each mutant, and what it does wrong.
pub fn mutants() -> impl Iterator<Item = (&'static str, &'static str)> {
    mutants::all().map(|mutant| (mutant.name, mutant.about))
}
