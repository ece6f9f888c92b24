//! What the machine does in situations that each have a name, against the model and in simulated time.

use realtime_gateway_sdk::machine::{Attempt, Command, Input, StreamId, SubscribeOptions, Ticket};
use realtime_gateway_sdk::protocol::*;
use realtime_gateway_sdk::{Error, ErrorKind, Event, GapReason, Outcome, Position, State, Topic};

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
fn an_unanswered_send_is_repeated_and_appears_once() {
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
fn a_refusal_of_the_repeat_does_not_hide_that_the_first_may_have_arrived() {
    let mut world = connected();
    world.server.refusals.extend([Refuse::Unavailable(true), Refuse::Forbidden]);
    let ticket = world.send("c");
    world.run(5_000);
    let error = world.sent[&ticket].result.clone().unwrap().unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some(&ErrorCode::Forbidden), Outcome::Unknown));
}

#[test]
fn later_sends_wait_behind_one_that_is_refused_for_now() {
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
fn without_a_connection_a_hundred_sends_wait_for_half_a_minute() {
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
fn a_hint_is_followed_before_the_old_connection_ends() {
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
fn a_4409_that_our_own_successor_caused_is_not_the_end_even_if_the_successor_was_lost_first() {
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
fn the_old_connection_is_let_go_when_the_new_one_has_recovered() {
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
fn the_old_connection_is_not_believed_once_the_new_one_is_confirmed() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let old = only(&world);
    world.server.keep_old = true;
    // A question that is never answered keeps the old connection open.
    let message = GetPresence { clan_id: ClanId::new("c").unwrap() }.into();
    world.command(Command::Query { ticket: Ticket(9_999), question: message, timeout: 600_000 });
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
fn many_topics_at_once_keep_within_the_limits() {
    let mut world = connected();
    let tickets: Vec<_> = (0..60).map(|number| world.send(&format!("c{number}"))).collect();
    world.run(10_000);
    assert!(tickets.iter().all(|ticket| matches!(world.sent[ticket].result, Some(Ok(_)))));
}

#[test]
fn replaced_by_another_session_stops_the_client_and_not_its_streams() {
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
fn a_refused_token_is_forgiven_once() {
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
fn a_fresh_token_is_asked_for_at_four_fifths_of_a_life() {
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
fn an_expired_token_holds_sends_back_until_there_is_a_fresh_one() {
    let mut world = connected();
    world.tokens_fail = 6;
    world.run(TOKEN_LIFE + 500);
    let ticket = world.send("c");
    world.run(30_000);
    assert!(world.sent[&ticket].result.clone().unwrap().is_ok());
}

#[test]
fn a_silent_connection_is_pinged_and_then_given_up() {
    let mut world = connected();
    let attempt = only(&world);
    world.go_dead(attempt);
    world.run(HEARTBEAT + 9_000);
    assert!(matches!(world.state, State::Connected(_)), "the ping may still be answered");
    world.run(5_000);
    assert!(matches!(world.state, State::Connected(_)) && only(&world) > attempt, "{:?}", world.state);
}

#[test]
fn a_session_limit_is_waited_out() {
    let mut world = World::new(5);
    world.session_limit = Some(20_000);
    world.input(Input::Connect);
    world.run(19_000);
    assert!(matches!(world.state, State::Waiting(_)), "{:?}", world.state);
    assert_eq!(world.server.upgrades, 1, "it has not come back before it was told to");
    world.session_limit = None;
    world.run(25_000);
    assert!(matches!(world.state, State::Connected(_)), "{:?}", world.state);
}

#[test]
fn a_subscription_that_is_withdrawn_ends_with_its_reason() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    let attempt = only(&world);
    let text = r#"{"type":"subscription_ended","service":"clan_chat","clanId":"c","code":"forbidden","message":"no"}"#;
    world.input(Input::Frame(attempt, text));
    assert_eq!(world.streams[&stream].ended.as_ref().and_then(Error::code), Some(&ErrorCode::Forbidden));
}

#[test]
fn a_position_of_another_epoch_is_answered_with_a_gap() {
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
fn streams_of_one_topic_share_a_subscription_and_the_last_one_ends_it() {
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
fn notifications_that_found_no_room_come_again_in_order() {
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
        let text = encode_server(&Envelope::unasked(message.into()));
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
fn what_is_too_large_never_leaves() {
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
