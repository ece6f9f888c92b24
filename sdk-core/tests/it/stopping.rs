//! A client that stops, or is about to: its state, its streams, and how it resumes.

use realtime_gateway_sdk_core::machine::{Action, Command, Input, Ticket};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Error, ErrorKind, Event, State, Topic};

use crate::{
    model::{Refuse, TOKEN_LIFE},
    stories::{clan, connected, ended, only, subscribed},
    world::World,
};

#[test]
fn resumed_client_continues_from_stream_positions() {
    for (code, trimmed) in [(4409, false), (4409, true), (4403, false), (4401, false)] {
        let mut world = connected();
        let stream = subscribed(&mut world, clan());
        let second = subscribed(&mut world, Topic::Notifications);
        world.server.append("c", "seen", None);
        world.flush_server();
        world.run(500);
        world.bad_tokens = u32::from(code == 4401);
        let attempt = only(&world);
        world.server.close(attempt, code);
        world.flush_server();
        world.run(60_000);
        assert_eq!(ended(&world).close_code(), Some(CloseCode(code)), "{code}");
        world.server.append("c", "missed", None);
        if trimmed {
            world.server.new_epoch(0);
        }
        let waiting = world.send("c");
        assert!(world.sent[&waiting].result.is_some());
        world.input(Input::Resume);
        world.run(5_000);
        assert!(world.state.is_connected(), "{:?}", world.state);
        assert!(world.server.subscribed("c"));
        let log = &world.streams[&stream];
        assert!(log.ended.is_none() && world.streams[&second].ended.is_none());
        let gaps = log.deliveries.iter().filter(|delivery| matches!(delivery.event, Event::Gap(_))).count();
        assert_eq!((log.deliveries.len(), gaps), if trimmed { (2, 1) } else { (2, 0) }, "{code}");
        world.drop_stream(stream);
        world.run(500);
        assert!(!world.server.subscribed("c"));
    }
}

#[test]
fn reconnects_after_close_that_app_has_not_requested() {
    // Unlisted codes too: 1005 is a close frame without a code, and 1008 and 3000 are those of a proxy.
    for code in [1000, 1001, 1005, 1008, 1011, 1012, 1013, 1014, 1015, 3000, 4500, 4600, 0, 999, 5000] {
        let mut world = connected();
        let stream = subscribed(&mut world, clan());
        let attempt = only(&world);
        world.server.close(attempt, code);
        world.flush_server();
        world.server.append("c", "meanwhile", None);
        world.run(10_000);
        assert!(world.state.is_connected(), "{code}: {:?}", world.state);
        assert_eq!(world.streams[&stream].deliveries.len(), 1, "{code}");
    }
}

#[test]
fn waits_longer_each_time_a_proxy_closes_with_1000() {
    let mut world = connected();
    let mut attempts = 0;
    for _ in 0..600 {
        for attempt in world.server.live() {
            attempts += 1;
            world.server.close(attempt, 1000);
        }
        world.flush_server();
        world.run(100);
    }
    assert!((4..40).contains(&attempts), "{attempts} connections in a minute");
}

#[test]
fn closing_stopped_client_ends_streams() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let attempt = only(&world);
    world.server.close(attempt, 4409);
    world.flush_server();
    world.run(1_000);
    world.command(Command::Close);
    assert_eq!(world.streams[&stream].ended.as_ref().and_then(Error::close_code), Some(CloseCode::NORMAL));
    world.input(Input::Resume);
    world.run(5_000);
    assert_eq!(ended(&world).close_code(), Some(CloseCode::NORMAL));
}

#[test]
fn does_not_call_token_provider_after_sign_out() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    world.signed_out = true;
    world.run(10 * TOKEN_LIFE);
    assert_eq!(ended(&world).close_code(), Some(CloseCode::UNAUTHORIZED));
    assert!(ended(&world).to_string().contains("signed out"), "{}", ended(&world));
    assert_eq!(world.asked_tokens, 2);
    world.signed_out = false;
    world.input(Input::Resume);
    world.run(5_000);
    assert!(world.state.is_connected() && world.streams[&stream].ended.is_none());
}

#[test]
fn reports_failed_renewal_before_the_session_ends() {
    let mut world = connected();
    world.tokens_fail = 3;
    while matches!(world.state, State::Connected(_)) {
        world.run(10);
    }
    assert!(world.now < TOKEN_LIFE);
    let mut reported = 0;
    while let State::Expiring(_, error) = &world.state {
        assert!(matches!(error.kind(), ErrorKind::Token(_)), "{error}");
        reported += u32::from(world.machine.next_attempt().is_some_and(|at| at > world.now));
        world.run(10);
    }
    assert!(reported > 2, "and when it is tried again");
    assert!(matches!(world.state, State::Connected(_)), "{:?}", world.state);
    assert_eq!(world.server.authenticated, 1, "it was the same session all the time");
}

#[test]
fn reports_time_of_next_attempt() {
    let mut world = connected();
    world.opens_fail = u32::MAX;
    world.go_dead_for_client(1006);
    let mut reported = 0;
    for _ in 0..6_000 {
        world.run(10);
        match world.machine.next_attempt() {
            Some(at) => {
                reported += 1;
                assert!(at > world.now && matches!(world.state, State::Waiting(Some(_))), "{:?}", world.state);
            }
            None => assert!(!world.state.is_connected()),
        }
    }
    assert!(reported > 1_000, "{reported}");
}

#[test]
fn timeout_error_contains_cause() {
    let mut silent = World::new(9);
    silent.tokens_fail = u32::MAX;
    let ticket = silent.send("c");
    silent.run(31_000);
    let error = silent.sent[&ticket].result.clone().unwrap().unwrap_err();
    let ErrorKind::TimedOut(Some(cause)) = error.kind() else { panic!("{error}") };
    assert!(matches!(cause.kind(), ErrorKind::Token(_)), "{cause}");
    // A provider that never answers.
    let mut machine = World::new(10).machine;
    let message = SendChat {
        clan_id: ClanId::new("c").unwrap(),
        content: ChatContent::new("x").unwrap(),
        message_type: None,
        data: None,
        client_message_id: None,
    };
    machine.handle(0, Input::Command(Command::Send { ticket: Ticket(1), publication: message.into(), timeout: 1_000 }));
    machine.handle(1_000, Input::Tick);
    let mut causes = Vec::new();
    while let Some(action) = machine.poll() {
        if let Action::Resolve(_, Err(error)) = action {
            causes.push(error.to_string());
        }
    }
    assert_eq!(causes.len(), 1);
    assert!(causes[0].contains("the token provider has not answered"), "{causes:?}");
}

#[test]
fn resubscribes_stream_after_temporary_refusal() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    world.server.refusals.push_back(Refuse::Limit);
    world.go_dead_for_client(1006);
    world.run(10_000);
    assert!(!world.server.subscribed("c") && world.streams[&stream].ended.is_none());
    world.server.append("c", "x", None);
    world.run(30_000);
    assert!(world.server.subscribed("c"));
    assert_eq!(world.streams[&stream].deliveries.len(), 1);
}
