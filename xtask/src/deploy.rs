//! The step `deploy`: validates the files in `deploy/` with the programs that read them, or with other validators.

mod check;
mod proxies;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::check::Check;
use crate::{counts::Counts, project::Project, python::Environment, tools};

/// The highest accepted exposure of the unit in `systemd-analyze security`, in tenths: 2.0 is `OK`.
const EXPOSURE: &str = "--threshold=20";

/// The shell scripts.
const SCRIPTS: [&str; 3] = ["setup-gateway.sh", "deploy/compose/secrets.sh", ".ci/run"];

/// All checks.
const CHECKS: [Check; 9] = [
    Check { name: "alert rules", run: alerts },
    Check { name: "Grafana dashboard", run: dashboard },
    Check { name: "Kubernetes manifests", run: kubernetes },
    Check { name: "compose file", run: compose },
    Check { name: "Dockerfile", run: dockerfile },
    Check { name: "systemd unit", run: systemd },
    Check { name: "nginx configuration", run: proxies::nginx },
    Check { name: "HAProxy configurations", run: proxies::haproxy },
    Check { name: "scripts", run: scripts },
];

/// Runs every check and returns how many passed.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn test(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for check in CHECKS {
        match (check.run)(project) {
            Ok(()) => {
                counts.passed += 1;
                writeln!(io::stdout(), "ok      {}", check.name)?;
            }
            Err(error) => {
                counts.failed += 1;
                writeln!(io::stdout(), "FAILED  {}: {error:#}", check.name)?;
            }
        }
    }
    Ok(counts)
}

/// Returns a command for a program from Debian that runs in the root.
fn debian(project: &Project, name: &str) -> anyhow::Result<Command> {
    let program = tools::program(name).with_context(|| format!("{name} is missing"))?;
    let mut command = Command::new(program);
    command.current_dir(project.root());
    Ok(command)
}

/// Returns a command for a program from PyPI that runs in the root.
fn python(project: &Project, name: &str) -> Command {
    let mut command = Command::new(Environment::of(project).program(name));
    command.current_dir(project.root());
    command
}

/// Creates a folder for temporary files below cargo's target directory.
fn scratch(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = project.target().join("deploy");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

fn alerts(project: &Project) -> anyhow::Result<()> {
    for arguments in [
        ["check", "rules", "deploy/prometheus/alerts.yml"],
        ["test", "rules", "deploy/prometheus/alerts.test.yml"],
        ["check", "config", "deploy/prometheus/prometheus.yml"],
    ] {
        check::quietly(debian(project, "promtool")?.args(arguments))?;
    }
    // Debian's Prometheus is built without Kubernetes support, so fixed targets replace the service discovery.
    let rules = project.root().join("deploy/prometheus/alerts.yml");
    let text = fs::read_to_string(project.root().join("deploy/prometheus/kubernetes.yml")).context("read the job")?;
    let (found, fixed) =
        ("kubernetes_sd_configs:\n      - role: pod", "static_configs:\n      - targets: [\"gateway:4001\"]");
    if !text.contains(found) {
        bail!("kubernetes.yml does not look for pods");
    }
    let text = text.replace(found, fixed).replace("- alerts.yml", &format!("- {}", rules.display()));
    let file = scratch(project)?.join("kubernetes.yml");
    fs::write(&file, text).context("write the job")?;
    check::quietly(debian(project, "promtool")?.args(["check", "config"]).arg(file))
}

/// Checks that Prometheus accepts the expression of every panel, by turning each into a rule.
fn dashboard(project: &Project) -> anyhow::Result<()> {
    let text = fs::read_to_string(project.root().join("deploy/grafana/gateway.json")).context("read the dashboard")?;
    let dashboard: Value = serde_json::from_str(&text).context("the dashboard is not JSON")?;
    let expressions = expressions(&dashboard);
    if expressions.is_empty() {
        bail!("the dashboard has no expressions");
    }
    let rule =
        |(index, expression): (usize, &String)| json!({ "record": format!("panel:{index}"), "expr": expression });
    let rules: Vec<_> = expressions.iter().enumerate().map(rule).collect();
    let file = scratch(project)?.join("dashboard.rules.json");
    fs::write(&file, json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string())?;
    check::quietly(debian(project, "promtool")?.args(["check", "rules"]).arg(file))
}

/// Returns the expressions of all panels, with Grafana's variable replaced.
fn expressions(dashboard: &Value) -> Vec<String> {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let targets = list(dashboard, "panels").into_iter().flat_map(|panel| list(&panel, "targets"));
    let queries = targets.filter_map(|target| Some(target.get("expr")?.as_str()?.replace("$__rate_interval", "5m")));
    queries.collect()
}

fn kubernetes(project: &Project) -> anyhow::Result<()> {
    let mut manifests = Vec::new();
    for folder in ["deploy/kubernetes", "deploy/kubernetes/examples"] {
        for entry in fs::read_dir(project.root().join(folder)).with_context(|| format!("read {folder}"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                manifests.push(path);
            }
        }
    }
    check::quietly(python(project, "kubernetes-validate").arg("--strict").args(manifests))
}

fn compose(project: &Project) -> anyhow::Result<()> {
    let arguments = ["--builtin-schema", "vendor.compose-spec", "deploy/compose/compose.yaml"];
    check::quietly(python(project, "check-jsonschema").args(arguments))
}

fn dockerfile(project: &Project) -> anyhow::Result<()> {
    check::quietly(python(project, "hadolint").arg("deploy/Dockerfile"))
}

fn systemd(project: &Project) -> anyhow::Result<()> {
    let path = project.root().join("deploy/systemd/gateway.service");
    let unit = fs::read_to_string(&path).context("read the unit")?;
    // The gateway is not installed here, so another program replaces it.
    let installed = unit.replace("/usr/local/bin/gateway", "/bin/true");
    let file = scratch(project)?.join("gateway.service");
    fs::write(&file, installed).context("write the unit")?;
    check::quietly(debian(project, "systemd-analyze")?.arg("verify").arg(&file))?;
    check::quietly(debian(project, "systemd-analyze")?.args(["security", "--offline=true", EXPOSURE]).arg(file))
}

fn scripts(project: &Project) -> anyhow::Result<()> {
    check::quietly(debian(project, "shellcheck")?.args(SCRIPTS))
}
