//! `cargo xtask bench`: compiles the gateway and the benchmarks for release, gets the servers that the gateway is compared
//! with, and runs the benchmarks.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    browser, command,
    project::Project,
    tools::{Missing, Tool, built, program},
};

/// The group that compares two nodes with Centrifugo.
const CLUSTER: &str = "cluster";
/// The groups without other servers.
const GATEWAY_ALONE: [&str; 4] = ["growth", "append", "declared", "nodes"];
/// The folder of the npm package with uWebSockets.js.
const UWEBSOCKETS: &str = "bench/uwebsockets";
/// The committed ratios to the floor.
const BASELINE: &str = "bench/baseline.json";

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The benchmarks to run: `peers` compares the gateway with a floor, uWebSockets.js and Centrifugo, and `fan-out`,
    /// `rooms`, `saturation`, `round-trip`, `connections`, `tls-fan-out` and `tls-connections` are its loads; `growth`,
    /// `append`, `declared`, `nodes`, `cluster`. By default all except `growth` and `cluster`, which take longer.
    names: Vec<String>,
    /// How many times each server is measured. The tables show medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many seconds a load is measured each time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    seconds: u8,
    /// Measures the floor and the gateway only, compares the ratios with `bench/baseline.json`, and fails if one has
    /// become worse by more than its tolerance.
    #[arg(long)]
    compare: bool,
    /// Measures all servers, and writes the ratios of the gateway to the floor to `bench/baseline.json`.
    #[arg(long, conflicts_with = "compare")]
    write_baseline: bool,
}

impl Arguments {
    fn wants(&self, group: &str) -> bool {
        self.names.iter().any(|name| name == group)
    }

    /// Returns whether the gateway is compared with other servers.
    fn needs_other_servers(&self) -> bool {
        let only_gateway =
            !self.names.is_empty() && self.names.iter().all(|name| GATEWAY_ALONE.contains(&name.as_str()));
        !only_gateway && !self.compare
    }
}

/// Runs the benchmark program, which prints the tables.
///
/// # Errors
/// If it cannot be built or fails: because a message was lost, doubled, out of order or refused, or because a figure is
/// worse than the baseline.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut options = vec![format!("--rounds={}", arguments.rounds), format!("--seconds={}", arguments.seconds)];
    if arguments.wants(CLUSTER) {
        Missing::of(project, [&Tool::REDIS].into_iter()).require(project, "the nodes of `cluster` share a Redis")?;
    }
    if arguments.needs_other_servers() {
        match centrifugo(project) {
            Ok(path) => options.push(format!("--centrifugo={}", path.display())),
            Err(error) => writeln!(io::stdout(), "Centrifugo is left out: {error:#}")?,
        }
        match uwebsockets(project) {
            Ok(path) => options.push(format!("--uwebsockets={}", path.display())),
            Err(error) => writeln!(io::stdout(), "uWebSockets.js is left out: {error:#}")?,
        }
    }
    if arguments.compare {
        options.push("--compare".to_owned());
    }
    if arguments.write_baseline {
        options.push("--write-baseline".to_owned());
    }
    // Two builds, so that the features of one do not change the other.
    command::run(&mut project.cargo(&[
        "build",
        "--release",
        "--package",
        "realtime-gateway-server",
        "--bin",
        "gateway",
    ]))?;
    let gateway = project.target().join("release/gateway");
    let mut bench = project.cargo(&["run", "--release", "--package", "realtime-gateway-bench", "--"]);
    bench.arg("--gateway").arg(gateway).arg("--baseline").arg(project.root().join(BASELINE));
    command::run(bench.args(options).args(&arguments.names))?;
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

/// Returns the folder of uWebSockets.js, which npm downloads the first time.
fn uwebsockets(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = project.root().join(UWEBSOCKETS);
    if browser::has_npm_packages(project, UWEBSOCKETS) {
        return Ok(folder);
    }
    let is_there = program("node").is_some() && program("npm").is_some();
    anyhow::ensure!(is_there, "Node.js and npm are not installed (Debian packages nodejs and npm)");
    command::run(project.program("npm", &["ci"]).args(browser::NPM_CI).current_dir(&folder))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(line: &str) -> Result<Arguments, clap::Error> {
        Command::try_parse_from(["bench"].into_iter().chain(line.split_whitespace())).map(|command| command.arguments)
    }

    #[test]
    fn gets_other_servers_only_for_comparisons_with_them() {
        let needs = |line| arguments(line).expect("valid").needs_other_servers();
        assert!(needs("") && needs("peers") && needs("rooms --rounds 1") && needs("cluster append"));
        assert!(needs("--write-baseline"), "so that the table is of the same run");
        assert!(!needs("append") && !needs("growth nodes") && !needs("--compare"));
    }

    #[test]
    fn refuses_contradicting_arguments() {
        assert!(arguments("--compare --write-baseline").is_err());
        assert!(arguments("--rounds 0").is_err());
    }
}
