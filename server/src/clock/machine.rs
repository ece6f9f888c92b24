//! The clocks of the machine.

use std::{
    fmt, fs,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use realtime_gateway_protocol::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Where Linux tells which boot of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The clock that also counts while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::Boottime;
/// That of macOS does.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// Reads clocks.
pub trait Machine: fmt::Debug + Send + Sync + 'static {
    /// The time of day.
    fn wall(&self) -> Timestamp;

    /// The time since the machine started, with the time in which it was suspended.
    fn monotonic(&self) -> Duration;

    /// The clock that timers wait by: it stands still while the machine is suspended.
    fn timers(&self) -> Duration;

    /// Names the boot that [`Machine::monotonic`] counts from; empty when it is not known.
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
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }

    fn boot(&self) -> String {
        fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
    }
}
