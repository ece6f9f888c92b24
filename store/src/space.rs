//! The space of a store: its limits, its usage, and the decision whether it accepts new entries. Each store reports its
//! usage and reserves room for every new entry. The decision does not depend on the kind of store.

use std::sync::Arc;

use parking_lot::Mutex;

const MIB: u64 = 1024 * 1024;
/// New entries are refused when less than `store.max_bytes` divided by this is left, so that a batch in progress still
/// fits.
const HEADROOM_PART: u64 = 16;
/// The maximum headroom: two batches of the data file.
const MAX_HEADROOM: u64 = 16 * MIB;
/// The minimum watermark, because a commit needs free pages. It is lower only on a tiny file system.
const MIN_WATERMARK: u64 = 16 * MIB;
/// The maximum space beyond the watermark that must become free before new entries are accepted again.
const MAX_GAP: u64 = 64 * MIB;

/// The limits beyond which a store refuses new entries. The default has no limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceLimits {
    /// `store.max_bytes`: how many bytes the store may hold.
    pub max_bytes: Option<u64>,
    /// `store.min_free_percent`: how much of the medium must be free, in percent; 0 for no watermark.
    pub min_free_percent: u64,
}

/// How much of its space a store uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// Bytes that count against `store.max_bytes`.
    pub(super) used: u64,
    /// The medium of the store, if its size is limited.
    pub(super) medium: Option<Medium>,
}

/// A file system, or the memory that Redis may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Medium {
    /// Bytes that can still be written.
    pub(super) free: u64,
    /// The total bytes.
    pub(super) capacity: u64,
}

/// The state of the space of a store, for operators.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpaceStatus {
    /// Bytes that count against `store.max_bytes`; `None` before they are known.
    pub used: Option<u64>,
    /// `store.max_bytes`.
    pub limit: Option<u64>,
    /// Which share of the file system, or of Redis' `maxmemory`, is free.
    pub free_ratio: Option<f64>,
    /// Why new entries are refused, and what to do about it; `None` while they are accepted.
    pub refusing: Option<Arc<str>>,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    MaxBytes,
    FreeSpace,
}

/// Decides whether a store accepts new entries.
#[derive(Debug)]
pub(super) struct SpaceGate {
    /// The name of the limited medium, for messages.
    medium: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: SpaceLimits,
    usage: Option<Usage>,
    shortage: Option<Shortage>,
    /// How many bytes may be written before the usage is observed again.
    room: u64,
}

impl SpaceGate {
    /// Creates a gate that accepts entries until the usage is observed. `medium` is the name of the medium in messages.
    pub(super) fn new(limits: SpaceLimits, medium: &'static str) -> Self {
        Self { medium, state: Mutex::new(State { limits, usage: None, shortage: None, room: u64::MAX }) }
    }

    /// Replaces the limits.
    pub(super) fn set_limits(&self, limits: SpaceLimits) {
        let usage = {
            let mut state = self.state.lock();
            state.limits = limits;
            state.usage
        };
        usage.into_iter().for_each(|usage| self.observe(usage));
    }

    /// Records the current usage, and begins or stops refusing entries. Logs each change.
    pub(super) fn observe(&self, usage: Usage) {
        let (before, after, reason) = {
            let mut state = self.state.lock();
            let before = state.shortage;
            state.usage = Some(usage);
            state.shortage = state.limits.shortage(usage, before);
            state.room = state.limits.room(usage);
            (before, state.shortage, self.reason(&state))
        };
        match (before, after) {
            (_, Some(_)) if before != after => tracing::error!("{}", reason.as_deref().unwrap_or_default()),
            (Some(_), None) => tracing::info!("the store has space again and accepts new messages and notifications"),
            _ => {}
        }
    }

    /// Reserves room for a new entry.
    ///
    /// # Errors
    /// The reason why the entry is refused.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Arc<str>> {
        let mut state = self.state.lock();
        if let Some(reason) = self.reason(&state) {
            return Err(reason);
        }
        match state.room.checked_sub(bytes) {
            Some(room) => state.room = room,
            None => return Err("the store has not enough space left for this write; see store.max_bytes".into()),
        }
        Ok(())
    }

    /// Returns the state of the space.
    pub(super) fn status(&self) -> SpaceStatus {
        let state = self.state.lock();
        SpaceStatus {
            used: state.usage.map(|usage| usage.used),
            limit: state.limits.max_bytes,
            free_ratio: state.usage.and_then(|usage| usage.medium).map(Medium::ratio),
            refusing: self.reason(&state),
        }
    }

    /// Returns whether new entries are refused.
    pub(super) fn is_refusing(&self) -> bool {
        self.state.lock().shortage.is_some()
    }

    /// Returns whether new entries are refused because of `store.max_bytes`.
    pub(super) fn is_over_max_bytes(&self) -> bool {
        self.state.lock().shortage == Some(Shortage::MaxBytes)
    }

    fn reason(&self, state: &State) -> Option<Arc<str>> {
        let usage = state.usage.unwrap_or_default();
        let refused = "new messages and notifications are refused until";
        let reason = match state.shortage? {
            Shortage::MaxBytes => {
                let (used, max) = (shown(usage.used), shown(state.limits.max_bytes.unwrap_or_default()));
                format!(
                    "the store uses {used} of store.max_bytes ({max}), so {refused} there is space: raise \
                     store.max_bytes, or keep less (history.max_age, history.max_entries, notifications.ttl)"
                )
            }
            Shortage::FreeSpace => {
                let (percent, medium) = (usage.medium.map_or(0.0, Medium::ratio) * 100.0, self.medium);
                format!(
                    "{percent:.1} % of {medium} is free, and store.min_free_percent is {}, so {refused} there is \
                     space: free some or add some",
                    state.limits.min_free_percent
                )
            }
        };
        Some(reason.into())
    }
}

impl SpaceLimits {
    /// Returns the limit that is reached, if any. A limit ends only when more space is free than at its begin, so that
    /// it does not flap.
    fn shortage(self, usage: Usage, before: Option<Shortage>) -> Option<Shortage> {
        if let (Some(watermark), Some(medium)) = (self.watermark(usage), usage.medium) {
            let gap = if before == Some(Shortage::FreeSpace) { (watermark / 8).min(MAX_GAP) } else { 0 };
            if medium.free < watermark + gap {
                return Some(Shortage::FreeSpace);
            }
        }
        let max = self.max_bytes?;
        let headroom = (max / HEADROOM_PART).min(MAX_HEADROOM);
        let gap = if before == Some(Shortage::MaxBytes) { headroom } else { 0 };
        (usage.used.saturating_add(headroom + gap) > max).then_some(Shortage::MaxBytes)
    }

    /// Returns how many bytes may be written until the usage is observed again: up to the limit, and half into the
    /// watermark.
    fn room(self, usage: Usage) -> u64 {
        let below_limit = self.max_bytes.map_or(u64::MAX, |max| max.saturating_sub(usage.used));
        let above_watermark = match (self.watermark(usage), usage.medium) {
            (Some(watermark), Some(medium)) => medium.free.saturating_sub(watermark / 2),
            _ => u64::MAX,
        };
        below_limit.min(above_watermark)
    }

    /// Returns how many bytes of the medium must be free.
    fn watermark(self, usage: Usage) -> Option<u64> {
        let capacity = usage.medium?.capacity;
        let share = (u128::from(capacity) * u128::from(self.min_free_percent.min(100)) / 100) as u64;
        (self.min_free_percent > 0).then(|| share.max(MIN_WATERMARK.min(capacity / 4)))
    }
}

impl Medium {
    fn ratio(self) -> f64 {
        if self.capacity == 0 { 1.0 } else { self.free as f64 / self.capacity as f64 }
    }
}

/// Formats a number of bytes for people.
fn shown(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(max_bytes: Option<u64>, min_free_percent: u64) -> SpaceGate {
        SpaceGate::new(SpaceLimits { max_bytes, min_free_percent }, "the disk")
    }

    fn used(used: u64) -> Usage {
        Usage { used, medium: None }
    }

    fn free(free: u64) -> Usage {
        Usage { used: 0, medium: Some(Medium { free, capacity: 1_000 * MIB }) }
    }

    #[test]
    fn refuses_beyond_max_bytes_until_twice_the_headroom_is_free() {
        let gate = gate(Some(160 * MIB), 0);
        for (usage, is_refusing) in [(150, false), (151, true), (150, true), (141, true), (140, false), (150, false)] {
            gate.observe(used(usage * MIB));
            assert_eq!(gate.status().refusing.is_some(), is_refusing, "{usage} MiB");
            assert_eq!(gate.reserve(1).is_err(), is_refusing);
        }
        gate.observe(used(200 * MIB));
        let reason = gate.status().refusing.unwrap();
        assert!(reason.contains("200.0 MiB of store.max_bytes (160.0 MiB)"), "{reason}");
    }

    #[test]
    fn refuses_below_the_watermark_with_hysteresis() {
        let gate = gate(None, 8);
        for (usage, is_refusing) in [(80, false), (79, true), (80, true), (89, true), (90, false), (80, false)] {
            gate.observe(free(usage * MIB));
            assert_eq!(gate.status().refusing.is_some(), is_refusing, "{usage} MiB");
        }
        gate.observe(free(40 * MIB));
        let reason = gate.status().refusing.unwrap();
        assert!(reason.contains("4.0 % of the disk") && reason.contains("store.min_free_percent is 8"), "{reason}");
    }

    #[test]
    fn watermark_leaves_space_for_commit() {
        let tiny = |free| Usage { used: 0, medium: Some(Medium { free, capacity: 40 * MIB }) };
        let gate = gate(None, 5);
        gate.observe(tiny(11 * MIB));
        assert_eq!(gate.status().refusing, None);
        gate.observe(tiny(9 * MIB));
        assert!(gate.status().refusing.is_some(), "a quarter of a tiny file system is kept free");
    }

    #[test]
    fn admitted_entries_between_observations_fit() {
        let gate = gate(Some(160 * MIB), 0);
        gate.observe(used(148 * MIB));
        assert!(gate.reserve(13 * MIB).is_err());
        gate.reserve(12 * MIB).unwrap();
        assert!(gate.reserve(1).is_err());
        assert_eq!(gate.status().refusing, None, "only writes that do not fit are refused");
        gate.observe(used(148 * MIB));
        gate.reserve(1).unwrap();
    }

    #[test]
    fn admits_everything_without_limits() {
        let gate = gate(None, 0);
        gate.observe(Usage { used: u64::MAX, ..free(0) });
        gate.reserve(u64::MAX).unwrap();
        assert_eq!(gate.status().refusing, None);
        assert_eq!(gate.status().free_ratio, Some(0.0));
    }

    #[test]
    fn new_limits_hold_immediately() {
        let gate = gate(None, 0);
        gate.observe(used(100 * MIB));
        gate.set_limits(SpaceLimits { max_bytes: Some(50 * MIB), min_free_percent: 0 });
        assert!(gate.reserve(1).is_err());
        gate.set_limits(SpaceLimits { max_bytes: Some(500 * MIB), min_free_percent: 0 });
        gate.reserve(1).unwrap();
    }
}
