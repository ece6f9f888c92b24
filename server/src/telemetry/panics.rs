//! Logs panics. The default panic hook writes to standard error directly. It would block when standard error is not
//! read, and its lines would interleave with those of the log.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
};

use tracing::field;

use super::log_limited;
use crate::runtime::supervision::panic_message;

/// Installs the panic hook. Panics are logged with a backtrace if `RUST_BACKTRACE` is set.
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
