//! Checks the files in `deploy/` and the page of metrics against the gateway: metrics, dashboard, alerts, runbook,
//! timeouts and configuration.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../examples/dashboard/grafana.rs"]
mod grafana;
#[path = "../../examples/metrics_page/page.rs"]
mod page;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use gateway::metrics::{Kind, Metrics};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Returns the names of all series that the gateway exports.
fn exported_series() -> BTreeSet<String> {
    let metrics = Metrics::new().unwrap();
    let names = metrics.families().iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name)).to_vec(),
        Kind::Counter | Kind::Gauge => vec![family.name.clone()],
    });
    names.collect()
}

/// Returns the words in a text that look like metric names.
fn metric_names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("gateway_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_is_up_to_date() {
    let made = grafana::dashboard(Metrics::new().unwrap().families());
    assert!(
        text("deploy/grafana/gateway.json") == made,
        "deploy/grafana/gateway.json is stale: run `cargo xtask codegen`"
    );
}

#[test]
fn dashboard_shows_every_metric_and_no_other() {
    let document: serde_json::Value = serde_json::from_str(&text("deploy/grafana/gateway.json")).unwrap();
    let targets =
        document["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let shown = metric_names_in(&targets.map(|target| target["expr"].as_str().unwrap()).collect::<Vec<_>>().join("\n"));
    let (exported_series, families) = (exported_series(), Metrics::new().unwrap());
    assert_eq!(shown.difference(&exported_series).collect::<Vec<_>>(), [""; 0]);
    for family in families.families() {
        assert!(shown.iter().any(|name| name.starts_with(&family.name)), "the dashboard does not show {}", family.name);
    }
}

#[test]
fn page_of_metrics_is_up_to_date() {
    let made = page::metrics_page(Metrics::new().unwrap().families(), &text("deploy/prometheus/alerts.yml"));
    assert!(text("docs/metrics.md") == made, "docs/metrics.md is stale: run `cargo xtask codegen`");
}

#[test]
fn page_of_metrics_explains_every_label_and_links_every_alert() {
    let metrics = Metrics::new().unwrap();
    let exported: BTreeSet<_> = metrics
        .families()
        .iter()
        .flat_map(|family| family.labels.iter().map(|label| (page::short_name(family), label.as_str())))
        .collect();
    let explained: BTreeSet<_> = page::LABELS.iter().map(|(metric, label, _)| (*metric, *label)).collect();
    assert_eq!(exported, explained);
    let page = text("docs/metrics.md");
    for line in text("deploy/prometheus/alerts.yml").lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            assert!(page.contains(&format!("[{alert}](operations.md#")), "{alert} is linked by no metric");
        }
    }
}

#[test]
fn alerts_query_existing_metrics() {
    let exported_series = exported_series();
    for path in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.test.yml"] {
        let text = text(path);
        // Comments and annotations may contain other words that look like metrics.
        let is_query = |line: &&str| !["#", "summary:", "description:"].iter().any(|it| line.trim().starts_with(it));
        let queried = metric_names_in(&text.lines().filter(is_query).collect::<Vec<_>>().join("\n"));
        assert!(queried.len() > 5, "{path}: {queried:?}");
        assert_eq!(queried.difference(&exported_series).collect::<Vec<_>>(), [""; 0], "{path}");
    }
}

#[test]
fn runbook_has_section_for_every_alert() {
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

/// Returns the number after `key` in the first line that starts with it.
fn seconds(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// Returns the `gateway.toml` in the ConfigMap.
fn configuration() -> String {
    let manifest = text("deploy/kubernetes/config.yaml");
    let block = manifest.split_once("gateway.toml: |\n").unwrap().1;
    block.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn stop_timeouts_exceed_drain_grace() {
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
fn image_contains_stripped_binary() {
    let dockerfile = text("deploy/Dockerfile");
    let installed = dockerfile.split_once("install -D -m 755 ").unwrap().1.split(' ').next().unwrap();
    assert!(dockerfile.contains(&format!("strip --strip-all -o {installed} target/release/gateway")), "{installed}");
}

#[test]
fn alerts_do_not_depend_on_job_name() {
    // Prometheus chooses the job name of pods that it discovers by their annotations.
    let rules = text("deploy/prometheus/alerts.yml");
    for (at, _) in rules.match_indices("job=") {
        let query = rules.get(at.saturating_sub(200)..at).unwrap();
        assert!(query.contains("gateway_build_info"), "an alert depends on a job name");
    }
}

/// Returns the environment variables that a file sets, with a value in place of each secret.
fn environment(path: &str) -> Vec<(String, String)> {
    let secret = "a".repeat(64);
    let lines = text(path);
    let pairs = lines.lines().filter_map(|line| line.trim().split_once(": "));
    let ours = pairs.filter(|(name, _)| name.starts_with("GATEWAY_"));
    let value = |value: &str| match value.trim_matches('\'') {
        "replace me" => secret.clone(),
        value => match (value.split_once("${"), value.split_once('}')) {
            (Some((before, variable)), Some((_, after))) => {
                let default = variable.split('}').next().and_then(|variable| variable.split_once(":-"));
                format!("{before}{}{after}", default.map_or(secret.as_str(), |(_, default)| default))
            }
            _ => value.to_owned(),
        },
    };
    ours.map(|(name, given)| (name.to_owned(), value(given))).collect()
}

#[test]
fn sample_configurations_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let secret = environment("deploy/kubernetes/examples/secret.yaml");
    for (file, variables) in [(configuration(), secret), (String::new(), environment("deploy/compose/compose.yaml"))] {
        assert!(variables.len() >= 3, "{variables:?}");
        fs::write(&path, file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["config", "--config"]).arg(&path).current_dir(&folder).env_clear().envs(variables);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn samples_use_known_environment_variables() {
    let exported_series: BTreeSet<_> = variables(&text("env.example"));
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
        let unknown: Vec<_> = variables(&text(path)).difference(&exported_series).cloned().collect();
        assert_eq!(unknown, [""; 0], "{path}");
    }
}

/// Returns the gateway's configuration variables that a text names, without those of the build and of Kubernetes.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("GATEWAY_") && word.contains("__") || *word == "GATEWAY_LISTEN");
    ours.map(str::to_owned).collect()
}
