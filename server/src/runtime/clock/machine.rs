//! The clocks of the machine.

use std::{
    fmt, fs,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use realtime_gateway_protocol::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// The file with the id of the current boot on Linux.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The monotonic clock that includes the time during which the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::Boottime;
/// The monotonic clock of macOS includes the time during which the machine is suspended.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The clocks of a machine.
pub trait Machine: fmt::Debug + Send + Sync + 'static {
    /// Returns the wall clock.
    fn wall(&self) -> Timestamp;

    /// Returns the time since the machine started, including the time during which it was suspended.
    fn monotonic(&self) -> Duration;

    /// Returns the clock that timers use, which does not advance while the machine is suspended.
    fn timers(&self) -> Duration;

    /// Returns the id of the boot that [`Machine::monotonic`] counts from. Empty when it is not known.
    fn boot(&self) -> String;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock;

impl Machine for MachineClock {
    fn wall(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        let time = clock_gettime(SINCE_BOOT);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    fn timers(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn boot(&self) -> String {
        fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
    }
}
