//! The conformance kit for all SDKs: every scenario green, with its mutant red, equal hashes, and a table that is up to date.

mod adapters;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{browser, command, counts::Counts, project::Project, python_sdk, wasm};
use adapters::{Client, clients};

/// The page with the table.
const PAGE: &str = "docs/conformance.md";
/// How many adapters of a client run at a time. They mostly wait.
const JOBS: &str = "6";
/// The same for the client that is written by hand: most of its red scenarios wait until the end.
const JOBS_BY_HAND: &str = "20";

/// Runs the kit for all clients at the same time, and then with the mutants.
///
/// # Errors
/// If an adapter cannot be built or started, or the table in the documentation is not that of this run.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    browser::ensure_sdk(project)?;
    python_sdk::install_module(project)?;
    wasm::install_node_modules(project)?;
    let folder = project.target().join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let clients = clients(project, &folder)?;
    let runs: Vec<_> = clients.iter().map(|client| start(project, client, &folder, &[])).collect::<Result<_, _>>()?;
    let mut counts = Counts::default();
    let mut hashes = BTreeSet::new();
    for (client, run) in clients.iter().zip(runs) {
        let report = run.finish(client.name)?;
        let red = show(&report, |verdict| verdict == "red", client.is_ours)?;
        if client.is_ours {
            counts = counts + red;
            hashes.insert(member(&report, "hash").to_owned());
        }
    }
    counts = counts + single(hashes.len() == 1, &format!("the hashes of the seeded scenarios differ: {hashes:?}"));
    let rust = clients.first().context("there is a client")?;
    let mutants = start(project, rust, &folder, &["--mutant", "each"])?.finish("the mutants")?;
    counts = counts + show(&mutants, |verdict| verdict != "red", true)?;
    Ok(counts + page(project, &clients, &folder)?)
}

/// A run of the kit.
struct Run {
    process: Child,
    report: PathBuf,
}

/// Starts the kit for a client.
fn start(project: &Project, client: &Client, folder: &Path, options: &[&str]) -> anyhow::Result<Run> {
    let name = [client.name, options.last().copied().unwrap_or_default()].concat();
    let report = folder.join(name).with_extension("json");
    // An old report must not stand for a run that has failed.
    let _ = fs::remove_file(&report);
    let log = File::create(report.with_extension("txt")).context("create the log of the kit")?;
    let jobs = if client.is_ours { JOBS } else { JOBS_BY_HAND };
    let mut kit = Command::new(project.gateway());
    kit.args(["conformance", "--jobs", jobs, "--report"]).arg(&report).args(options).arg("--").args(&client.adapter);
    // The Python SDK is not installed in its environment.
    kit.env("PYTHONPATH", python_sdk::folder(project)).env("PYTHONDONTWRITEBYTECODE", "1");
    kit.current_dir(project.root()).stdout(log).stdin(Stdio::null());
    let process = kit.spawn().with_context(|| format!("start the kit for {}", client.name))?;
    Ok(Run { process, report })
}

impl Run {
    /// Waits for the end of the run, and returns its report.
    fn finish(mut self, name: &str) -> anyhow::Result<Value> {
        self.process.wait().context("wait for the kit")?;
        let report = fs::read_to_string(&self.report);
        let report = report.with_context(|| format!("the kit has no report for {name}: {}", self.report.display()))?;
        serde_json::from_str(&report).context("read a report of the kit")
    }
}

/// Counts the rows of a report, and shows those that failed.
fn show(report: &Value, failed: impl Fn(&str) -> bool, is_shown: bool) -> anyhow::Result<Counts> {
    let rows = report.get("rows").and_then(Value::as_array).context("a report has rows")?;
    let mut counts = Counts::default();
    for row in rows {
        let verdict = member(row, "verdict");
        let (name, scenario, why) = (member(report, "name"), member(row, "scenario"), member(row, "why"));
        let line = format!("{name}: {scenario} is {verdict}: {why}");
        let row = if is_shown { single(!failed(verdict), &line) } else { Counts { passed: 1, failed: 0 } };
        counts = counts + row;
    }
    Ok(counts)
}

/// Returns a member that is a text, or an empty one.
fn member<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn single(passes: bool, line: &str) -> Counts {
    if !passes {
        eprintln!("{line}");
    }
    Counts { passed: u64::from(passes), failed: u64::from(!passes) }
}

/// Compares the table in the documentation with that of this run.
fn page(project: &Project, clients: &[Client], folder: &Path) -> anyhow::Result<Counts> {
    let (committed, written) = (project.root().join(PAGE), folder.join("conformance.md"));
    fs::copy(&committed, &written).with_context(|| format!("copy {PAGE}"))?;
    let mut kit = Command::new(project.gateway());
    kit.args(["conformance", "--page"]).arg(&written);
    for client in clients {
        kit.arg("--from").arg(folder.join(client.name).with_extension("json"));
    }
    command::run(&mut kit)?;
    let (old, new) = (rows(&committed)?, rows(&written)?);
    ensure!(!new.is_empty(), "{PAGE} has no table");
    if old != new {
        bail!("the table of {PAGE} is not that of this run: copy {} to it, and commit it", written.display());
    }
    Ok(Counts { passed: 1, failed: 0 })
}

/// Returns the rows of the table, without the last column and the counts of the client that is written by hand: some of its
/// scenarios are races.
fn rows(page: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("| by-hand"));
    let without_last = |line: &str| {
        let line = line.strip_suffix(" |").unwrap_or(line);
        line.rsplit_once(" |").map_or(line, |(columns, _)| columns).to_owned()
    };
    Ok(rows.map(without_last).collect())
}
