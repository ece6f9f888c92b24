//! `cargo xtask bench`: the benches, built for release.

use std::process::ExitCode;

use crate::{command, project::Project};

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Benches to run; all of them when none is named.
    names: Vec<String>,
}

/// Runs the benches; the bench program prints the table.
///
/// # Errors
/// If they cannot be built or one fails.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut bench = project.cargo(&["bench", "--package", "realtime-gateway-server", "--bench", "gateway", "--"]);
    command::run(bench.args(&arguments.names))?;
    Ok(ExitCode::SUCCESS)
}
