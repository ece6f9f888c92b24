//! Logs panics. The hook that comes with Rust writes to standard error itself, so it would hang with it and its lines
//! would stand between those of the log.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
};

use tracing::field;

use super::log_limited;
use crate::supervision::panic_message;

/// Logs panics from now on; with a backtrace where `RUST_BACKTRACE` is set.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(field::display);
    let message = panic_message(panic.payload());
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| field::display(&backtrace));
    log_limited!(ERROR, { location, panic = message, backtrace }, "a panic, which is a fault of the gateway: report it");
}
