//! `cargo xtask test`: everything that must hold, step by step, and a table of what does.

mod cargo;
mod report;
mod setup;
mod steps;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Instant,
};

use crate::{counts::Counts, project::Project, tools::Missing};
use report::Report;
use steps::Step;

/// The exit code where tools are missing and nothing has run.
const TOOLS_ARE_MISSING: u8 = 2;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Names of steps, or parts of test names; everything when there is none.
    filters: Vec<String>,
    /// Installs what the steps use and this machine lacks, after listing it, and then runs the steps.
    #[arg(long)]
    setup: bool,
    /// Names the steps instead of running them.
    #[arg(long)]
    list: bool,
}

/// Runs the chosen steps, goes on after a failed one, and ends with `N passed, N failed`.
///
/// # Errors
/// If standard output cannot be written. What a step finds is no error but its result.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    if arguments.list {
        for step in steps::ALL {
            writeln!(out, "{:<10} {}", step.name, step.about)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::of(&arguments.filters);
    let steps: Vec<_> = plan.steps.iter().filter(|step| (step.applies)(project)).collect();
    let missing = Missing::of(project, steps.iter().flat_map(|step| step.tools));
    if !arguments.setup && !missing.is_empty() {
        setup::explain(project, &missing)?;
        return Ok(ExitCode::from(TOOLS_ARE_MISSING));
    }
    let report = thread::scope(|scope| {
        let mut setup = if arguments.setup { setup::Setup::begin(scope, project, &missing)? } else { None };
        let mut report = Report::default();
        for step in steps {
            if !step.tools.is_empty()
                && let Some(setup) = setup.take()
            {
                let waiting = Instant::now();
                setup.wait()?;
                report.add("setup", waiting.elapsed(), Some(Counts::default()));
            }
            writeln!(out, "\n=== {}: {}", step.name, step.about)?;
            let begun = Instant::now();
            let result = step.run(project, &plan.tests);
            if let Err(error) = &result {
                writeln!(out, "{} failed: {error:#}", step.name)?;
            }
            let ended = report.add(step.name, begun.elapsed(), result.ok());
            writeln!(out, "=== {ended}")?;
        }
        anyhow::Ok(report)
    })?;
    write!(out, "\n{report}")?;
    Ok(if report.totals().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to run.
struct Plan {
    steps: Vec<&'static Step>,
    /// Parts of test names; all tests when there is none.
    tests: Vec<String>,
}

impl Plan {
    /// A filter that names no step is part of a test's name.
    fn of(filters: &[String]) -> Self {
        let (named, tests): (Vec<_>, Vec<_>) =
            filters.iter().cloned().partition(|filter| steps::ALL.iter().any(|step| step.name == filter));
        let is_named = |name: &str| named.iter().any(|named| named == name);
        // Beside `faults` they are names of its cases.
        let filters_choose_tests = !tests.is_empty() && !is_named(steps::FAULTS);
        let is_chosen = |step: &Step| {
            filters.is_empty() || is_named(step.name) || (filters_choose_tests && step.name == steps::TESTS)
        };
        let needs_build = steps::ALL.iter().any(|step| steps::AFTER_BUILD.contains(&step.name) && is_chosen(step));
        let prepares = |step: &Step| needs_build && step.name == steps::BUILD;
        Self { steps: steps::ALL.iter().filter(|step| is_chosen(step) || prepares(step)).collect(), tests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(filters: &[&str]) -> (Vec<&'static str>, Vec<String>) {
        let plan = Plan::of(&filters.iter().map(ToString::to_string).collect::<Vec<_>>());
        (plan.steps.iter().map(|step| step.name).collect(), plan.tests)
    }

    #[test]
    fn without_filters_every_step_runs() {
        assert_eq!(plan(&[]).0.len(), steps::ALL.len());
    }

    #[test]
    fn a_step_runs_alone() {
        assert_eq!(plan(&["tidy", "lints"]), (vec!["tidy", "lints"], vec![]));
    }

    #[test]
    fn any_other_filter_chooses_tests_and_what_they_need() {
        assert_eq!(plan(&["recovery"]), (vec!["build", "tests"], vec!["recovery".to_owned()]));
        assert_eq!(plan(&["tests"]), (vec!["build", "tests"], vec![]));
    }

    #[test]
    fn a_step_that_runs_the_gateway_has_it_built() {
        assert_eq!(plan(&["npm"]).0, ["build", "npm"]);
        assert_eq!(plan(&["browser", "clients"]).0, ["build", "clients", "browser"]);
    }

    #[test]
    fn beside_faults_a_filter_chooses_one_of_its_cases() {
        assert_eq!(plan(&["faults", "kill_broker"]), (vec!["build", "faults"], vec!["kill_broker".to_owned()]));
    }
}
