//! Prints the Grafana dashboard of `deploy/grafana/`, generated from the list of metrics. `cargo xtask codegen` runs
//! it.

mod grafana;

use std::io::{self, Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = gateway::metrics::Metrics::new()?;
    Ok(io::stdout().write_all(grafana::dashboard(metrics.families()).as_bytes())?)
}
