//! What the machine does in situations that each have a name, against the model and in simulated time.

use realtime_gateway_sdk_core::machine::{Attempt, Command, Input, StreamId, SubscribeOptions, Ticket};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Error, ErrorKind, Event, GapReason, Outcome, Position, State, Topic};

use crate::{
    model::{HEARTBEAT, Refuse, TOKEN_LIFE},
    world::World,
};

pub(crate) fn clan() -> Topic {
    Topic::Clan(ClanId::new("c").unwrap())
}

/// A world in which the machine is connected.
pub(crate) fn connected() -> World {
    let mut world = World::new(7);
    world.input(Input::Connect);
    world.run(1_000);
    assert!(matches!(world.state, State::Connected(_)), "{:?}", world.state);
    world
}

pub(crate) fn subscribed(world: &mut World, topic: Topic) -> StreamId {
    let stream = world.subscribe(topic, SubscribeOptions::default());
    world.run(500);
    assert!(world.streams[&stream].joined);
    stream
}

pub(crate) fn only(world: &World) -> Attempt {
    let live = world.server.live();
    assert_eq!(live.len(), 1);
    live[0]
}

pub(crate) fn ended(world: &World) -> &Error {
    match &world.state {
        State::Closed(error) => error,
        other => panic!("not closed but {other:?}"),
    }
}

#[test]
fn repeats_unanswered_send_without_duplicate() {
    let mut world = connected();
    let ticket = world.send("c");
    // The gateway has it; its answer is lost with the connection.
    while world.server.clans.is_empty() {
        world.run(1);
    }
    world.server.out.clear();
    world.go_dead_for_client(1006);
    world.run(5_000);
    let receipt = world.sent[&ticket].result.clone().unwrap().unwrap();
    assert_eq!(receipt.duplicate, Some(true));
    assert_eq!(world.server.clans["c"].head, 1);
}

#[test]
fn refusal_of_repeated_send_reports_unknown_outcome() {
    let mut world = connected();
    world.server.refusals.extend([Refuse::Unavailable(true), Refuse::Forbidden]);
    let ticket = world.send("c");
    world.run(5_000);
    let error = world.sent[&ticket].result.clone().unwrap().unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some(&ErrorCode::Forbidden), Outcome::Unknown));
}

#[test]
fn later_sends_wait_behind_temporarily_refused_one() {
    let mut world = connected();
    world.server.refusals.push_back(Refuse::RateLimited);
    let tickets: Vec<_> = (0..3).map(|_| world.send("c")).collect();
    let other = world.send("elsewhere");
    world.run(500);
    assert!(world.sent[&other].result.is_some(), "another topic does not wait");
    assert!(tickets.iter().all(|ticket| world.sent[ticket].result.is_none()));
    world.run(5_000);
    let offsets: Vec<_> =
        tickets.iter().map(|ticket| world.sent[ticket].result.clone().unwrap().unwrap().offset).collect();
    assert_eq!(offsets, [1, 2, 3]);
}

#[test]
fn queues_100_sends_for_30_seconds_while_offline() {
    let mut world = World::new(1);
    world.opens_fail = u32::MAX;
    let tickets: Vec<_> = (0..101).map(|_| world.send("c")).collect();
    let result = |world: &World, at: usize| world.sent[&tickets[at]].result.clone();
    let full = result(&world, 100).unwrap().unwrap_err();
    assert_eq!((full.kind(), full.outcome()), (&ErrorKind::QueueFull, Outcome::NotSent));
    world.run(29_000);
    assert!(result(&world, 0).is_none());
    world.run(2_000);
    let late = result(&world, 0).unwrap().unwrap_err();
    assert!(matches!(late.kind(), ErrorKind::TimedOut(Some(_))), "{late}");
    assert_eq!(late.outcome(), Outcome::NotSent);
}

#[test]
fn follows_reconnect_hint_before_old_connection_closes() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let old = only(&world);
    world.server.hint();
    world.flush_server();
    for _ in 0..60 {
        world.server.append("c", "x", None);
        world.flush_server();
        world.run(100);
        assert!(matches!(world.state, State::Connected(_)), "there is a connection all the time");
    }
    world.run(1_000);
    assert!(only(&world) > old);
    let log = &world.streams[&stream];
    let offsets: Vec<_> = log.deliveries.iter().map(|delivery| delivery.position.as_ref().unwrap().offset()).collect();
    assert_eq!(offsets, (1..=60).collect::<Vec<_>>());
}

#[test]
fn reconnects_after_4409_caused_by_own_newer_connection() {
    let mut world = connected();
    let old = only(&world);
    world.server.hint();
    world.flush_server();
    while world.server.authenticated < 2 {
        world.run(1);
    }
    let new = only(&world);
    world.input(Input::Closed(new, CloseCode(1006)));
    world.input(Input::Closed(old, CloseCode(4409)));
    world.run(5_000);
    assert!(matches!(world.state, State::Connected(_)), "{:?}", world.state);
}

#[test]
fn closes_old_connection_after_new_one_recovered() {
    let mut world = connected();
    world.server.keep_old = true;
    subscribed(&mut world, clan());
    let old = only(&world);
    world.server.hint();
    world.flush_server();
    while world.server.live().len() < 2 {
        world.run(1);
    }
    world.server.refusals.push_back(Refuse::RateLimited);
    while world.server.live().len() == 2 {
        world.run(1);
    }
    let new = only(&world);
    assert!(new > old);
    assert!(world.server.subscribed("c"), "the new one was subscribed by then");
}

#[test]
fn ignores_old_connection_after_confirmation_on_new_one() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let old = only(&world);
    world.server.keep_old = true;
    // A query that is never answered keeps the old connection open.
    let message = GetPresence { clan_id: ClanId::new("c").unwrap() }.into();
    world.command(Command::Query { ticket: Ticket(9_999), query: message, timeout: 600_000 });
    world.server.hint();
    world.flush_server();
    while !world.server.live().iter().any(|attempt| *attempt > old && world.server.subscribed_on("c", *attempt)) {
        world.run(1);
    }
    // The confirmation is on its way.
    let before = world.streams[&stream].deliveries.len();
    let text = |offset: u64| format!(r#"{{"type":"chat_deleted","clanId":"c","messageId":"m","offset":{offset}}}"#);
    world.input(Input::Frame(old, &text(1)));
    assert_eq!(world.streams[&stream].deliveries.len(), before + 1, "until it is confirmed the old one counts");
    world.run(100);
    assert_eq!(world.server.live().len(), 2, "both are open");
    world.input(Input::Frame(old, &text(2)));
    assert_eq!(world.streams[&stream].deliveries.len(), before + 1, "and after that it does not");
}

#[test]
fn subscribing_many_topics_respects_rate_limit() {
    let mut world = connected();
    let tickets: Vec<_> = (0..60).map(|number| world.send(&format!("c{number}"))).collect();
    world.run(10_000);
    assert!(tickets.iter().all(|ticket| matches!(world.sent[ticket].result, Some(Ok(_)))));
}

#[test]
fn replacement_stops_client_but_keeps_streams() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let attempt = only(&world);
    world.server.close(attempt, 4409);
    world.flush_server();
    world.run(1_000);
    assert_eq!(ended(&world).close_code(), Some(CloseCode::REPLACED));
    assert!(world.streams[&stream].ended.is_none());
    let ticket = world.send("c");
    assert_eq!(world.sent[&ticket].result.clone().unwrap().unwrap_err().outcome(), Outcome::NotSent);
    let refused = world.subscribe(Topic::Notifications, SubscribeOptions::default());
    assert_eq!(world.streams[&refused].ended.as_ref().and_then(Error::close_code), Some(CloseCode::REPLACED));
    world.input(Input::Connect);
    assert_eq!(world.machine.deadline(), None, "nothing is left to do");
}

#[test]
fn retries_refused_token_once() {
    let mut world = World::new(3);
    world.bad_tokens = 1;
    world.input(Input::Connect);
    world.run(10_000);
    assert!(matches!(world.state, State::Connected(_)));
    assert_eq!(world.asked_tokens, 2);

    let mut world = World::new(3);
    world.bad_tokens = 2;
    world.input(Input::Connect);
    world.run(60_000);
    assert_eq!(ended(&world).close_code(), Some(CloseCode::UNAUTHORIZED));
    assert_eq!(world.asked_tokens, 2);
}

#[test]
fn requests_fresh_token_after_four_fifths_of_lifetime() {
    let mut world = connected();
    assert_eq!(world.asked_tokens, 1);
    world.run(TOKEN_LIFE / 5 * 4 - 3_000);
    assert_eq!(world.asked_tokens, 1);
    world.run(3_000);
    assert_eq!(world.asked_tokens, 2);
    world.run(10 * TOKEN_LIFE);
    assert_eq!(world.server.authenticated, 1, "it was the same session all the time");
}

#[test]
fn holds_sends_until_expired_token_is_renewed() {
    let mut world = connected();
    world.tokens_fail = 6;
    world.run(TOKEN_LIFE + 500);
    let ticket = world.send("c");
    world.run(30_000);
    assert!(world.sent[&ticket].result.clone().unwrap().is_ok());
}

#[test]
fn pings_and_then_closes_silent_connection() {
    let mut world = connected();
    let attempt = only(&world);
    world.go_dead(attempt);
    world.run(HEARTBEAT + 9_000);
    assert!(matches!(world.state, State::Connected(_)), "the ping may still be answered");
    world.run(5_000);
    assert!(matches!(world.state, State::Connected(_)) && only(&world) > attempt, "{:?}", world.state);
}

#[test]
fn waits_after_session_limit() {
    let mut world = World::new(5);
    world.session_limit = Some(20_000);
    world.input(Input::Connect);
    world.run(19_000);
    assert!(matches!(world.state, State::Waiting(_)), "{:?}", world.state);
    assert_eq!(world.server.upgrades, 1, "it has not reconnected before the requested time");
    world.session_limit = None;
    world.run(25_000);
    assert!(matches!(world.state, State::Connected(_)), "{:?}", world.state);
}

#[test]
fn withdrawn_subscription_ends_with_reason() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let attempt = only(&world);
    let text = r#"{"type":"subscription_ended","service":"clan_chat","clanId":"c","code":"forbidden","message":"no"}"#;
    world.input(Input::Frame(attempt, text));
    assert_eq!(world.streams[&stream].ended.as_ref().and_then(Error::code), Some(&ErrorCode::Forbidden));
}

#[test]
fn reports_gap_for_position_of_another_epoch() {
    let mut world = connected();
    world.server.append("c", "x", None);
    let from = Some(Position::new(5, "older").unwrap());
    let stream = world.subscribe(clan(), SubscribeOptions { from, ..SubscribeOptions::default() });
    world.run(500);
    let log = &world.streams[&stream];
    let Event::Gap(gap) = &log.deliveries[0].event else { panic!("no gap") };
    assert_eq!((gap.before, gap.after.offset(), gap.reason), (5, 1, GapReason::EpochChanged));
    assert!(log.joined);
}

#[test]
fn streams_of_topic_share_subscription() {
    let mut world = connected();
    let first = subscribed(&mut world, clan());
    let second = subscribed(&mut world, clan());
    world.drop_stream(first);
    world.server.append("c", "x", None);
    world.flush_server();
    world.run(500);
    assert_eq!(world.streams[&second].deliveries.len(), 1);
    assert!(world.server.subscribed("c"));
    world.drop_stream(second);
    world.run(500);
    assert!(!world.server.subscribed("c"));
}

#[test]
fn redelivers_notifications_that_did_not_fit_in_order() {
    let mut world = connected();
    let stream = subscribed(&mut world, Topic::Notifications);
    for _ in 0..5 {
        world.server.notify();
    }
    let ids: Vec<_> = world.server.pending.values().map(|pending| pending.id.clone()).collect();
    let attempt = only(&world);
    world.server.out.clear();
    let frame = |world: &mut World, at: usize| {
        let message = world.server.pending.values().nth(at).unwrap().clone();
        let text = encode_server(&Envelope::without_request_id(message.into()));
        world.input(Input::Frame(attempt, &text));
    };
    frame(&mut world, 0);
    frame(&mut world, 1);
    // The driver found no room for the second.
    world.command(Command::Missed(stream, ids[1].clone()));
    world.streams.get_mut(&stream).unwrap().deliveries.pop();
    frame(&mut world, 2);
    assert_eq!(world.streams[&stream].deliveries.len(), 1, "later ones wait");
    world.command(Command::Drained(stream));
    world.run(1_000);
    let given: Vec<_> = world.streams[&stream].deliveries.iter().filter_map(crate::chaos::notification).collect();
    assert_eq!(given, ids);
}

#[test]
fn does_not_send_oversized_messages() {
    let mut world = connected();
    let ticket = Ticket(9_999);
    let data = RawJson::encode(&"x".repeat(70_000)).unwrap();
    let message = Publish {
        service: ServiceName::new("orders").unwrap(),
        topic: TopicName::new("o").unwrap(),
        data,
        client_message_id: None,
    };
    world.expect(ticket);
    world.command(Command::Send { ticket, publication: message.into(), timeout: 1_000 });
    let error = world.sent[&ticket].result.clone().unwrap().unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some(&ErrorCode::MessageTooLarge), Outcome::NotSent));
}
