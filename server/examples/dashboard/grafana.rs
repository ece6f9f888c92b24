//! Generates the Grafana dashboard from the list of metrics: one panel for each family, grouped in rows by topic.

use gateway::metrics::{Family, Kind};
use serde_json::{Value, json};

/// The rows, each with the prefixes (after `gateway_`) of the metrics in it. The last row takes all other metrics.
const ROWS: [(&str, &[&str]); 6] = [
    ("Connections", &["connection", "session", "subscriptions", "closes", "auth", "client", "draining"]),
    (
        "Messages",
        &["messages", "command", "delivery", "errors", "rate", "recoveries", "slow", "outbound", "bytes", "socket"],
    ),
    ("Nodes and broker", &["hub", "epoch", "cluster", "bus", "dead", "outbox"]),
    ("Store", &["store", "pending", "notifications"]),
    ("Process", &["process", "build", "log"]),
    ("More", &[""]),
];

/// The panels of the overview: title, expression, unit and threshold.
const OVERVIEW: [(&str, &str, &str, Bad); 8] = [
    ("Nodes", "sum(up{SELECT})", "short", Bad::Below(1.0)),
    ("Connections", "sum(gateway_connections_active{SELECT})", "short", Bad::Never),
    (
        "Fullest node",
        "max(gateway_connections_active{SELECT} / gateway_connections_limit{SELECT})",
        "percentunit",
        Bad::From(0.8),
    ),
    (
        "Messages in and out",
        "sum(rate(gateway_messages_received_total{SELECT}[$__rate_interval])) + sum(rate(gateway_messages_sent_total{SELECT}[$__rate_interval]))",
        "ops",
        Bad::Never,
    ),
    (
        "Delivery, 99th percentile",
        "histogram_quantile(0.99, sum by (le) (rate(gateway_delivery_latency_seconds_bucket{SELECT}[$__rate_interval])))",
        "s",
        Bad::From(1.0),
    ),
    ("Store", "min(gateway_store_up{SELECT})", "bool_on_off", Bad::Below(1.0)),
    ("Broker", "min(gateway_bus_connected{SELECT})", "bool_on_off", Bad::Below(1.0)),
    ("Oldest event waiting", "max(gateway_outbox_oldest_seconds{SELECT})", "s", Bad::From(60.0)),
];

/// The label filter for the nodes selected above the dashboard.
const SELECT: &str = r#"job=~"$job",instance=~"$instance""#;
/// The width of a dashboard in grid columns.
const WIDTH: usize = 24;

/// The threshold at which a value is shown as bad.
#[derive(Clone, Copy)]
enum Bad {
    Never,
    Below(f64),
    From(f64),
}

/// Returns the dashboard as JSON with a trailing line break.
pub(crate) fn dashboard(families: &[Family]) -> String {
    let mut panels = Panels::default();
    panels.row("Overview");
    for (title, expression, unit, bad) in OVERVIEW {
        panels.add(WIDTH / OVERVIEW.len(), 4, stat(title, &expression.replace("SELECT", SELECT), unit, bad));
    }
    let mut left: Vec<&Family> = families.iter().collect();
    for (title, beginnings) in ROWS {
        let is_here = |family: &Family| {
            let name = family.name.trim_start_matches("gateway_");
            beginnings.iter().any(|beginning| name.starts_with(beginning))
        };
        let (here, elsewhere): (Vec<&Family>, Vec<&Family>) = left.into_iter().partition(|family| is_here(family));
        left = elsewhere;
        if !here.is_empty() {
            panels.row(title);
        }
        for family in here {
            panels.add(WIDTH / 3, 7, graph(family));
        }
    }
    let document = json!({
        "__comment": "Made from the list of metrics by `cargo xtask codegen`; changes here are lost.",
        "title": "Realtime gateway",
        "uid": "realtime-gateway",
        "description": "Every metric of the gateway. The alerts are in deploy/prometheus, what to do in docs/operations.md.",
        "tags": ["realtime-gateway"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "graphTooltip": 1,
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source" },
            choice("job", "label_values(gateway_build_info, job)"),
            choice("instance", r#"label_values(gateway_build_info{job=~"$job"}, instance)"#),
        ] },
        "panels": panels.list,
    });
    format!("{document:#}\n")
}

/// Panels, placed from left to right and from top to bottom.
#[derive(Default)]
struct Panels {
    list: Vec<Value>,
    left: usize,
    top: usize,
    height: usize,
}

impl Panels {
    fn row(&mut self, title: &str) {
        (self.left, self.top) = (0, self.top + self.height);
        self.height = 0;
        self.add(WIDTH, 1, json!({ "type": "row", "title": title, "collapsed": false, "panels": [] }));
    }

    fn add(&mut self, width: usize, height: usize, mut panel: Value) {
        if self.left + width > WIDTH {
            (self.left, self.top) = (0, self.top + self.height);
        }
        let position = json!({ "x": self.left, "y": self.top, "w": width, "h": height });
        if let Some(panel) = panel.as_object_mut() {
            panel.insert("id".to_owned(), json!(self.list.len() + 1));
            panel.insert("gridPos".to_owned(), position);
        }
        self.list.push(panel);
        self.left += width;
        self.height = height;
    }
}

fn choice(name: &str, query: &str) -> Value {
    json!({
        "name": name, "type": "query", "query": query, "datasource": source(), "refresh": 2,
        "multi": true, "includeAll": true, "current": { "text": ["All"], "value": ["$__all"] },
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn stat(title: &str, expression: &str, unit: &str, bad: Bad) -> Value {
    let steps = match bad {
        Bad::Never => json!([{ "color": "blue", "value": null }]),
        Bad::Below(good) => json!([{ "color": "red", "value": null }, { "color": "green", "value": good }]),
        Bad::From(bad) => json!([{ "color": "green", "value": null }, { "color": "red", "value": bad }]),
    };
    json!({
        "type": "stat", "title": title, "datasource": source(),
        "fieldConfig": { "defaults": { "unit": unit, "thresholds": { "mode": "absolute", "steps": steps } }, "overrides": [] },
        "options": { "colorMode": "background", "reduceOptions": { "calcs": ["lastNotNull"] } },
        "targets": [target("A", expression, "")],
    })
}

/// Returns the panel with the graph of a family over time.
fn graph(family: &Family) -> Value {
    let name = &family.name;
    let rate = |suffix: &str| format!("rate({name}{suffix}{{{SELECT}}}[$__rate_interval])");
    let by = if family.labels.is_empty() { "instance".to_owned() } else { family.labels.join(", ") };
    let legend = match family.labels.as_slice() {
        [] => "{{instance}}".to_owned(),
        labels => labels.iter().map(|label| format!("{{{{{label}}}}}")).collect::<Vec<_>>().join(" "),
    };
    let quantile = |share: &str, by: &str| format!("histogram_quantile({share}, sum by ({by}) ({}))", rate("_bucket"));
    let targets = match family.kind {
        Kind::Counter => vec![target("A", &format!("sum by ({by}) ({})", rate("")), &legend)],
        Kind::Gauge if name == "process_start_time_seconds" => {
            vec![target("A", &format!("time() - {name}{{{SELECT}}}"), &legend)]
        }
        Kind::Gauge => vec![target("A", &format!("sum by ({by}) ({name}{{{SELECT}}})"), &legend)],
        Kind::Histogram if family.labels.is_empty() => vec![
            target("A", &quantile("0.5", "le"), "median"),
            target("B", &quantile("0.95", "le"), "95th percentile"),
            target("C", &quantile("0.99", "le"), "99th percentile"),
        ],
        Kind::Histogram => {
            vec![target("A", &quantile("0.99", &format!("le, {by}")), &format!("{legend}, 99th percentile"))]
        }
    };
    json!({
        "type": "timeseries", "title": family.help, "description": name, "datasource": source(),
        "fieldConfig": { "defaults": { "unit": unit(family), "min": 0 }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" }, "tooltip": { "mode": "multi" } },
        "targets": targets,
    })
}

fn unit(family: &Family) -> &'static str {
    let is_counter = family.kind == Kind::Counter;
    match family.name.trim_end_matches("_total") {
        "process_cpu_seconds" => "percentunit",
        name if name.ends_with("_seconds") => "s",
        name if name.contains("bytes") => {
            if is_counter {
                "Bps"
            } else {
                "bytes"
            }
        }
        _ if is_counter => "ops",
        _ => "short",
    }
}

fn target(name: &str, expression: &str, legend: &str) -> Value {
    json!({ "refId": name, "expr": expression, "legendFormat": legend, "datasource": source() })
}
