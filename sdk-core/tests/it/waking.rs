//! A device that slept or lost its network: what the machine does after waking up.

use realtime_gateway_sdk_core::{State, machine::Input};

use crate::{model::HEARTBEAT, world::World};

fn connected() -> World {
    let mut world = World::new(11);
    world.input(Input::Connect);
    world.run(1_000);
    assert!(world.state.is_connected(), "{:?}", world.state);
    world
}

#[test]
fn reconnects_immediately_after_waking() {
    let mut world = connected();
    world.opens_fail = u32::MAX;
    world.go_dead_for_client(1006);
    let waits = |world: &World| world.machine.deadline().is_some_and(|at| at > world.now + 3_000);
    while !(matches!(world.state, State::Waiting(_)) && waits(&world)) {
        world.run(10);
    }
    world.opens_fail = 0;
    world.input(Input::Woken);
    world.run(1_000);
    assert!(world.state.is_connected(), "{:?}", world.state);
}

#[test]
fn replaces_silent_connection_immediately_after_waking() {
    let mut world = connected();
    let before = world.server.live();
    world.go_dead(before[0]);
    // Asleep: no timer runs.
    world.now += HEARTBEAT + 60_000;
    world.input(Input::Woken);
    world.run(1_000);
    let after = world.server.live();
    assert_eq!(after.len(), 1);
    assert!(after[0] > before[0]);
    assert!(world.state.is_connected());
}

#[test]
fn pings_live_connection_after_waking() {
    let mut world = connected();
    let before = world.server.live();
    world.now += HEARTBEAT / 2;
    world.input(Input::Woken);
    // The answer to the ping puts the next one off; without it the connection would be given up by then.
    world.run(12_000);
    assert_eq!(world.server.live(), before);
    assert!(world.state.is_connected());
}
