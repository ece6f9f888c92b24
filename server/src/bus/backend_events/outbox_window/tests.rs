//! The window against a model of a store, a lease and an ordered channel that fail in any order.

mod model;

use std::collections::BTreeSet;

use proptest::prelude::*;

use self::model::{Model, OTHER_LEASE, Operation, operations};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model asserts while it runs: nothing is removed before it was confirmed, nothing is published before what is
    /// older, twice without need, without the lease, or beyond the window.
    #[test]
    fn publishes_everything_in_order_whatever_fails(operations in operations()) {
        let mut model = Model::new();
        operations.into_iter().for_each(|operation| model.apply(operation));
        model.recover();
        let arrived: BTreeSet<_> = model.broker.iter().copied().collect();
        prop_assert_eq!(arrived.len() as u64, model.appended, "every event has arrived");
        if !model.reordered {
            let mut newest = 0;
            for sequence in &model.broker {
                prop_assert!(*sequence <= newest + 1, "{} is followed by {}", newest, sequence);
                newest = newest.max(*sequence);
            }
        }
        model.window.finish();
        for _ in 0..3 {
            model.advance();
            model.apply(Operation::AnswerRead(true));
        }
        prop_assert!(model.finished);
    }
}

/// A model with a channel, the lease and events.
fn publishing(events: u8) -> Model {
    let mut model = Model::new();
    for operation in
        [Operation::Append(events), Operation::OpenChannel, Operation::AnswerLease(true), Operation::AnswerRead(true)]
    {
        model.apply(operation);
    }
    assert_eq!(model.in_flight.len(), usize::from(events));
    // What is collected into a batch afterwards is requested immediately.
    model.apply(Operation::Pass(BATCH_MILLIS));
    model
}

/// For how long events are collected into a batch.
const BATCH_MILLIS: u16 = 10;

#[test]
fn reads_and_removes_in_batches() {
    let mut model = publishing(1);
    assert!(model.window.reading.is_some(), "the first event after a pause is read immediately");
    model.apply(Operation::Append(1));
    model.apply(Operation::AnswerRead(true));
    assert_eq!(model.in_flight.len(), 2);
    assert!(model.window.reading.is_none(), "further events are collected");
    model.settle(0, Outcome::Routed);
    model.advance();
    assert_eq!(model.removal, Some(vec![1]), "the first removal does not wait");
    model.apply(Operation::AnswerRemoval(true));
    model.settle(0, Outcome::Routed);
    model.advance();
    assert_eq!(model.removal, None, "further removals are collected");
    model.apply(Operation::Pass(BATCH_MILLIS));
    assert_eq!(model.removal, Some(vec![2]));
    assert!(model.window.reading.is_some());
}

#[test]
fn a_refusal_publishes_again_from_the_oldest_after_a_pause() {
    let mut model = publishing(3);
    model.settle(1, Outcome::Refused);
    model.settle(1, Outcome::Routed);
    model.settle(0, Outcome::Unroutable);
    model.advance();
    assert!(model.removal.is_none() && model.window.reading.is_none(), "it pauses");
    assert_eq!(model.window.take_notices(), [Notice::Refused, Notice::RouteLost("chat.message".into())]);
    model.apply(Operation::Pass(1_000));
    assert_eq!(model.removal, Some(vec![3, 1]));
    assert!(model.window.reading.is_none(), "what is confirmed is removed first");
    model.apply(Operation::AnswerRemoval(true));
    model.apply(Operation::AnswerLease(true));
    model.apply(Operation::AnswerRead(true));
    assert_eq!(model.in_flight, [(2, false)]);
}

#[test]
fn a_refusal_discards_a_read_that_is_under_way() {
    let mut model = publishing(1);
    model.apply(Operation::Append(1));
    assert!(model.reading.is_some());
    model.settle(0, Outcome::Refused);
    model.answer_read(true);
    assert!(model.in_flight.is_empty(), "event 2 would overtake event 1");
}

#[test]
fn a_lease_that_was_not_renewed_in_time_ends_publishing() {
    let mut model = publishing(1);
    model.apply(Operation::Append(1));
    for second in 0..10 {
        model.apply(Operation::Pass(if second == 0 { 1_000 - BATCH_MILLIS } else { 1_000 }));
        model.apply(Operation::AnswerLease(false));
    }
    assert!(model.window.reading.is_none(), "the read is discarded");
    model.apply(Operation::AnswerRead(true));
    assert_eq!(model.in_flight.len(), 1);
}

#[test]
fn reports_that_another_node_publishes() {
    let mut model = publishing(1);
    model.settle(0, Outcome::Routed);
    model.settle_route_loss();
    model.apply(Operation::Pass(1_000));
    model.other_until = Some(model.now + OTHER_LEASE);
    model.apply(Operation::AnswerLease(true));
    assert_eq!(model.window.take_notices(), [Notice::RouteLost("chat.message".into()), Notice::LeaseLost]);
}

impl Model {
    /// Publishes one more event, which is returned.
    fn settle_route_loss(&mut self) {
        self.apply(Operation::Append(1));
        self.apply(Operation::AnswerRead(true));
        assert_eq!(self.in_flight.len(), 1);
        self.settle(0, Outcome::Unroutable);
    }
}

#[test]
fn abandons_a_channel_that_settles_nothing_unless_the_broker_is_blocked() {
    let mut model = publishing(1);
    model.apply(Operation::Block(true));
    for _ in 0..20 {
        model.apply(Operation::Pass(1_000));
        model.apply(Operation::AnswerLease(true));
    }
    assert!(model.channel, "a blocked broker settles nothing");
    model.apply(Operation::Block(false));
    for _ in 0..11 {
        assert!(model.channel);
        model.apply(Operation::Pass(1_000));
        model.apply(Operation::AnswerLease(true));
    }
    assert!(!model.channel);
}

#[test]
fn finishes_when_the_rest_is_published_or_cannot_be() {
    let mut model = publishing(2);
    model.window.finish();
    model.advance();
    assert!(!model.finished);
    let request = model.reading.unwrap();
    assert_eq!(request.wait, Duration::ZERO, "it does not wait for events to come");
    model.apply(Operation::AnswerRead(true));
    model.settle(0, Outcome::Routed);
    model.settle(0, Outcome::Routed);
    model.apply(Operation::AnswerRemoval(true));
    model.apply(Operation::AnswerRemoval(true));
    assert!(model.finished);

    let mut model = publishing(2);
    model.settle(0, Outcome::Routed);
    model.window.finish();
    model.apply(Operation::LoseChannel(0));
    assert!(!model.finished, "what is confirmed is removed without a channel too");
    model.apply(Operation::AnswerRemoval(true));
    assert!(model.finished);
}
