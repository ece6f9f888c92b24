//! Thousands of random mishaps: every message once and in order or a gap, every send answered, nothing doubled.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use realtime_gateway_sdk_core::machine::{StreamId, SubscribeOptions};
use realtime_gateway_sdk_core::protocol::{ClanId, ErrorCode, NotificationId, ServerMessage};
use realtime_gateway_sdk_core::{Delivery, Event, Outcome, Position, State, Topic};

use crate::{
    model::Refuse,
    world::{StreamLog, World},
};

/// Something that happens to the world.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Send(u8),
    Post(u8),
    Notify,
    Ack,
    Break(u16),
    GoDead,
    Repeat(u8, u64),
    Trim(u8, u64),
    NewEpoch(u64),
    Hint,
    Refuse(Refuse),
    EndSubscriptions(u8),
    FailOpens(u32),
    FailTokens(u32),
    Join(u8, u32),
    Resume(u8),
    Leave(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![Just(1006), Just(1001), Just(1012), Just(1011), Just(1013), Just(4500), Just(4508)];
    let refuse = prop_oneof![
        3 => Just(Refuse::RateLimited),
        3 => any::<bool>().prop_map(Refuse::Unavailable),
        1 => Just(Refuse::Forbidden),
    ];
    prop_oneof![
        6 => (0_u64..3_000).prop_map(Step::Wait),
        1 => (20_000_u64..90_000).prop_map(Step::Wait),
        8 => (0_u8..2).prop_map(Step::Send),
        8 => (0_u8..2).prop_map(Step::Post),
        3 => Just(Step::Notify),
        2 => Just(Step::Ack),
        4 => code.prop_map(Step::Break),
        1 => Just(Step::GoDead),
        2 => (0_u8..2, 0_u64..5).prop_map(|(clan, back)| Step::Repeat(clan, back)),
        1 => (0_u8..2, 0_u64..6).prop_map(|(clan, keep)| Step::Trim(clan, keep)),
        1 => (0_u64..4).prop_map(Step::NewEpoch),
        2 => Just(Step::Hint),
        4 => refuse.prop_map(Step::Refuse),
        2 => (0_u8..3).prop_map(Step::EndSubscriptions),
        1 => (1_u32..4).prop_map(Step::FailOpens),
        1 => (1_u32..4).prop_map(Step::FailTokens),
        2 => (0_u8..3, 0_u32..8).prop_map(|(topic, history)| Step::Join(topic, history)),
        1 => (0_u8..2).prop_map(Step::Resume),
        1 => any::<u8>().prop_map(Step::Leave),
    ]
}

fn clan(number: u8) -> String {
    format!("clan{number}")
}

fn topic(number: u8) -> Topic {
    if number == 2 { Topic::Notifications } else { Topic::Clan(ClanId::new(clan(number)).unwrap()) }
}

/// A world with what the checks need in addition.
struct Run {
    world: World,
    acked: BTreeSet<NotificationId>,
    /// For each stream and acknowledged notification: how much it had been given by then.
    had: Vec<(StreamId, NotificationId, usize)>,
    /// What was ever in each clan's log, by epoch.
    truth: BTreeMap<(String, u32, u64), String>,
    epochs: u32,
    /// Nothing happened that could keep a send from being answered in time.
    calm: bool,
}

impl Run {
    fn take(&mut self, step: &Step) {
        let live = self.world.server.live();
        match step {
            Step::Wait(millis) => self.world.run(*millis),
            Step::Send(number) => {
                self.world.send(&clan(*number));
            }
            Step::Post(number) => {
                let number = *number;
                let content = format!("p{}", self.world.random(1 << 30));
                self.world.server.append(&clan(number), &content, None);
            }
            Step::Notify => self.world.server.notify(),
            Step::Ack => self.ack(),
            Step::Break(code) => {
                for attempt in live {
                    self.world.break_connection(attempt, *code);
                }
            }
            Step::GoDead => {
                for attempt in live {
                    self.world.go_dead(attempt);
                }
            }
            Step::Repeat(number, back) => self.world.server.repeat(&clan(*number), *back),
            Step::Trim(number, keep) => self.world.server.trim(&clan(*number), *keep),
            Step::NewEpoch(lose) => {
                self.remember();
                self.world.server.new_epoch(*lose);
                self.epochs += 1;
            }
            Step::Hint => self.world.server.hint(),
            Step::Refuse(refuse) => self.world.server.refusals.push_back(*refuse),
            Step::EndSubscriptions(2) => self.world.server.end_notifications(ErrorCode::Unavailable),
            Step::EndSubscriptions(number) => {
                self.world.server.end_subscriptions(&clan(*number), ErrorCode::Unavailable);
            }
            Step::FailOpens(times) => self.world.opens_fail += times,
            Step::FailTokens(times) => self.world.tokens_fail += times,
            Step::Join(number, history) => {
                let history = (*history > 0 && *number < 2).then_some(*history);
                self.world.subscribe(topic(*number), SubscribeOptions { history, ..SubscribeOptions::default() });
            }
            Step::Resume(number) => self.resume(*number),
            Step::Leave(which) => {
                let streams: Vec<_> =
                    self.world.streams.iter().filter(|(_, log)| !log.dropped).map(|(id, _)| *id).collect();
                if !streams.is_empty() {
                    self.world.drop_stream(streams[usize::from(*which) % streams.len()]);
                }
            }
        }
        self.world.flush_server();
        self.remember();
    }

    /// A restarted app continues from the position of an earlier stream.
    fn resume(&mut self, number: u8) {
        let from = self.world.streams.values().filter(|log| log.topic == topic(number)).find_map(position);
        self.world.subscribe(topic(number), SubscribeOptions { from, ..SubscribeOptions::default() });
    }

    fn ack(&mut self) {
        let shown = self.world.streams.values().flat_map(notifications).rfind(|id| !self.acked.contains(id));
        let Some(id) = shown else { return };
        for (stream, log) in &self.world.streams {
            self.had.push((*stream, id.clone(), log.deliveries.len()));
        }
        self.acked.insert(id.clone());
        self.world.ack(id);
    }

    fn remember(&mut self) {
        for (name, log) in &self.world.server.clans {
            for (offset, chat) in &log.entries {
                let known =
                    self.truth.insert((name.clone(), self.world.server.epoch, *offset), chat.message_id.to_string());
                assert!(known.is_none_or(|id| id == chat.message_id.as_str()));
            }
        }
    }

    fn check(&self) {
        assert!(matches!(self.world.state, State::Connected(_)), "it has come back: {:?}", self.world.state);
        for log in self.world.streams.values() {
            assert!(log.ended.is_none(), "no stream was ended: {:?}", log.ended);
            match &log.topic {
                Topic::Clan(name) => self.check_chat(name.as_str(), log),
                _ => self.check_notifications(log),
            }
        }
        for (stream, id, had) in &self.had {
            let later = self.world.streams[stream].deliveries.iter().skip(*had);
            assert!(!later.filter_map(notification).any(|later| later == *id), "what was acknowledged is not shown");
        }
        assert!(self.world.server.pending.values().all(|pending| !self.acked.contains(&pending.id)), "acks arrive");
        self.check_sends();
    }

    /// Each entry once and in order, or a gap over exactly what is missing.
    fn check_chat(&self, name: &str, log: &StreamLog) {
        let mut at = log.start.clone();
        for (index, delivery) in log.deliveries.iter().enumerate() {
            let to = delivery.position.clone().expect("everything in this model has an offset");
            match &delivery.event {
                Event::Gap(gap) => {
                    assert_eq!(
                        Some(gap.before),
                        at.as_ref().map(Position::offset),
                        "a gap begins where the stream was"
                    );
                    assert_eq!(gap.after, to);
                }
                Event::TopicGap(..) => panic!("no server-side subscriptions here"),
                Event::Message(frame) => {
                    let from = at.clone().unwrap();
                    assert_eq!(from.epoch(), to.epoch());
                    // History begins wherever the log still has something.
                    let first = index == 0;
                    assert!(
                        to.offset() == from.offset() + 1 || (first && to.offset() > from.offset()),
                        "{from:?} {to:?}"
                    );
                    let epoch = to.epoch().strip_prefix('e').unwrap().parse().unwrap();
                    let known = &self.truth[&(name.to_owned(), epoch, to.offset())];
                    if let ServerMessage::Chat(chat) = frame.message() {
                        assert_eq!(chat.message_id.as_str(), known);
                    }
                }
            }
            at = Some(to);
        }
        if !log.dropped {
            assert!(log.joined, "every stream is confirmed in the end");
            let (at, server) = (at.unwrap().offset(), self.world.server.clans.get(name));
            // Where history was requested and all of it was trimmed, nothing comes before the next live entry.
            let trimmed =
                log.deliveries.is_empty() && server.is_some_and(|log| log.entries.range(at + 1..).count() == 0);
            assert!(trimmed || at == server.map_or(0, |log| log.head), "everything has arrived");
        }
    }

    fn check_notifications(&self, log: &StreamLog) {
        let ids: Vec<_> = notifications(log).collect();
        let once: BTreeSet<_> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "each notification once");
        if !log.dropped {
            for pending in self.world.server.pending.values() {
                assert!(once.contains(&pending.id), "every pending notification has arrived");
            }
        }
    }

    fn check_sends(&self) {
        for (name, log) in &self.world.server.clans {
            let contents: Vec<_> = log.entries.values().map(|chat| chat.content.as_str()).collect();
            let once: BTreeSet<_> = contents.iter().collect();
            // A new epoch forgets what was sent, and with it that it was.
            assert!(self.epochs > 0 || once.len() == contents.len(), "nothing is doubled in {name}");
        }
        assert!(self.world.acks.values().all(Option::is_some), "every acknowledgement is answered");
        let mut places: BTreeMap<&str, u64> = BTreeMap::new();
        for sent in self.world.sent.values() {
            let result = sent.result.as_ref().expect("every send is answered");
            let log = self.truth.iter().filter(|((name, ..), _)| *name == sent.clan);
            let accepted = log.filter(|(_, id)| result.as_ref().is_ok_and(|sent| sent.message_id.as_str() == *id));
            let in_log = self
                .world
                .server
                .clans
                .get(&sent.clan)
                .is_some_and(|log| log.entries.values().any(|chat| chat.content.as_str() == sent.content));
            match result {
                Ok(receipt) => {
                    assert!(accepted.count() > 0, "what was confirmed is in the log");
                    if self.epochs == 0 {
                        let before = places.insert(&sent.clan, receipt.offset).unwrap_or(0);
                        assert!(before < receipt.offset, "first in, first out");
                    }
                }
                Err(error) if self.calm && error.is_retryable() => panic!("a calm network, and yet {error}"),
                Err(error) if error.outcome() != Outcome::Unknown => assert!(!in_log, "what was not sent is not there"),
                Err(_) => {}
            }
        }
    }
}

fn position(log: &StreamLog) -> Option<Position> {
    log.deliveries.iter().rev().find_map(|delivery| delivery.position.clone()).or_else(|| log.start.clone())
}

pub(crate) fn notification(delivery: &Delivery) -> Option<NotificationId> {
    match &delivery.event {
        Event::Message(frame) => frame.notification_id(),
        Event::Gap(_) | Event::TopicGap(..) => None,
    }
}

fn notifications(log: &StreamLog) -> impl DoubleEndedIterator<Item = NotificationId> + '_ {
    log.deliveries.iter().filter_map(notification)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delivers_everything_once_and_in_order(seed: u64, steps in prop::collection::vec(step(), 1..120)) {
        run(seed, &steps);
    }
}

/// A stream joins while the gateway ends the topic's subscription: the command to subscribe is then answered for a new
/// subscription, which knows nothing of what the earlier stream was sent.
#[test]
fn reports_a_gap_when_a_subscription_ends_while_a_stream_joins_it() {
    for history in [0, 5] {
        let trimmed = [Step::EndSubscriptions(1), Step::Post(1), Step::Trim(1, 0), Step::Join(1, history)];
        run(0, &[&[Step::Wait(109), Step::NewEpoch(0)], &trimmed[..]].concat());
        run(0, &[&[Step::Wait(5_000)], &trimmed[..]].concat());
    }
}

/// Runs the steps, waits until everything has settled, and checks that nothing was lost, doubled or out of order.
fn run(seed: u64, steps: &[Step]) {
    let breaks = steps.iter().filter(|step| matches!(step, Step::Break(_) | Step::Hint)).count();
    let storm = |step: &Step| matches!(step, Step::GoDead | Step::FailOpens(_) | Step::FailTokens(_));
    let mut run = Run {
        calm: breaks <= 3 && !steps.iter().any(storm),
        world: World::new(seed),
        acked: BTreeSet::new(),
        had: vec![],
        truth: BTreeMap::new(),
        epochs: 0,
    };
    for number in 0..3 {
        run.world.subscribe(topic(number), SubscribeOptions::default());
    }
    for step in steps {
        run.take(step);
        run.remember();
    }
    // From here on nothing fails, so everything is answered and arrives.
    run.world.server.refusals.clear();
    (run.world.opens_fail, run.world.tokens_fail) = (0, 0);
    for _ in 0..200 {
        run.world.run(1_000);
        run.remember();
    }
    run.check();
}
