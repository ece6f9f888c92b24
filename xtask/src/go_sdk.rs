//! The Go SDK: its generated files, its checks and its tests. The core is translated from the module of `core_module`, and
//! the output is committed, because a Go module is its source tree.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    command, core_module,
    counts::{Counts, Format},
    project::Project,
    python::Environment,
    tools,
};

/// The lowest version of Go that compiles the SDK, as in `sdk-go/go.mod`.
const MINOR_VERSION: u32 = 24;
/// The checker of Go code.
pub(crate) const STATICCHECK: &str = "staticcheck";
/// The file with the digest of the core's sources.
const DIGEST: &str = "sdk-core/src/digest.rs";
/// The translated core.
const TRANSLATED: &str = "sdk-go/internal/core/module/module.go";

/// Returns the program of a Go that is new enough: the system's, or that of `--setup`.
pub(crate) fn program(project: &Project) -> Option<PathBuf> {
    let usual = [tools::program("go"), Some("/usr/local/go/bin/go".into()), Some(own(project))];
    usual.into_iter().flatten().find(|go| is_new_enough(go))
}

/// Returns the Go that `--setup` installs from PyPI.
fn own(project: &Project) -> PathBuf {
    Environment::of_go(project).program("go")
}

fn is_new_enough(go: &Path) -> bool {
    let output = Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    output.is_ok_and(|output| minor_version(&String::from_utf8_lossy(&output.stdout)) >= MINOR_VERSION)
}

/// Reads `go1.26.1`. Returns 0 for anything else.
fn minor_version(text: &str) -> u32 {
    let minor = text.trim().strip_prefix("go1.").and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    minor.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Returns whether the translated core was made from the sources of the core.
///
/// # Errors
/// If the digest of the sources cannot be read.
pub(crate) fn is_fresh(project: &Project) -> anyhow::Result<bool> {
    let translated = fs::read_to_string(project.root().join(TRANSLATED)).unwrap_or_default();
    let digest = digest(project)?;
    Ok(translated.lines().next().is_some_and(|line| line.contains(&digest)))
}

/// Writes the translated core, if the core has changed since. Only then are the tools needed. Returns
/// whether they were written.
///
/// # Errors
/// If there is no Go or no toolchain for wasm32, or a step fails.
pub(crate) fn write(project: &Project) -> anyhow::Result<bool> {
    if is_fresh(project)? {
        return Ok(false);
    }
    core_module::run(project)?;
    generate(project, &[])?;
    Ok(true)
}

/// Writes the translated core, or compares it with the option `-check`.
fn generate(project: &Project, options: &[&str]) -> anyhow::Result<()> {
    let facts = format!("gateway_core.wasm (core {}, {})", digest(project)?, rustc(project)?);
    let mut core = go(project, &["run", "./internal/generate"])?;
    command::run(core.args(options).arg(core_module::module(project)).arg(facts))
}

/// Returns the version of the compiler, without the date.
fn rustc(project: &Project) -> anyhow::Result<String> {
    let version = command::output(&mut project.program("rustc", &["--version"]))?;
    Ok(String::from_utf8_lossy(&version).split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Returns the digest of the core's sources.
fn digest(project: &Project) -> anyhow::Result<String> {
    let source = fs::read_to_string(project.root().join(DIGEST)).with_context(|| format!("read {DIGEST}"))?;
    let quoted = source.rsplit('"').nth(1).with_context(|| format!("{DIGEST} has no digest"))?;
    Ok(quoted.to_owned())
}

/// Returns a command of Go in the folder of the SDK.
///
/// # Errors
/// If there is no Go that is new enough.
pub(crate) fn go(project: &Project, arguments: &[&str]) -> anyhow::Result<Command> {
    let go = program(project).context("there is no Go that is new enough: run `cargo xtask test --setup go`")?;
    let mut command = Command::new(&go);
    command.args(arguments);
    near(project, command, &go)
}

/// Compiles a package of the SDK to a program.
///
/// # Errors
/// If there is no Go, or the package does not compile.
pub(crate) fn build(project: &Project, package: &str, program: &Path) -> anyhow::Result<()> {
    command::run(go(project, &["build", "-o"])?.arg(program).arg(package))
}

/// Lets a program run in the folder of the SDK, and find this Go.
fn near(project: &Project, mut program: Command, go: &Path) -> anyhow::Result<Command> {
    let folders = go.parent().map(Path::to_owned).into_iter();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::join_paths(folders.chain(env::split_paths(&path))).context("the folder of Go is not valid in PATH")?;
    program.current_dir(project.root().join("sdk-go")).env("PATH", folders);
    Ok(program)
}

/// Checks the code and its generated files, and runs the tests against the gateway that the step `build` compiled, also with
/// the race detector.
///
/// # Errors
/// If a check fails, the core cannot be built, or the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    core_module::ensure(project)?;
    let seeded = core_module::write_seeded_inputs(project)?;
    let committed =
        fs::read_to_string(project.root().join(TRANSLATED)).with_context(|| format!("read {TRANSLATED}"))?;
    // Other compilers give other bytes. The test of the digest holds in any case.
    if committed.lines().next().unwrap_or_default().contains(&format!("{})", rustc(project)?)) {
        generate(project, &["-check"])?;
    }
    check(project)?;
    let tests = |arguments: &[&str]| -> anyhow::Result<Counts> {
        let mut tests = go(project, &["test", "-v", "-count=1"])?;
        tests.args(arguments).env("GATEWAY", project.gateway()).env("GATEWAY_SEEDED", &seeded);
        command::run_counted(&mut tests, Format::Go)
    };
    Ok(tests(&["./..."])? + tests(&["-race", "."])?)
}

/// Runs the checks of the code.
fn check(project: &Project) -> anyhow::Result<()> {
    let unformatted = command::output(&mut go(project, &["run", "cmd/gofmt", "-l", "."])?)?;
    ensure!(unformatted.is_empty(), "not formatted, run gofmt -w: {}", String::from_utf8_lossy(&unformatted));
    // The translated core has unreachable code, as WebAssembly has.
    command::run(&mut go(project, &["vet", "-unreachable=false", "./..."])?)?;
    let go = program(project).context("there is no Go that is new enough")?;
    let mut staticcheck = Command::new(tools::built(project, STATICCHECK));
    staticcheck.args([
        ".",
        "./examples/...",
        "./publish",
        "./internal/conformance",
        "./internal/core",
        "./internal/generate",
        "./internal/codegentest/...",
    ]);
    command::run(&mut near(project, staticcheck, &go)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_of_go() {
        assert_eq!(minor_version("go1.26.1\n"), 26);
        assert_eq!(minor_version("go1.24rc1"), 24);
        assert_eq!(minor_version("go1.19"), 19);
        assert_eq!(minor_version("devel"), 0);
    }
}
