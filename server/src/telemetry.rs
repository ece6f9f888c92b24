//! Logs: to standard error, pretty or as JSON, with a level that can be changed while the gateway runs. Logging blocks
//! no task: `telemetry/log_writer.rs` has a thread of its own. `telemetry/log_limit.rs` keeps clients from filling the log.

mod escape;
mod log_limit;
mod log_writer;
mod panics;
mod security;

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::Instant,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    fmt::{self, format::debug_fn},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use self::{
    escape::JsonLines,
    log_limit::INTERVAL,
    log_writer::{Health, LogWriter},
};
pub use self::{
    log_limit::LogLimit,
    security::{SecurityEvent, SecurityKind},
};
pub(crate) use self::{log_limit::log_limited, log_writer::print_to_stderr, security::log_security};

use crate::{
    config::{Log, LogFormat},
    supervision::Supervisor,
};

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

/// The writer of this process, once there is one: its log is one, however many gateways run in it.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// How many log lines of this process were dropped, because standard error took none or writing failed.
pub fn dropped_lines() -> u64 {
    WRITER.get().map_or(0, LogWriter::dropped)
}

/// The logs of the process.
#[derive(Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    writer: LogWriter,
}

/// A filter that is valid and not in force yet.
pub struct LogFilter(EnvFilter);

/// Sets up the logs of the process, once.
///
/// # Errors
/// [`TelemetryError`] says what is wrong.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let setup = |error: &dyn std::fmt::Display| TelemetryError::Setup(error.to_string());
    let writer = LogWriter::to_stderr(report()).map_err(|error| setup(&error))?;
    let json = fmt::layer().with_writer(JsonLines(writer.clone())).log_internal_errors(false).json();
    let fields = debug_fn(escape::write_field).delimited(" ");
    let lines = fmt::layer().with_writer(writer.clone()).log_internal_errors(false).fmt_fields(fields);
    let lines = match log.format {
        LogFormat::Json => json.with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Pretty if io::stderr().is_terminal() => lines.boxed(),
        LogFormat::Pretty => lines.with_ansi(false).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry.try_init().map_err(|error| setup(&error))?;
    // It was not set before: the registry is set once.
    let _ = WRITER.set(writer.clone());
    panics::log_panics();
    Ok(Telemetry { filter: handle, writer })
}

impl LogFilter {
    /// Reads a level or a filter.
    ///
    /// # Errors
    /// [`TelemetryError`] when it is neither.
    pub fn parse(level: &str) -> Result<Self, TelemetryError> {
        filter(level).map(Self)
    }
}

impl Telemetry {
    /// Changes how much is logged from now on.
    ///
    /// # Errors
    /// [`TelemetryError`] when the process has no logs any more; nothing is changed then.
    pub fn set_filter(&self, filter: LogFilter) -> Result<(), TelemetryError> {
        self.filter.reload(filter.0).map_err(|error| TelemetryError::Setup(error.to_string()))
    }

    /// Has a supervisor watch the thread that writes the log.
    pub fn supervise(&self, supervisor: &Supervisor) {
        self.writer.supervise(supervisor);
    }

    /// Waits until what was logged is written, but not for a reader that has stopped.
    pub fn flush(&self) {
        // A reader that has stopped is told nothing by another line.
        let _ = self.writer.flush();
    }
}

/// What the thread that writes adds about once a second: how many lines were dropped, and what was counted instead of
/// logged.
fn report() -> impl FnMut(Health) + Send + 'static {
    let (mut reported, mut next) = (0, Instant::now());
    move |health| {
        if health.works && health.dropped > reported && Instant::now() >= next {
            let lines = health.dropped - reported;
            tracing::warn!(lines, "log lines were dropped: standard error was not read, or could not be written");
            (reported, next) = (health.dropped, Instant::now() + INTERVAL);
        }
        log_limit::report_suppressed();
        security::report_counted();
    }
}

/// A plain level is the gateway's: the libraries below it stay at `info`, or nobody finds the line that matters. lapin
/// logs each error of each try, and the bus logs once what matters of it. rustls logs what clients send as errors.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = match level {
        "debug" | "trace" => format!("info,gateway={level},lapin=off,rustls=off"),
        "info" | "warn" | "error" => format!("{level},lapin=off,rustls=off"),
        other => other.to_owned(),
    };
    EnvFilter::try_new(directives).map_err(|error| TelemetryError::Filter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_gateways_and_a_filter_is_taken_as_it_is() {
        assert_eq!(filter("warn").unwrap().to_string(), "rustls=off,lapin=off,warn");
        assert_eq!(filter("debug").unwrap().to_string(), "gateway=debug,rustls=off,lapin=off,info");
        assert_eq!(filter("hyper=trace").unwrap().to_string(), "hyper=trace");
        assert!(matches!(filter("gateway=loud"), Err(TelemetryError::Filter(_))));
    }
}
