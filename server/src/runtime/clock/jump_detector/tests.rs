//! Tests the detector with clocks that jump and drift, one reading per second.

use super::*;

const START: u64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A machine with a monotonic clock and a wall clock that is `offset` milliseconds ahead of the true time.
struct Machine {
    detector: JumpDetector,
    monotonic: Duration,
    offset: i64,
}

impl Machine {
    fn new() -> Self {
        let reading = Reading { wall: Timestamp::from_millis(START), monotonic: Duration::ZERO };
        Self { detector: JumpDetector::new(reading), monotonic: Duration::ZERO, offset: 0 }
    }

    fn reading(&self) -> Reading {
        let truth = START + millis(self.monotonic);
        Reading { wall: Timestamp::from_millis(truth.saturating_add_signed(self.offset)), monotonic: self.monotonic }
    }

    /// Advances by seconds with one reading each, and returns the changes.
    fn run(&mut self, seconds: u64) -> Vec<Change> {
        (0..seconds).map(|_| self.tick(Duration::from_secs(1))).filter(|change| *change != Change::None).collect()
    }

    fn tick(&mut self, after: Duration) -> Change {
        self.monotonic += after;
        self.detector.observe(self.reading(), Duration::ZERO)
    }

    /// Returns how far the trusted time is ahead of the true time, in milliseconds.
    fn error(&self) -> i64 {
        difference(self.detector.now(self.monotonic), Timestamp::from_millis(START + millis(self.monotonic)))
    }

    fn is_trusted(&self) -> bool {
        self.detector.doubt().is_none()
    }
}

#[test]
fn trusts_clock_that_moves_with_time() {
    let mut machine = Machine::new();
    assert_eq!(machine.run(10_000), []);
    assert_eq!(machine.error(), 0);
}

#[test]
fn adopts_steps_of_a_few_seconds() {
    for step in [4_900, -4_900] {
        let mut machine = Machine::new();
        machine.offset = step;
        assert_eq!(machine.run(100), []);
        assert_eq!(machine.error(), step, "the step is adopted");
    }
}

#[test]
fn doubts_jumps_in_both_directions_and_continues_with_the_monotonic_clock() {
    for jump in [8 * DAY, DAY, HOUR, 6_000, -6_000, -HOUR, -DAY, -8 * DAY] {
        let mut machine = Machine::new();
        machine.run(10);
        machine.offset = jump;
        let changes = machine.run(10_000);
        assert!(matches!(changes[..], [Change::Doubted(doubt)] if doubt.difference_ms == jump), "{jump}: {changes:?}");
        assert_eq!(machine.error(), 0, "{jump}");
        assert!(!machine.is_trusted(), "a jump that persists is doubted until it is confirmed");
    }
}

#[test]
fn trusts_again_after_a_minute_of_agreement() {
    for jump in [8 * DAY, -8 * DAY] {
        let mut machine = Machine::new();
        machine.offset = jump;
        machine.run(5);
        machine.offset = 0;
        assert_eq!(machine.run(60), [], "{jump}");
        assert!(!machine.is_trusted());
        assert_eq!(machine.run(1), [Change::Restored], "{jump}");
        assert_eq!(machine.error(), 0);
    }
}

#[test]
fn repeated_jumps_restart_the_minute() {
    let mut machine = Machine::new();
    for _ in 0..100 {
        machine.offset = 8 * DAY;
        machine.run(1);
        machine.offset = 0;
        machine.run(59);
    }
    assert!(!machine.is_trusted());
    assert_eq!(machine.error(), 0);
    assert_eq!(machine.run(60), [Change::Restored]);
}

#[test]
fn does_not_trust_a_clock_that_is_consistent_after_a_jump() {
    let mut machine = Machine::new();
    machine.offset = 8 * DAY;
    machine.run(86_400);
    assert!(!machine.is_trusted());
    assert_eq!(machine.error(), 0);
}

#[test]
fn follows_slow_drift() {
    for rate in [1, 50, 90, -50, -90] {
        let mut machine = Machine::new();
        for _ in 0..3_600 {
            machine.offset += rate;
            assert_eq!(machine.run(1), [], "{rate} ms a second");
        }
        assert_eq!(machine.error(), 3_600 * rate);
    }
}

#[test]
fn many_small_steps_do_not_add_up_to_a_large_one() {
    let mut machine = Machine::new();
    for _ in 0..3_600 {
        machine.offset += 4_000;
        machine.run(1);
    }
    assert!(!machine.is_trusted());
    assert!(machine.error() <= signed(STEP) + 3_600 * 100, "{}", machine.error());
    let mut machine = Machine::new();
    for _ in 0..36_000 {
        machine.offset += 200;
        machine.run(1);
    }
    assert!(!machine.is_trusted(), "a clock that is a fifth too fast");
    assert!(machine.error() <= 36_000 * 100 + signed(STEP), "{}", machine.error());
}

#[test]
fn suspension_is_not_a_jump() {
    let mut machine = Machine::new();
    machine.run(10);
    assert_eq!(machine.tick(Duration::from_secs(8 * 86_400)), Change::None);
    assert_eq!(machine.error(), 0);
    // The machine resumes with a clock that is a day ahead.
    machine.offset = DAY;
    assert!(matches!(machine.tick(Duration::from_secs(86_400)), Change::Doubted(_)));
    assert_eq!(machine.error(), 0);
}

#[test]
fn operator_confirms_a_jump() {
    let mut machine = Machine::new();
    machine.offset = -8 * DAY;
    machine.run(100);
    machine.detector.accept(machine.reading());
    assert!(machine.is_trusted());
    assert_eq!(machine.run(100), []);
    assert_eq!(machine.error(), -8 * DAY);
}

#[test]
fn uncertain_reading_is_not_a_jump() {
    let mut machine = Machine::new();
    machine.offset = 6_500;
    machine.monotonic += Duration::from_secs(1);
    assert_eq!(machine.detector.observe(machine.reading(), Duration::from_secs(2)), Change::None);
    assert_eq!(machine.error(), 4_500, "only what is certain is adopted");
}

#[test]
fn adopts_no_drift_while_the_monotonic_clock_stands_still() {
    let mut machine = Machine::new();
    machine.offset = 4_000;
    assert_eq!(machine.tick(Duration::ZERO), Change::None);
    machine.offset = 8_000;
    assert!(matches!(machine.tick(Duration::ZERO), Change::Doubted(_)));
}

fn resumed(boot: &str, seconds_later: u64, offset: i64) -> JumpDetector {
    let mark = Mark { boot: "boot-1".into(), monotonic: Duration::from_secs(1_000), at: Timestamp::from_millis(START) };
    let monotonic = if boot == "boot-1" { 1_000 + seconds_later } else { 20 };
    let wall = Timestamp::from_millis((START + seconds_later * 1_000).saturating_add_signed(offset));
    JumpDetector::resumed(&mark, boot, Reading { wall, monotonic: Duration::from_secs(monotonic) })
}

#[test]
fn detects_jump_during_a_restart() {
    for (later, offset, is_trusted) in [
        (5, 0, true),
        (5, 4_000, true),
        (5, 8 * DAY, false),
        (5, -8 * DAY, false),
        (5, 6_000, false),
        (30 * 86_400, 60_000, true),
        (30 * 86_400, DAY, false),
    ] {
        let detector = resumed("boot-1", later, offset);
        assert_eq!(detector.doubt().is_none(), is_trusted, "{later} s, {offset} ms");
        let expected = START + later * 1_000;
        let now = detector.now(Duration::from_secs(1_000 + later)).millis();
        assert!(now.abs_diff(expected) <= 60_000, "{later} s, {offset} ms");
    }
}

#[test]
fn large_step_after_a_boot_needs_confirmation() {
    assert!(resumed("boot-2", 3_600, 0).doubt().is_none());
    let mut detector = resumed("boot-2", 8 * 86_400, 0);
    assert!(detector.doubt().is_some_and(|doubt| doubt.needs_confirmation()));
    assert_eq!(detector.mark("boot-2", Duration::from_secs(30)), None, "a mark would end the doubt at the next start");
    for second in 21..1_000 {
        let wall = Timestamp::from_millis(START + 8 * 86_400_000 + (second - 20) * 1_000);
        let reading = Reading { wall, monotonic: Duration::from_secs(second) };
        assert_eq!(detector.observe(reading, Duration::ZERO), Change::None);
        assert_eq!(detector.now(reading.monotonic), wall, "new entries use the clock as it is");
    }
    assert!(detector.doubt().is_some());
}

#[test]
fn time_does_not_go_back_after_a_boot() {
    let detector = resumed("boot-2", 0, -30 * DAY);
    assert!(detector.doubt().is_some());
    assert_eq!(detector.now(Duration::from_secs(20)).millis(), START);
}

#[test]
fn machine_without_hardware_clock_gets_time_from_the_network() {
    let mut detector = resumed("boot-2", 0, -30 * DAY);
    let mut observe = |second: u64, wall: u64| {
        let reading = Reading { wall: Timestamp::from_millis(wall), monotonic: Duration::from_secs(20 + second) };
        detector.observe(reading, Duration::ZERO)
    };
    // The machine was off for an hour.
    let truth = |second: u64| START + 3_600_000 + second * 1_000;
    for second in 1..=60 {
        assert_eq!(observe(second, truth(second)), Change::None);
    }
    assert_eq!(observe(61, truth(61)), Change::Restored);
    let mut detector = resumed("boot-2", 0, -30 * DAY);
    for second in 1..1_000 {
        let wall = Timestamp::from_millis(truth(second) + 8 * 86_400_000);
        let reading = Reading { wall, monotonic: Duration::from_secs(20 + second) };
        assert_eq!(detector.observe(reading, Duration::ZERO), Change::None, "more than a day needs a confirmation");
    }
}

#[test]
fn unknown_boot_ids_do_not_match() {
    let mark = Mark { boot: String::new(), monotonic: Duration::ZERO, at: Timestamp::from_millis(START) };
    let wall = Timestamp::from_millis(START + 3_600_000);
    let detector = JumpDetector::resumed(&mark, "", Reading { wall, monotonic: Duration::from_secs(1) });
    assert!(detector.doubt().is_none());
}

#[test]
fn mark_contains_the_trusted_time_even_in_doubt() {
    let mut machine = Machine::new();
    machine.offset = 8 * DAY;
    machine.run(10);
    let mark = machine.detector.mark("boot", machine.monotonic).unwrap();
    assert_eq!(mark.at.millis(), START + 10_000);
}
