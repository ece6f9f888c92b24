//! Prints the page docs/metrics.md, generated from the list of metrics and the alert rules. `cargo xtask codegen` runs
//! it.

mod page;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = gateway::metrics::Metrics::new()?;
    let rules = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus/alerts.yml"))?;
    Ok(io::stdout().write_all(page::metrics_page(metrics.families(), &rules).as_bytes())?)
}
