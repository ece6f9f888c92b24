//! `cargo xtask fuzz`: the fuzz targets, each for a bounded time.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{command, project::Project};

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target to run; all of them when none is named.
    target: Option<String>,
    /// How many seconds each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the targets, one after another.
///
/// # Errors
/// If there are none, if cargo-fuzz is missing, or if a target finds an input that fails.
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

/// Whether the project has fuzz targets.
pub(crate) fn are_there(project: &Project) -> bool {
    project.root().join("fuzz/Cargo.toml").exists()
}

/// Type-checks the targets, which form a workspace of their own that no other step compiles.
///
/// # Errors
/// If one does not compile.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    // Without the sanitizers this needs nothing unstable, and shares what the other steps have checked already.
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

/// cargo-fuzz asks for the sanitizers, which are unstable: this lets the stable compiler take their flags.
fn unstable(mut command: Command) -> Command {
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}
