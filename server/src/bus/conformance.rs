//! What every bus between nodes and every broker of backend services must do, as cases that each implementation runs:
//! `bus_conformance!(subject)` and `broker_conformance!(subject)`. Another crate gets them with the feature `testing`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails by panicking; it is also compiled outside tests, for other crates"
)]

mod between_nodes;
mod dead_letters;
mod inbound;
mod outbound;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::ClanId;
use tokio::time::timeout;

pub use self::{between_nodes::*, dead_letters::*, inbound::*, outbound::*};
use super::{Bus, BusEvent, BusEvents, broker::Broker};
use crate::{store::Store, topic::Topic};

/// How long something may take that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A bus under test. Each subject has a store of its own, which its nodes share.
#[async_trait]
pub trait BusSubject: Send + Sync {
    /// Adds a node to the bus, and resolves once it is connected.
    async fn join(&self, node: &str) -> Member;
}

/// A node on a bus.
pub struct Member {
    /// The node's end of the bus.
    pub bus: Arc<dyn Bus>,
    /// What it receives.
    pub events: BusEvents,
    /// The node's end of the store.
    pub store: Arc<dyn Store>,
}

impl Member {
    /// Returns the next event.
    async fn next(&mut self) -> BusEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event arrives in time").expect("the bus is open")
    }

    /// Checks that no event has arrived.
    fn has_nothing(&mut self) {
        let event = self.events.try_recv();
        assert!(event.is_none(), "{event:?}");
    }
}

/// A broker under test, with the backend services at its other end. Each subject has queues of its own.
#[async_trait]
pub trait BrokerSubject: Send + Sync {
    /// The driver.
    type Broker: Broker;

    /// Returns the driver, which is connected.
    fn broker(&self) -> &Self::Broker;

    /// Binds a durable queue to the outbound events of a kind, which is the first two words of a routing key. With a
    /// capacity, it refuses events when it holds this many.
    async fn bind(&self, kind: &str, capacity: Option<u32>);

    /// Takes the next event of the queue of this kind. Waits for one.
    async fn receive(&self, kind: &str) -> Received;

    /// Publishes an inbound event, and resolves once the broker has it.
    async fn publish(&self, key: &str, id: Option<&str>, body: &str);

    /// Takes the next dead letter. Waits for one.
    async fn receive_dead_letter(&self) -> ReceivedDeadLetter;

    /// Ends the driver's connections, as a failure of the network does.
    async fn disconnect(&self);
}

/// An event as a backend service receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The event's id.
    pub id: String,
    /// The routing key.
    pub key: String,
    /// The body.
    pub body: Bytes,
}

/// A dead letter as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedDeadLetter {
    /// The routing key of the event.
    pub key: String,
    /// The body of the event.
    pub body: Bytes,
    /// Why it was refused, as a word.
    pub reason: String,
    /// Why it was refused, as a sentence.
    pub detail: String,
}

fn clan(name: &str) -> Topic {
    Topic::Clan(ClanId::new(name).unwrap())
}

/// Makes one test of each case of a bus, for the subject that the expression makes in a future.
#[macro_export]
macro_rules! bus_conformance {
    ($subject:expr) => {
        $crate::conformance_cases!($subject;
            append_notices_reach_bound_nodes_in_order
            a_node_does_not_receive_its_own_messages
            ephemeral_broadcasts_reach_bound_nodes
            all_shards_can_be_bound_together
            a_released_shard_can_be_bound_again
            sending_never_waits
        );
    };
}

/// Makes one test of each case of a broker, for the subject that the expression makes in a future.
#[macro_export]
macro_rules! broker_conformance {
    ($subject:expr) => {
        $crate::conformance_cases!($subject;
            events_arrive_in_order_and_are_routed
            events_without_a_queue_are_unroutable
            each_event_is_settled_once_among_routed_and_unroutable_ones
            a_full_queue_refuses_events_and_accepts_them_later
            dropping_a_wait_for_settlements_loses_none
            publishers_fail_with_their_connection_and_can_be_opened_again
            an_abandoned_connection_is_replaced
            deliveries_hold_what_was_published_in_order
            unacknowledged_deliveries_come_again_in_order
            acknowledged_deliveries_do_not_come_again
            deliveries_come_again_however_often_a_channel_ends
            consumers_fail_with_their_connection_and_lose_nothing
            a_cancelled_consumer_delivers_nothing_and_still_acknowledges
            dead_letters_hold_the_event_and_the_reason
            plain_dead_letters_hold_the_event_and_the_reason
        );
    };
}

/// Makes one test of each named case.
#[macro_export]
#[doc(hidden)]
macro_rules! conformance_cases {
    ($subject:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = $subject.await;
                $crate::bus::conformance::$case(&subject).await;
            }
        )*
    };
}
