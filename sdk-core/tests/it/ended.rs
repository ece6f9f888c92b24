//! What the machine does when the gateway ends a subscription for now.

use realtime_gateway_sdk_core::machine::SubscribeOptions;
use realtime_gateway_sdk_core::protocol::ErrorCode;
use realtime_gateway_sdk_core::{Event, Topic};

use crate::{
    model::Refuse,
    stories::{clan, connected, subscribed},
};

#[test]
fn resubscribes_from_each_streams_position_after_a_retryable_end() {
    let mut world = connected();
    let streams = [subscribed(&mut world, clan()), subscribed(&mut world, clan())];
    world.server.append("c", "before", None);
    world.flush_server();
    world.run(100);
    world.server.end_subscriptions("c", ErrorCode::Unavailable);
    world.server.append("c", "meanwhile", None);
    world.flush_server();
    // The gateway still refuses the next request.
    world.server.refusals.extend([Refuse::Unavailable(false), Refuse::Unavailable(false)]);
    world.run(10_000);
    world.server.append("c", "after", None);
    world.flush_server();
    world.run(100);
    for stream in streams {
        let log = &world.streams[&stream];
        assert!(log.ended.is_none());
        let offsets: Vec<_> =
            log.deliveries.iter().map(|delivery| delivery.position.as_ref().unwrap().offset()).collect();
        assert_eq!(offsets, [1, 2, 3], "nothing is missing and nothing came twice");
        assert!(log.deliveries.iter().all(|delivery| matches!(delivery.event, Event::Message(_))), "there is no gap");
    }
}

#[test]
fn notifications_continue_after_retryable_end() {
    let mut world = connected();
    let stream = subscribed(&mut world, Topic::Notifications);
    world.server.notify();
    world.flush_server();
    world.run(100);
    world.server.end_notifications(ErrorCode::Unavailable);
    world.server.notify();
    world.flush_server();
    world.run(5_000);
    let given: Vec<_> = world.streams[&stream].deliveries.iter().filter_map(crate::chaos::notification).collect();
    let ids: Vec<_> = world.server.pending.values().map(|pending| pending.id.clone()).collect();
    assert_eq!(given, ids);
}

#[test]
fn end_that_crosses_subscribe_command_leaves_live_subscription() {
    let mut world = connected();
    let first = subscribed(&mut world, clan());
    // A second stream requests history while the gateway ends the subscription.
    let options = SubscribeOptions { history: Some(10), ..SubscribeOptions::default() };
    let second = world.subscribe(clan(), options);
    world.server.end_subscriptions("c", ErrorCode::Unavailable);
    world.flush_server();
    world.run(5_000);
    world.server.append("c", "after", None);
    world.flush_server();
    world.run(100);
    for stream in [first, second] {
        assert_eq!(world.streams[&stream].deliveries.len(), 1);
    }
}

#[test]
fn unsubscribes_when_final_end_crosses_subscribe_command() {
    let mut world = connected();
    let first = subscribed(&mut world, clan());
    let options = SubscribeOptions { history: Some(10), ..SubscribeOptions::default() };
    let second = world.subscribe(clan(), options);
    world.server.end_subscriptions("c", ErrorCode::Forbidden);
    world.flush_server();
    world.run(5_000);
    assert!(world.streams[&first].ended.is_some() && world.streams[&second].ended.is_some());
    assert!(!world.server.subscribed("c"), "no stream wants what the gateway granted after the end");
}

#[test]
fn resubscribes_with_backoff_after_retryable_end() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    world.server.end_subscriptions("c", ErrorCode::Unavailable);
    world.server.refusals.extend([Refuse::Unavailable(false); 100]);
    world.flush_server();
    world.run(300_000);
    let requested = 100 - world.server.refusals.len();
    assert!((5..40).contains(&requested), "requested {requested} times in 5 minutes");
    assert!(world.streams[&stream].ended.is_none());
}
