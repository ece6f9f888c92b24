//! What the machine does when the gateway ends a subscription for now.

use realtime_gateway_sdk::machine::SubscribeOptions;
use realtime_gateway_sdk::protocol::ErrorCode;
use realtime_gateway_sdk::{Event, Topic};

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
    // The gateway still cannot tell when it is asked again.
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
fn notifications_go_on_after_a_retryable_end() {
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
fn an_end_that_crosses_a_new_request_leaves_a_live_subscription() {
    let mut world = connected();
    let first = subscribed(&mut world, clan());
    // A second stream asks for the past while the gateway ends the subscription.
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
fn a_retryable_end_asks_again_no_faster_than_the_backoff() {
    let mut world = connected();
    let stream = subscribed(&mut world, clan());
    world.server.end_subscriptions("c", ErrorCode::Unavailable);
    world.server.refusals.extend([Refuse::Unavailable(false); 100]);
    world.flush_server();
    world.run(300_000);
    let asked = 100 - world.server.refusals.len();
    assert!((5..40).contains(&asked), "asked {asked} times in 5 minutes");
    assert!(world.streams[&stream].ended.is_none());
}
