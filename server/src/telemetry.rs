//! Logs: to standard error, pretty or as JSON, with a level that can be changed while the gateway runs.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Why the logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` or `RUST_LOG` is not a filter.
    #[error("RUST_LOG or log.level is not a filter such as `info` or `info,gateway=debug`: {0}")]
    Filter(String),
    /// There are logs already, or no longer.
    #[error("the logs cannot be set up: {0}")]
    Setup(String),
}

/// The logs of the process.
#[derive(Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Sets up the logs of the process, once.
///
/// # Errors
/// [`TelemetryError`] says what is wrong.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Json => lines.json().with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Pretty if io::stderr().is_terminal() => lines.boxed(),
        LogFormat::Pretty => lines.with_ansi(false).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry.try_init().map_err(|error| TelemetryError::Setup(error.to_string()))?;
    Ok(Telemetry { filter: handle })
}

impl Telemetry {
    /// Changes how much is logged from now on.
    ///
    /// # Errors
    /// [`TelemetryError`] when this is no level; nothing is changed then.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        self.filter.reload(filter(level)?).map_err(|error| TelemetryError::Setup(error.to_string()))
    }
}

/// A plain level is the gateway's: the libraries below it stay at `info`, or nobody finds the line that matters. lapin
/// says each error of each try, and what matters of it the bus says once.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = match level {
        "debug" | "trace" => format!("info,gateway={level},lapin=off"),
        "info" | "warn" | "error" => format!("{level},lapin=off"),
        other => other.to_owned(),
    };
    EnvFilter::try_new(directives).map_err(|error| TelemetryError::Filter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_gateways_and_a_filter_is_taken_as_it_is() {
        assert_eq!(filter("warn").unwrap().to_string(), "lapin=off,warn");
        assert_eq!(filter("debug").unwrap().to_string(), "gateway=debug,lapin=off,info");
        assert_eq!(filter("hyper=trace").unwrap().to_string(), "hyper=trace");
        assert!(matches!(filter("gateway=loud"), Err(TelemetryError::Filter(_))));
    }
}
