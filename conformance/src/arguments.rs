//! The command line of `gateway conformance`.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{MutantChoice, Plan, PlanError, Report, mutants, page::with_table, run, scenarios};

/// The arguments of `gateway conformance`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Runs only scenarios whose name contains this text. Can be given several times.
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// The seed of the scenarios with random faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lets this mutant interfere, a wrong client that the kit makes of the right one; `each` is the one that each scenario
    /// names, and then every scenario has to be red.
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// How many adapters run at a time. Scenarios mostly wait, so this can be more than the machine has cores.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Prints the report as JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Writes the report as JSON to a file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the table of these reports into a page, docs/conformance.md, and runs nothing.
    #[arg(long, value_name = "FILE", requires = "from", hide = true)]
    page: Option<PathBuf>,
    /// The reports for the page.
    #[arg(long, value_name = "FILE", hide = true)]
    from: Vec<PathBuf>,
    /// Lists the scenarios and the mutants.
    #[arg(long)]
    list: bool,
    /// The command of the adapter, after `--`.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Why the kit could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// There is no adapter.
    #[error("name the command of an adapter after `--`, such as: gateway conformance -- node adapter.js")]
    NoCommand,
    /// The plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The page has no place for the table.
    #[error("the page has no comments that say where its table begins and ends")]
    NoTable,
    /// The report cannot be written.
    #[error("cannot read or write a report: {0}")]
    Output(#[from] std::io::Error),
}

impl Arguments {
    /// Runs the scenarios, and prints the table. The exit code is 0 if the run shows what it should.
    ///
    /// # Errors
    /// If nothing could be run.
    pub async fn run(self) -> Result<ExitCode, ArgumentsError> {
        if self.list {
            print(&listing())?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(path) = &self.page {
            write_page(path, &self.from)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.command.is_empty() {
            return Err(ArgumentsError::NoCommand);
        }
        let mutant = match self.mutant {
            None => MutantChoice::None,
            Some(name) if name == "each" => MutantChoice::Each,
            Some(name) => MutantChoice::Named(name),
        };
        let plan = Plan { command: self.command, only: self.only, seed: self.seed, mutant, jobs: self.jobs };
        let report = run(&plan).await?;
        let json = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        if let Some(path) = self.report {
            fs::write(path, format!("{json}\n"))?;
        }
        print(&if self.json { format!("{json}\n") } else { report.table() })?;
        Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Writes the table of reports into a page.
fn write_page(path: &Path, from: &[PathBuf]) -> Result<(), ArgumentsError> {
    let mut reports = Vec::new();
    for path in from {
        let report: Report = serde_json::from_str(&fs::read_to_string(path)?).map_err(std::io::Error::from)?;
        reports.push(report);
    }
    let written = with_table(&fs::read_to_string(path)?, &reports).ok_or(ArgumentsError::NoTable)?;
    Ok(fs::write(path, written)?)
}

fn listing() -> String {
    let scenarios = scenarios().map(|(name, about, mutant)| format!("{name:<36}{about} [{mutant}]\n"));
    let mutants = mutants().map(|(name, about)| format!("{name:<36}{about}\n"));
    ["Scenarios, each with a mutant that makes it red:\n\n".to_owned()]
        .into_iter()
        .chain(scenarios)
        .chain(["\nMutants:\n\n".to_owned()])
        .chain(mutants)
        .collect()
}

/// Prints to standard output. A closed pipe is not a failure.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
