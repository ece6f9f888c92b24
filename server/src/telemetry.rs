//! Logs: written to standard error as text or JSON, with a level that can be changed while the gateway runs. Logging
//! never blocks a task, because `telemetry/log_writer.rs` writes on its own thread. `log_limit` of the runtime crate
//! prevents clients from flooding the log. `telemetry/trace.rs` passes on the trace that a request belongs to.

mod escape;
mod log_writer;
mod panics;
mod security;
pub(crate) mod trace;

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

pub use self::security::{SecurityEvent, SecurityKind};
use self::{
    escape::JsonLines,
    log_writer::{Health, LogWriter},
};
pub(crate) use self::{log_writer::print_to_stderr, security::log_security};
use gateway_runtime::log_limit::{self, INTERVAL};
pub(crate) use gateway_runtime::log_limited;

use crate::{
    config::{Log, LogFormat},
    runtime::supervision::Supervisor,
};

/// The reason why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` or `RUST_LOG` is not a filter.
    #[error("RUST_LOG or log.level is not a filter such as `info` or `info,gateway=debug`: {0}")]
    Filter(String),
    /// Logging has been set up already, or has ended.
    #[error("the logs cannot be set up: {0}")]
    Setup(String),
}

/// The log writer of this process. All gateways that run in the process share it.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Returns the number of log lines of this process that were dropped, because standard error was not read or writing
/// failed.
pub fn dropped_lines() -> u64 {
    WRITER.get().map_or(0, LogWriter::dropped)
}

/// The logging of the process.
#[derive(Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    writer: LogWriter,
}

/// A valid filter that is not in force yet.
pub struct LogFilter(EnvFilter);

/// Sets up the logging of the process. It can be called only once.
///
/// # Errors
/// A [`TelemetryError`] with the reason.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let setup = |error: &dyn std::fmt::Display| TelemetryError::Setup(error.to_string());
    let writer = LogWriter::to_stderr(report()).map_err(|error| setup(&error))?;
    let json = fmt::layer().with_writer(JsonLines(writer.clone())).log_internal_errors(false).json();
    let fields = debug_fn(escape::write_field).delimited(" ");
    let lines = fmt::layer().with_writer(writer.clone()).log_internal_errors(false).fmt_fields(fields);
    let lines = match log.format {
        LogFormat::Json => json.with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Pretty if io::stderr().is_terminal() => lines.boxed(),
        LogFormat::Pretty => lines.with_ansi(false).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry.try_init().map_err(|error| setup(&error))?;
    // This cannot fail, because `try_init` has succeeded only once in this process.
    let _ = WRITER.set(writer.clone());
    panics::log_panics();
    Ok(Telemetry { filter: handle, writer })
}

impl LogFilter {
    /// Parses a level or a filter.
    ///
    /// # Errors
    /// A [`TelemetryError`] when the text is neither.
    pub fn parse(level: &str) -> Result<Self, TelemetryError> {
        filter(level).map(Self)
    }
}

impl Telemetry {
    /// Replaces the filter of the log.
    ///
    /// # Errors
    /// A [`TelemetryError`] when the logging of the process has ended. Nothing is changed then.
    pub fn set_filter(&self, filter: LogFilter) -> Result<(), TelemetryError> {
        self.filter.reload(filter.0).map_err(|error| TelemetryError::Setup(error.to_string()))
    }

    /// Reports a failure of the thread that writes the log to a supervisor.
    pub fn supervise(&self, supervisor: &Supervisor) {
        self.writer.supervise(supervisor);
    }

    /// Waits until the queued lines are written. It does not wait for a reader of standard error that has stopped.
    pub fn flush(&self) {
        // A failure cannot be reported: nothing reads standard error.
        let _ = self.writer.flush();
    }
}

/// Returns the function that the writing thread calls about once a second. It logs the number of dropped lines and the
/// counts of suppressed lines.
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

/// Parses `log.level`. A plain level applies to the gateway only and libraries stay at `info`, because their lines
/// would hide those of the gateway. lapin and rustls are off: lapin logs every failed attempt, which the bus reports
/// once, and rustls logs invalid input of clients as errors.
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
    fn applies_plain_level_to_the_gateway_and_keeps_filters_unchanged() {
        assert_eq!(filter("warn").unwrap().to_string(), "rustls=off,lapin=off,warn");
        assert_eq!(filter("debug").unwrap().to_string(), "gateway=debug,rustls=off,lapin=off,info");
        assert_eq!(filter("hyper=trace").unwrap().to_string(), "hyper=trace");
        assert!(matches!(filter("gateway=loud"), Err(TelemetryError::Filter(_))));
    }
}
