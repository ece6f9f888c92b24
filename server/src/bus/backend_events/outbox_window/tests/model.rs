//! A store, a lease and an ordered channel that fail in any order. The model asserts while it runs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use realtime_gateway_protocol::Timestamp;

use super::super::*;
use crate::store::{Event, EventDetail, EventSource};

/// How long another node keeps the lease that it has taken.
pub(super) const OTHER_LEASE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Append(u8),
    Pass(u16),
    OpenChannel,
    /// The share of the unsettled events that has reached the broker, in 256ths.
    LoseChannel(u8),
    AnswerLease(bool),
    AnswerRead(bool),
    AnswerRemoval(bool),
    Settle(prop::sample::Index, Outcome),
    Block(bool),
    /// Another node takes the lease if it can, publishes everything and removes it.
    OtherNode,
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let outcome = prop_oneof![6 => Just(Outcome::Routed), 3 => Just(Outcome::Unroutable), 1 => Just(Outcome::Refused)];
    let mostly = || prop::bool::weighted(0.85);
    let operation = prop_oneof![
        3 => any::<u8>().prop_map(Operation::Append),
        3 => (0_u16..4_000).prop_map(Operation::Pass),
        2 => Just(Operation::OpenChannel),
        1 => any::<u8>().prop_map(Operation::LoseChannel),
        4 => mostly().prop_map(Operation::AnswerLease),
        5 => mostly().prop_map(Operation::AnswerRead),
        4 => mostly().prop_map(Operation::AnswerRemoval),
        10 => (any::<prop::sample::Index>(), outcome).prop_map(|(index, outcome)| Operation::Settle(index, outcome)),
        1 => any::<bool>().prop_map(Operation::Block),
        1 => Just(Operation::OtherNode),
    ];
    prop::collection::vec(operation, 1..150)
}

/// The store, the lease and the channel of one node.
pub(super) struct Model {
    pub(super) window: OutboxWindow,
    pub(super) now: Instant,
    pub(super) outbox: BTreeMap<u64, OutboxEntry>,
    pub(super) appended: u64,
    pub(super) channel: bool,
    /// What was published on the channel and not settled, in the order of publication; true when the broker has it.
    pub(super) in_flight: Vec<(u64, bool)>,
    /// What the broker has confirmed to this node.
    pub(super) confirmed: BTreeSet<u64>,
    /// What the broker has, in the order of its arrival.
    pub(super) broker: Vec<u64>,
    pub(super) reading: Option<ReadRequest>,
    pub(super) removal: Option<Vec<u64>>,
    pub(super) lease_requested: bool,
    /// Until when this node holds the lease, as the store knows it.
    pub(super) leased_until: Option<Instant>,
    pub(super) other_until: Option<Instant>,
    /// Whether an event was refused or another node has published, so that the order of arrival may differ.
    pub(super) reordered: bool,
    pub(super) finished: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            window: OutboxWindow::default(),
            now: Instant::now(),
            outbox: BTreeMap::new(),
            appended: 0,
            channel: false,
            in_flight: Vec::new(),
            confirmed: BTreeSet::new(),
            broker: Vec::new(),
            reading: None,
            removal: None,
            lease_requested: false,
            leased_until: None,
            other_until: None,
            reordered: false,
            finished: false,
        }
    }

    pub(super) fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append(count) => (0..count).for_each(|_| self.append()),
            Operation::Pass(millis) => self.now += Duration::from_millis(millis.into()),
            Operation::OpenChannel if !self.channel => {
                self.channel = true;
                self.window.opened(self.now);
            }
            Operation::LoseChannel(share) if self.channel => self.lose_channel(share),
            Operation::AnswerLease(works) if self.lease_requested => self.answer_lease(works),
            Operation::AnswerRead(works) => self.answer_read(works),
            Operation::AnswerRemoval(works) => self.answer_removal(works),
            Operation::Settle(index, outcome) if !self.in_flight.is_empty() => {
                self.settle(index.index(self.in_flight.len()), outcome);
            }
            Operation::Block(blocked) => self.window.set_blocked(self.now, blocked),
            Operation::OtherNode => self.publish_by_other_node(),
            Operation::OpenChannel | Operation::LoseChannel(_) | Operation::AnswerLease(_) | Operation::Settle(..) => {}
        }
        self.advance();
    }

    fn append(&mut self) {
        self.appended += 1;
        let (sequence, id) = (self.appended, format!("e{}", self.appended).into());
        let event = Event {
            id,
            key: "chat.message.a".into(),
            at: Timestamp::from_millis(1),
            body: "{}".into(),
            source: EventSource::Client,
        };
        self.outbox.insert(sequence, OutboxEntry { sequence, node: "n".into(), event, detail: EventDetail::None });
    }

    /// Does what the window requests.
    pub(super) fn advance(&mut self) {
        for _ in 0..100 {
            match self.window.poll(self.now) {
                Step::Lease => {
                    assert!(!self.lease_requested, "one request at a time");
                    self.lease_requested = true;
                }
                Step::Read(request) => self.reading = Some(request),
                Step::Remove(sequences) => {
                    assert!(self.removal.is_none(), "one removal at a time");
                    assert!(
                        sequences.iter().all(|sequence| self.confirmed.contains(sequence)),
                        "removes {sequences:?}"
                    );
                    self.removal = Some(sequences);
                }
                Step::Abandon => self.lose_channel(0),
                Step::Finish => {
                    self.finished = true;
                    return;
                }
                Step::Wait(deadline) => {
                    assert!(deadline.is_none_or(|deadline| deadline > self.now), "it does not spin");
                    return;
                }
            }
        }
        panic!("it requests something again and again: {:?}", self.window);
    }

    fn lose_channel(&mut self, share: u8) {
        let received = self.in_flight.len() * usize::from(share) / 256;
        self.receive(received);
        self.in_flight.clear();
        self.channel = false;
        self.window.lost();
    }

    /// The broker receives the first events of the channel, which keeps the order.
    fn receive(&mut self, count: usize) {
        for (sequence, received) in self.in_flight.iter_mut().take(count) {
            if !std::mem::replace(received, true) {
                self.broker.push(*sequence);
            }
        }
    }

    fn answer_lease(&mut self, works: bool) {
        self.lease_requested = false;
        let is_free = self.other_until.is_none_or(|until| until <= self.now);
        if works && is_free {
            self.leased_until = Some(self.now + LEASE);
        }
        let answer = if works { StoreAnswer::Done(is_free) } else { StoreAnswer::Failed };
        self.window.leased(self.now, answer);
    }

    pub(super) fn answer_read(&mut self, works: bool) {
        let Some(ReadRequest { number, after, limit, .. }) = self.reading.take() else { return };
        let answer = if works {
            StoreAnswer::Done(self.outbox.range(after + 1..).take(limit).map(|(_, entry)| entry.clone()).collect())
        } else {
            StoreAnswer::Failed
        };
        for (sequence, event) in self.window.read(self.now, number, answer) {
            self.publish(sequence, &event);
        }
    }

    fn publish(&mut self, sequence: u64, event: &OutboundEvent) {
        assert_eq!(&*event.id, format!("e{sequence}"));
        assert!(self.channel, "it publishes on a channel");
        assert!(self.leased_until.is_some_and(|until| self.now < until), "it publishes only with the lease");
        let in_flight: BTreeSet<_> = self.in_flight.iter().map(|(sequence, _)| *sequence).collect();
        let is_with_broker = |older: &u64| in_flight.contains(older) || self.confirmed.contains(older);
        assert!(self.outbox.range(..sequence).all(|(older, _)| is_with_broker(older)), "{sequence} overtakes");
        assert!(!is_with_broker(&sequence), "{sequence} is published again without need");
        self.in_flight.push((sequence, false));
        assert!(self.in_flight.len() <= WINDOW);
    }

    fn answer_removal(&mut self, works: bool) {
        let Some(sequences) = self.removal.take() else { return };
        let answer = if works { StoreAnswer::Done(()) } else { StoreAnswer::Failed };
        if works {
            sequences.iter().for_each(|sequence| drop(self.outbox.remove(sequence)));
        }
        self.window.removed(self.now, sequences, answer);
    }

    pub(super) fn settle(&mut self, index: usize, outcome: Outcome) {
        match outcome {
            Outcome::Routed | Outcome::Unroutable => self.receive(index + 1),
            Outcome::Refused => {
                self.receive(index);
                self.reordered = true;
            }
        }
        let (sequence, _) = self.in_flight.remove(index);
        if outcome != Outcome::Refused {
            self.confirmed.insert(sequence);
        }
        self.window.settled(self.now, &[Settled { tag: sequence, outcome }]);
    }

    fn publish_by_other_node(&mut self) {
        if self.leased_until.is_some_and(|until| self.now < until) {
            return;
        }
        self.other_until = Some(self.now + OTHER_LEASE);
        self.reordered = true;
        for (sequence, _) in std::mem::take(&mut self.outbox) {
            self.broker.push(sequence);
        }
    }

    /// Everything works again, until the outbox is empty.
    pub(super) fn recover(&mut self) {
        self.apply(Operation::Block(false));
        for _ in 0..200 {
            for operation in [
                Operation::OpenChannel,
                Operation::AnswerLease(true),
                Operation::AnswerRead(true),
                Operation::AnswerRemoval(true),
                Operation::Pass(1_001),
            ] {
                self.apply(operation);
            }
            while !self.in_flight.is_empty() {
                // The newest first.
                self.settle(self.in_flight.len() - 1, Outcome::Routed);
            }
            self.advance();
            self.apply(Operation::AnswerRemoval(true));
            if self.outbox.is_empty() && self.window.is_settled() && !self.window.restart {
                return;
            }
        }
        panic!("the outbox is not published: {:?}", self.window);
    }
}
