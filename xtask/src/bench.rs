//! `cargo xtask bench`: runs the benchmarks in release mode.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    command,
    project::Project,
    tools::{Missing, Tool, built, program},
};

/// The group that compares two nodes with Centrifugo.
const CLUSTER: &str = "cluster";

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The benchmarks to run; by default all except `cluster`, which compares two nodes on Redis with Centrifugo.
    names: Vec<String>,
    /// The number of rounds of `cluster`.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Runs the benchmark program, which prints the table.
///
/// # Errors
/// If it cannot be built or fails; `cluster` fails if a message was lost, doubled or out of order.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut options = Vec::new();
    if arguments.names.iter().any(|name| name == CLUSTER) {
        Missing::of(project, [&Tool::REDIS].into_iter()).require(project, "the nodes of `cluster` share a Redis")?;
        options.push(format!("--rounds={}", arguments.rounds));
        match centrifugo(project) {
            Ok(path) => options.push(format!("--centrifugo={}", path.display())),
            Err(error) => writeln!(io::stdout(), "Centrifugo is left out: {error:#}")?,
        }
    }
    let mut bench = project.cargo(&["bench", "--package", "realtime-gateway-server", "--bench", "gateway", "--"]);
    command::run(bench.args(&arguments.names).args(options))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the path of Centrifugo, which Go compiles the first time.
fn centrifugo(project: &Project) -> anyhow::Result<PathBuf> {
    let path = built(project, "centrifugo");
    if path.is_file() {
        return Ok(path);
    }
    anyhow::ensure!(program("go").is_some(), "Go is not installed (Debian package golang-go, or https://go.dev/dl)");
    writeln!(io::stdout(), "compiling Centrifugo into {}, which takes some minutes", path.display())?;
    Tool::CENTRIFUGO.compile(project)?;
    Ok(path)
}
