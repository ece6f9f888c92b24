//! `cargo xtask test`: runs all checks and tests, step by step, and prints a table of the results.

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

/// The exit code when tools are missing and no step was run.
const TOOLS_ARE_MISSING: u8 = 2;

/// The arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Names of steps, or parts of test names; everything by default.
    filters: Vec<String>,
    /// Lists and installs missing tools, and then runs the steps.
    #[arg(long)]
    setup: bool,
    /// Lists the steps instead of running them.
    #[arg(long)]
    list: bool,
}

/// Runs the selected steps, continues after a failed one, and prints `N passed, N failed` at the end.
///
/// # Errors
/// If standard output cannot be written. A failed step is a result and not an error.
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
            let started = Instant::now();
            let result = step.run(project, &plan.tests);
            if let Err(error) = &result {
                writeln!(out, "{} failed: {error:#}", step.name)?;
            }
            let ended = report.add(step.name, started.elapsed(), result.ok());
            writeln!(out, "=== {ended}")?;
        }
        anyhow::Ok(report)
    })?;
    write!(out, "\n{report}")?;
    Ok(if report.totals().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The selected steps and tests.
struct Plan {
    steps: Vec<&'static Step>,
    /// Parts of test names; all tests if empty.
    tests: Vec<String>,
}

impl Plan {
    /// Interprets the filters: a filter that is not the name of a step is part of a test name.
    fn of(filters: &[String]) -> Self {
        let (named, tests): (Vec<_>, Vec<_>) =
            filters.iter().cloned().partition(|filter| steps::ALL.iter().any(|step| step.name == filter));
        let is_named = |name: &str| named.iter().any(|named| named == name);
        // Together with `faults` they select its cases.
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
    fn runs_every_step_without_filters() {
        assert_eq!(plan(&[]).0.len(), steps::ALL.len());
    }

    #[test]
    fn runs_named_steps_only() {
        assert_eq!(plan(&["tidy", "lints"]), (vec!["tidy", "lints"], vec![]));
    }

    #[test]
    fn other_filters_select_tests_and_their_build() {
        assert_eq!(plan(&["recovery"]), (vec!["build", "tests"], vec!["recovery".to_owned()]));
        assert_eq!(plan(&["tests"]), (vec!["build", "tests"], vec![]));
    }

    #[test]
    fn builds_gateway_for_steps_that_run_it() {
        assert_eq!(plan(&["npm"]).0, ["build", "npm"]);
        assert_eq!(plan(&["browser", "clients"]).0, ["build", "clients", "browser"]);
    }

    #[test]
    fn filter_with_faults_selects_its_cases() {
        assert_eq!(
            plan(&["faults", "broker_is_killed"]),
            (vec!["build", "faults"], vec!["broker_is_killed".to_owned()])
        );
    }
}
