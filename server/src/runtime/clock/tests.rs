//! Tests the clock of a node with simulated clocks of the machine.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

const START: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 3_600_000;

/// The simulated clocks of a machine, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    wall: u64,
    monotonic: u64,
    timers: u64,
}

#[derive(Debug, Clone)]
struct TestMachine(Arc<Mutex<Clocks>>);

impl TestMachine {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Clocks { wall: START, monotonic: 5_000, timers: 0 })))
    }

    fn set(&self, change: impl FnOnce(&mut Clocks)) {
        change(&mut self.0.lock());
    }

    fn pass(&self, millis: u64) {
        self.set(|clocks| {
            clocks.wall += millis;
            clocks.monotonic += millis;
            clocks.timers += millis;
        });
    }
}

impl Machine for TestMachine {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.lock().wall)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.lock().monotonic)
    }

    fn timers(&self) -> Duration {
        Duration::from_millis(self.0.lock().timers)
    }

    fn boot(&self) -> String {
        "boot".into()
    }
}

fn store_time(at: u64, accepted: u64) -> StoreTime {
    StoreTime { at: Timestamp::from_millis(at), accepted }
}

#[test]
fn time_does_not_jump_with_the_wall_clock() {
    let machine = TestMachine::new();
    let clock = NodeClock::new(machine.clone());
    machine.set(|clocks| clocks.wall += 8 * DAY);
    assert_eq!(clock.now().millis(), START, "before the jump is detected");
    clock.observe();
    assert!(!clock.may_delete() && !clock.status().may_delete());
    machine.pass(10_000);
    assert_eq!((clock.now().millis(), clock.wall().millis()), (START + 10_000, START + 8 * DAY + 10_000));
    clock.accept();
    assert!(clock.may_delete());
    assert_eq!(clock.now(), clock.wall());
}

#[test]
fn mark_is_resumed_by_the_next_process() {
    let machine = TestMachine::new();
    let mark = NodeClock::new(machine.clone()).mark().unwrap();
    machine.pass(5_000);
    let clock = NodeClock::new(machine.clone());
    clock.resume(&mark);
    assert!(clock.may_delete());
    machine.set(|clocks| clocks.wall += 8 * DAY);
    let clock = NodeClock::new(machine);
    clock.resume(&mark);
    assert!(!clock.may_delete());
    assert_eq!(clock.now().millis(), START + 5_000);
}

#[test]
fn nodes_with_different_wall_clocks_follow_the_store() {
    let (one, other) = (TestMachine::new(), TestMachine::new());
    other.set(|clocks| clocks.wall += 8 * DAY);
    let clocks = [&one, &other].map(|machine| NodeClock::new(machine.clone()));
    for clock in &clocks {
        clock.follow(store_time(START + 1_000, 0), clock.monotonic());
    }
    for machine in [&one, &other] {
        machine.pass(10_000);
    }
    assert_eq!(clocks.each_ref().map(|clock| clock.now().millis()), [START + 11_000; 2]);
    assert!(clocks.iter().all(NodeClock::may_delete), "only the clock of the store matters");
    assert_eq!(clocks.each_ref().map(|clock| clock.status().is_skewed()), [false, true]);
    // The wall clock of a node is no longer used.
    one.set(|clocks| clocks.wall += 8 * DAY);
    clocks[0].observe();
    assert!(clocks[0].may_delete());
    assert_eq!(clocks[0].mark(), None);
}

#[test]
fn doubts_store_clock_after_a_jump_until_it_is_confirmed() {
    let machine = TestMachine::new();
    let clock = NodeClock::new(machine.clone());
    clock.follow(store_time(START, 3), clock.monotonic());
    machine.pass(1_000);
    clock.follow(store_time(START + 1_000 + 8 * DAY, 3), clock.monotonic());
    assert!(!clock.may_delete());
    assert_eq!(clock.now().millis(), START + 1_000);
    machine.pass(1_000);
    clock.follow(store_time(START + 2_000 + 8 * DAY, 0), clock.monotonic());
    assert!(!clock.may_delete(), "an emptied store does not confirm the clock");
    machine.pass(1_000);
    clock.follow(store_time(START + 3_000 + 8 * DAY, 1), clock.monotonic());
    assert!(clock.may_delete());
    assert_eq!(clock.now().millis(), START + 3_000 + 8 * DAY);
}

#[test]
fn refusal_of_the_store_ends_when_the_clock_is_confirmed() {
    let clock = NodeClock::new(TestMachine::new());
    clock.follow(store_time(START, 0), clock.monotonic());
    clock.record_refusal(true);
    assert!(clock.status().may_delete(), "a single refusal may be caused by a delayed request");
    clock.record_refusal(true);
    assert!(!clock.status().may_delete());
    assert!(clock.may_delete(), "deletion is still requested, so that the end of the refusal is detected");
    clock.follow(store_time(START, 0), clock.monotonic());
    assert!(!clock.status().may_delete());
    clock.follow(store_time(START, 1), clock.monotonic());
    assert!(clock.status().may_delete());
}

#[test]
fn deletes_nothing_without_a_recent_answer_of_the_store() {
    let machine = TestMachine::new();
    let clock = NodeClock::new(machine.clone());
    clock.follow(store_time(START, 0), clock.monotonic());
    machine.pass(31_000);
    assert!(!clock.may_delete());
    clock.follow(store_time(START + 31_000, 0), clock.monotonic());
    assert!(clock.may_delete());
}

#[test]
fn timers_are_late_after_a_jump_and_after_a_suspension() {
    let machine = TestMachine::new();
    let clock = NodeClock::new(machine.clone());
    machine.pass(3_600_000);
    assert!(!clock.timers_are_late());
    machine.set(|clocks| clocks.wall += 2_000);
    assert!(clock.timers_are_late());
    assert!(!clock.timers_are_late(), "a jump is reported once");
    machine.set(|clocks| {
        clocks.wall += 60_000;
        clocks.monotonic += 60_000;
    });
    assert!(clock.timers_are_late(), "the machine was suspended");
    machine.set(|clocks| clocks.wall -= DAY);
    assert!(!clock.timers_are_late());
}
