//! `cargo xtask fuzz`: runs the fuzz targets, each for a limited time.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{command, project::Project};

/// The arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target to run; all targets by default.
    target: Option<String>,
    /// The time for which each target runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the targets, one after another.
///
/// # Errors
/// If the target does not exist, if cargo-fuzz is missing, or if a target finds a failing input.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let targets = targets(project)?;
    let chosen: Vec<_> =
        targets.iter().filter(|name| arguments.target.as_ref().is_none_or(|target| target == *name)).collect();
    ensure!(!chosen.is_empty(), "there is no such fuzz target; there are: {}", targets.join(", "));
    ensure!(
        command::succeeds(&mut project.cargo(&["fuzz", "--version"])),
        "cargo-fuzz is missing; install it with `cargo install --locked cargo-fuzz`"
    );
    for target in chosen {
        writeln!(io::stdout(), "fuzzing {target} for {} s", arguments.seconds)?;
        let limit = format!("-max_total_time={}", arguments.seconds);
        command::run(unstable(project.cargo(&["fuzz", "run", target, "--", &limit])).env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns whether the project has fuzz targets.
pub(crate) fn are_there(project: &Project) -> bool {
    project.root().join("fuzz/Cargo.toml").exists()
}

/// Type-checks the targets. They are a separate workspace, which no other step compiles.
///
/// # Errors
/// If a target does not compile.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    // Without sanitizers this needs no unstable flags, and reuses what other steps have compiled.
    command::run(&mut project.cargo(&["check", "--manifest-path", "fuzz/Cargo.toml", "--bins", "--locked"]))
}

fn targets(project: &Project) -> anyhow::Result<Vec<String>> {
    let directory = project.root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("look for targets in {}", directory.display()))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("rs")) {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Lets the stable compiler accept the unstable sanitizer flags of cargo-fuzz.
fn unstable(mut command: Command) -> Command {
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}
