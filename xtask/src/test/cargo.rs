//! The steps that run cargo and nextest. All of them select the whole workspace with its examples, because the
//! selection determines the features of dependencies, and another selection would compile most of them again.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail};

use crate::{
    command,
    counts::{Counts, Format},
    project::Project,
    python::Environment,
};

/// The variable with the URL of a shared broker, which `tests/fixtures/brokers` reads.
const BROKER: &str = "GATEWAY_TEST_AMQP";

/// The path of nextest's report below the root, as configured in `.config/nextest.toml`. It does not depend on cargo's
/// target directory.
const REPORT: &str = "target/nextest/default/junit.xml";

pub(super) fn format(project: &Project) -> anyhow::Result<()> {
    command::run(&mut project.cargo(&["fmt", "--all", "--check"]))
}

pub(super) fn lints(project: &Project) -> anyhow::Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    command::run(&mut project.cargo(&arguments))
}

pub(super) fn docs(project: &Project) -> anyhow::Result<()> {
    // Selecting the examples reuses what the previous step has compiled. xtask has no library.
    let mut doc = project.cargo(&["doc", "--workspace", "--no-deps", "--locked", "--lib", "--examples"]);
    doc.args(["--bin", "xtask"]);
    command::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

pub(super) fn build(project: &Project) -> anyhow::Result<()> {
    // xtask is excluded because it is running, and some systems do not allow replacing a running program.
    // The libraries are those for other languages, such as the extension module of Python.
    let programs = ["build", "--workspace", "--exclude", "xtask", "--lib", "--bins", "--examples", "--locked"];
    command::run(&mut project.cargo(&programs))
}

pub(super) fn doctests(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    let mut test = project.cargo(&["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]);
    command::run_counted(&mut test, Format::Rustdoc)
}

pub(super) fn tests(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    let broker = wants_broker(filters).then(|| Broker::start(project)).transpose()?;
    let mut nextest = nextest(project, "not binary(faults)");
    nextest.args(filters).envs(broker.as_ref().map(|broker| (BROKER, &broker.url)));
    run_reported(project, &mut nextest)
}

/// Runs the fault cases and prints their figures at the end. `.config/nextest.toml` sets how many run at a time.
pub(super) fn faults(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    let figures = project.root().join("test-output/faults.txt");
    // Removes the figures of an earlier run, if there are any.
    let _ = fs::remove_file(&figures);
    let mut nextest = nextest(project, "binary(faults)");
    let counts = run_reported(project, nextest.args(["--status-level", "pass"]).args(filters));
    write!(io::stdout(), "\n{}", fs::read_to_string(&figures).unwrap_or_default())?;
    counts
}

fn nextest(project: &Project, chosen: &str) -> Command {
    let environment = Environment::of(project);
    let mut nextest = project.with_target(Command::new(environment.program("cargo-nextest")));
    nextest.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "-E", chosen]);
    // Many tests wait for a gateway, a broker or a store, so there is one more than there are cores.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    nextest.arg(format!("--test-threads={}", cores + 1));
    nextest.envs(environment.variables());
    nextest
}

/// Runs nextest and reads the number of passed tests from its report.
fn run_reported(project: &Project, nextest: &mut Command) -> anyhow::Result<Counts> {
    let report = project.root().join(REPORT);
    // Removes the report of an earlier run, if there is one.
    let _ = fs::remove_file(&report);
    let result = command::run(nextest);
    let counts = fs::read_to_string(&report).ok().and_then(|report| Counts::of_junit(&report));
    match (result, counts) {
        (Err(error), Some(Counts { failed: 0, .. }) | None) => Err(error),
        (_, Some(counts)) => Ok(counts),
        (Ok(()), None) => bail!("nextest wrote no report to {}", report.display()),
    }
}

/// Returns whether many of the selected tests need a broker, so that it is worth starting a shared one.
fn wants_broker(filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.contains("rabbit"))
}

/// A broker that all tests share, each with its own prefix. It is stopped on drop.
struct Broker {
    process: Child,
    url: String,
}

impl Broker {
    fn start(project: &Project) -> anyhow::Result<Self> {
        let program = project.target().join("debug/test-broker");
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut url = String::new();
        let output = process.stdout.take().context("the broker's output")?;
        BufReader::new(output).read_line(&mut url).context("read the address of the broker")?;
        let broker = Self { process, url: url.trim().to_owned() };
        if broker.url.is_empty() {
            bail!("the shared broker did not start; see its output above");
        }
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The process stops its servers and exits when its standard input is closed.
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
