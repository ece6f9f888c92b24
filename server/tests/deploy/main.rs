//! What `deploy/` says of the gateway is true: its metrics are there, its dashboard is fresh, its alerts have a runbook.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../examples/dashboard/grafana.rs"]
mod grafana;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use gateway::metrics::{Kind, Metrics};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Every name under which a value of the gateway can be asked for.
fn known() -> BTreeSet<String> {
    let metrics = Metrics::new().unwrap();
    let names = metrics.families().iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name)).to_vec(),
        Kind::Counter | Kind::Gauge => vec![family.name.clone()],
    });
    names.collect()
}

/// What is named in a text and looks like a metric.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("gateway_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_is_fresh() {
    let made = grafana::dashboard(Metrics::new().unwrap().families());
    assert!(
        text("deploy/grafana/gateway.json") == made,
        "deploy/grafana/gateway.json is stale: run `cargo xtask codegen`"
    );
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let document: serde_json::Value = serde_json::from_str(&text("deploy/grafana/gateway.json")).unwrap();
    let targets =
        document["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let shown = named(&targets.map(|target| target["expr"].as_str().unwrap()).collect::<Vec<_>>().join("\n"));
    let (known, families) = (known(), Metrics::new().unwrap());
    assert_eq!(shown.difference(&known).collect::<Vec<_>>(), [""; 0]);
    for family in families.families() {
        assert!(shown.iter().any(|name| name.starts_with(&family.name)), "{} is not shown", family.name);
    }
}

#[test]
fn alerts_ask_for_metrics_that_are_there() {
    let known = known();
    for path in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.test.yml"] {
        let text = text(path);
        // Comments and annotations are for people, and name other things as well.
        let is_query = |line: &&str| !["#", "summary:", "description:"].iter().any(|it| line.trim().starts_with(it));
        let asked = named(&text.lines().filter(is_query).collect::<Vec<_>>().join("\n"));
        assert!(asked.len() > 5, "{path}: {asked:?}");
        assert_eq!(asked.difference(&known).collect::<Vec<_>>(), [""; 0], "{path}");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let (rules, runbook) = (text("deploy/prometheus/alerts.yml"), text("docs/operations.md"));
    let after = |line: &str, key: &str| line.trim().strip_prefix(key).map(|rest| rest.trim().to_owned());
    let alerts: Vec<_> = rules.lines().filter_map(|line| after(line, "- alert:")).collect();
    let anchors: Vec<_> = rules.lines().filter_map(|line| after(line, "runbook_url:")).collect();
    assert!(alerts.len() >= 10);
    assert_eq!(alerts.len(), anchors.len());
    for (alert, anchor) in alerts.iter().zip(&anchors) {
        let anchor = anchor.strip_suffix(&format!("/docs/operations.md#{}", alert.to_lowercase()));
        assert!(anchor.is_some(), "{alert} links to another section");
        assert!(
            runbook.lines().any(|line| line == format!("### {alert}")),
            "docs/operations.md has no section {alert}"
        );
    }
}

/// The number behind `key` in a line of the text.
fn seconds(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// The file of the ConfigMap.
fn configuration() -> String {
    let manifest = text("deploy/kubernetes/config.yaml");
    let block = manifest.split_once("gateway.toml: |\n").unwrap().1;
    block.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn nobody_ends_a_node_before_it_has_drained() {
    let grace = gateway::config::Config::default().drain.grace.as_secs();
    assert!(seconds(&text("deploy/systemd/gateway.service"), "TimeoutStopSec=") > grace);
    assert!(seconds(&text("deploy/compose/compose.yaml"), "stop_grace_period: ") > grace);
    let given = seconds(&text("deploy/kubernetes/gateway.yaml"), "terminationGracePeriodSeconds: ");
    assert!(given > seconds(&configuration(), "grace = "));
    for path in ["deploy/README.md", "deploy/Dockerfile", "docs/operations.md"] {
        let text = text(path);
        let given =
            text.split("--stop-timeout ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        assert!(given.unwrap().parse::<u64>().unwrap() > grace, "{path}");
    }
}

#[test]
fn the_image_gets_a_program_without_symbols() {
    let dockerfile = text("deploy/Dockerfile");
    let installed = dockerfile.split_once("install -D -m 755 ").unwrap().1.split(' ').next().unwrap();
    assert!(dockerfile.contains(&format!("strip --strip-all -o {installed} target/release/gateway")), "{installed}");
}

#[test]
fn alerts_take_nodes_under_any_job_name() {
    // Pods that a Prometheus finds by their annotations belong to a job that it names itself.
    let rules = text("deploy/prometheus/alerts.yml");
    for (at, _) in rules.match_indices("job=") {
        let query = rules.get(at.saturating_sub(200)..at).unwrap();
        assert!(query.contains("gateway_build_info"), "an alert is about one job name only");
    }
}

/// Variables that a file sets, with something in the place of each secret.
fn environment(path: &str) -> Vec<(String, String)> {
    let secret = "a".repeat(64);
    let lines = text(path);
    let pairs = lines.lines().filter_map(|line| line.trim().split_once(": "));
    let ours = pairs.filter(|(name, _)| name.starts_with("GATEWAY_"));
    let value = |value: &str| match value.trim_matches('\'') {
        "replace me" => secret.clone(),
        value => match (value.split_once("${"), value.split_once('}')) {
            (Some((before, _)), Some((_, after))) => format!("{before}{secret}{after}"),
            _ => value.to_owned(),
        },
    };
    ours.map(|(name, given)| (name.to_owned(), value(given))).collect()
}

#[test]
fn what_nodes_are_configured_with_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let secret = environment("deploy/kubernetes/examples/secret.yaml");
    for (file, variables) in [(configuration(), secret), (String::new(), environment("deploy/compose/compose.yaml"))] {
        assert!(variables.len() >= 4, "{variables:?}");
        fs::write(&path, file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["config", "--config"]).arg(&path).current_dir(&folder).env_clear().envs(variables);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn variables_are_those_that_the_gateway_reads() {
    let known: BTreeSet<_> = variables(&text("env.example"));
    for path in [
        "deploy/Dockerfile",
        "deploy/compose/compose.yaml",
        "deploy/compose/secrets.sh",
        "deploy/kubernetes/gateway.yaml",
        "deploy/kubernetes/examples/secret.yaml",
        "deploy/nginx/gateway.conf",
        "deploy/haproxy/haproxy.cfg",
        "deploy/README.md",
        "docs/operations.md",
        "setup-gateway.sh",
    ] {
        let unknown: Vec<_> = variables(&text(path)).difference(&known).cloned().collect();
        assert_eq!(unknown, [""; 0], "{path}");
    }
}

/// Variables of the gateway that a text names; the build's own and those that Kubernetes makes are none.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("GATEWAY_") && word.contains("__") || *word == "GATEWAY_LISTEN");
    ours.map(str::to_owned).collect()
}
