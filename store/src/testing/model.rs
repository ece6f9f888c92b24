//! The model test: random operations on a store agree with a model that is too simple to be wrong.

mod naive;

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use realtime_gateway_protocol::{NotificationId, Timestamp, topic::Topic};

use self::naive::Naive;
use super::{
    conformance::{ALL, Subject, WINDOW, broadcast, content, key_with, topic, user_topic},
    rules::run,
};
use crate::{
    Append, Broadcast, DueEscalation, Escalation, Event, EventSource, Notify, PageLimit, Redaction, Retention,
    StoreError,
};

/// Compares a store with the model in a number of random sequences of operations, each on a subject of its own.
///
/// # Panics
/// With the shortest sequence of operations that was found after which the store and the model do not agree.
pub fn check(cases: u32, subject: impl AsyncFn() -> Subject) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..120), |steps| {
        run(async {
            let mut subject = subject().await;
            compare(&mut subject, steps).await;
            subject.store.close().await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// One random step. Small numbers, so that steps affect each other.
#[derive(Debug, Clone)]
enum Step {
    Append { clan: u8, key: Option<u8>, body: u8, max_entries: u64, age: u64, redact: Option<u64> },
    Notify { user: u8, id: u8, variant: u8, ttl: u64, escalate: Option<u64>, max_pending: u64 },
    NotifyAll { users: Vec<u8>, id: u8, variant: u8, ttl: u64, escalate: Option<u64>, max_pending: u64, body: usize },
    Escalate { at_most: usize },
    Acknowledge { user: u8, ids: Vec<u8> },
    Pass(u64),
    Sweep,
    Read { clan: u8, after: u64, entries: usize, bytes: usize },
    ReadBack { clan: u8, before: u64, entries: usize, bytes: usize },
    Pending { user: u8, after: u64, entries: usize },
    PendingBack { user: u8, before: u64, entries: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let window = WINDOW.as_secs();
    let ages = prop_oneof![Just(60u64), Just(1_000), Just(window * 3)];
    let append =
        (0..3u8, prop::option::of(0..4u8), any::<u8>(), 1..6u64, ages, prop::option::weighted(0.2, 0..8u64)).prop_map(
            |(clan, key, body, max_entries, age, redact)| Step::Append { clan, key, body, max_entries, age, redact },
        );
    let ttls = prop_oneof![Just(30u64), Just(500), Just(window * 2)];
    let variant = prop_oneof![4 => Just(0u8), 1 => Just(1)];
    let escalate = prop::option::of(prop_oneof![Just(0u64), Just(20), Just(400), Just(window)]);
    let notify = (0..2u8, 0..6u8, variant, ttls, escalate.clone(), 1..5u64).prop_map(
        |(user, id, variant, ttl, escalate, max_pending)| Step::Notify {
            user,
            id,
            variant,
            ttl,
            escalate,
            max_pending,
        },
    );
    let ttls = prop_oneof![Just(30u64), Just(500), Just(window * 2)];
    let (variant, bodies) = (prop_oneof![4 => Just(0u8), 1 => Just(1)], prop_oneof![Just(3usize), Just(600)]);
    let notify_all = (prop::collection::vec(0..3u8, 0..5), 0..6u8, variant, ttls, escalate, 1..5u64, bodies).prop_map(
        |(users, id, variant, ttl, escalate, max_pending, body)| Step::NotifyAll {
            users,
            id,
            variant,
            ttl,
            escalate,
            max_pending,
            body,
        },
    );
    let acknowledge = (0..3u8, prop::collection::vec(0..6u8, 0..3));
    let pass = prop_oneof![4 => 0..40u64, 2 => 0..600u64, 1 => Just(window / 2), 1 => Just(window)];
    let read = (0..4u8, 0..9u64, 0..5usize, 0..40usize);
    let pending = (0..3u8, 0..9u64, 0..4usize);
    prop_oneof![
        8 => append,
        8 => notify,
        6 => notify_all,
        3 => acknowledge.prop_map(|(user, ids)| Step::Acknowledge { user, ids }),
        3 => (0..4usize).prop_map(|at_most| Step::Escalate { at_most }),
        4 => pass.prop_map(Step::Pass),
        2 => Just(Step::Sweep),
        3 => read.clone().prop_map(|(clan, after, entries, bytes)| Step::Read { clan, after, entries, bytes }),
        2 => read.prop_map(|(clan, before, entries, bytes)| Step::ReadBack { clan, before, entries, bytes }),
        3 => pending.clone().prop_map(|(user, after, entries)| Step::Pending { user, after, entries }),
        2 => pending.prop_map(|(user, before, entries)| Step::PendingBack { user, before, entries }),
        1 => Just(Step::Reopen),
    ]
}

fn clan(clan: u8) -> Topic {
    topic(&format!("c{clan}"))
}

fn user(user: u8) -> Topic {
    user_topic(&format!("u{user}"))
}

fn id(id: &u8) -> NotificationId {
    NotificationId::new(format!("n{id}")).unwrap()
}

fn in_seconds(now: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_millis(now.millis() + seconds * 1_000)
}

fn escalation(at: Timestamp, DueEscalation { user, offset, id, body, .. }: DueEscalation) -> Escalation {
    let (id, key) = (id.as_str().into(), "notification.unacked.u".into());
    Escalation { user, offset, event: Some(Event { id, key, at, body, source: EventSource::Client }) }
}

/// Returns the result, or `None` for a conflict. Panics on any other error.
fn allowed<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Err(StoreError::Conflict) => None,
        answer => Some(answer.unwrap()),
    }
}

/// Runs the steps on a store and on the model, and compares every result. Stores that cannot be reopened skip that
/// step.
async fn compare(subject: &mut Subject, steps: Vec<Step>) {
    let mut model = Naive::new(WINDOW);
    for (n, step) in steps.into_iter().enumerate() {
        let (store, now) = (subject.store.clone(), subject.now());
        match step.clone() {
            Step::Append { clan: name, key: named, body, max_entries, age, redact } => {
                let append = Append {
                    topic: clan(name),
                    key: named.and_then(|named| key_with("u", &named.to_string(), &(body % 2).to_string())),
                    retention: Retention { max_entries, max_age: Duration::from_secs(age) },
                    redaction: redact.map(|offset| Redaction { offset, body: vec![0; 3].into() }),
                    body: vec![body; usize::from(body % 16)].into(),
                    ..subject.entry(&format!("c{name}"), &n.to_string())
                };
                let answer = allowed(store.append(append.clone()).await);
                let answer = answer.map(|answer| (answer.offset, answer.id, answer.duplicate));
                assert_eq!(answer, model.append(append), "{step:?}");
            }
            Step::Notify { user, id: named, variant, ttl, escalate, max_pending } => {
                let expires = Timestamp::from_millis(now.millis() + ttl * 1_000);
                let base = subject.notification(&format!("u{user}"), &format!("n{named}"));
                let escalate_at = escalate.map(|seconds| in_seconds(now, seconds));
                let notify =
                    Notify { content: content(&variant.to_string()), expires, escalate_at, max_pending, ..base };
                let answer = allowed(store.notify(notify.clone()).await);
                let answer = answer.map(|answer| (answer.offset, answer.duplicate, answer.dropped));
                assert_eq!(answer, model.notify(notify), "{step:?}");
            }
            Step::NotifyAll { users, id: named, variant, ttl, escalate, max_pending, body } => {
                let expires = Timestamp::from_millis(now.millis() + ttl * 1_000);
                let users: Vec<String> = users.iter().map(|user| format!("u{user}")).collect();
                let base = broadcast(subject, &users, &format!("n{named}"));
                let body = vec![b'a' + (n % 26) as u8; body].into();
                let (content, escalate_at) =
                    (content(&variant.to_string()), escalate.map(|seconds| in_seconds(now, seconds)));
                let broadcast = Broadcast { content, body, expires, escalate_at, max_pending, ..base };
                let expected: Vec<_> =
                    broadcast.recipients.iter().map(|recipient| model.notify(broadcast.to(recipient))).collect();
                let answers = store.notify_all(broadcast).await.into_iter().map(allowed);
                let answers: Vec<_> = answers
                    .map(|answer| answer.map(|answer| (answer.offset, answer.duplicate, answer.dropped)))
                    .collect();
                assert_eq!(answers, expected, "{step:?}");
            }
            Step::Acknowledge { user: name, ids } => {
                let ids: Vec<NotificationId> = ids.iter().map(id).collect();
                let user = subject.notification(&format!("u{name}"), "x").user;
                let answer = store.acknowledge(&user, &ids, None).await.unwrap();
                assert_eq!(answer, model.acknowledge(&user, &ids, now), "{step:?}");
            }
            Step::Escalate { at_most } => {
                // Stores return those that are due at the same time in any order.
                let mut due = store.due_escalations(ALL).await.unwrap().due;
                due.sort_by(|a, b| (&a.user, a.offset).cmp(&(&b.user, b.offset)));
                let expected = model.due_escalations(now);
                assert_eq!(due, expected, "{step:?}");
                let escalations: Vec<_> = due.into_iter().take(at_most).map(|due| escalation(now, due)).collect();
                let expected = model.escalate(&escalations);
                assert_eq!(store.escalate(escalations).await.unwrap(), expected, "{step:?}");
            }
            Step::Pass(seconds) => subject.pass(Duration::from_secs(seconds)),
            Step::Sweep => drop(store.sweep(now).await.unwrap()),
            Step::Read { clan: name, after, entries, bytes } => {
                let limit = PageLimit { entries, bytes };
                let page = store.read(&clan(name), after, limit).await.unwrap();
                let answer = (page.bounds, page.entries, page.next);
                assert_eq!(answer, model.read(&clan(name), after, limit, now), "{step:?}");
            }
            Step::ReadBack { clan: name, before, entries, bytes } => {
                let limit = PageLimit { entries, bytes };
                let page = store.read_back(&clan(name), before, limit).await.unwrap();
                let answer = (page.bounds, page.entries, page.next);
                assert_eq!(answer, model.read_back(&clan(name), before, limit, now), "{step:?}");
            }
            Step::Pending { user: name, after, entries } => {
                let limit = PageLimit { entries, bytes: usize::MAX };
                let page = store.read(&user(name), after, limit).await.unwrap();
                let answer = (page.bounds, page.entries, page.next);
                assert_eq!(answer, model.read(&user(name), after, limit, now), "{step:?}");
            }
            Step::PendingBack { user: name, before, entries } => {
                let limit = PageLimit { entries, bytes: usize::MAX };
                let page = store.read_back(&user(name), before, limit).await.unwrap();
                let answer = (page.bounds, page.entries, page.next);
                assert_eq!(answer, model.read_back(&user(name), before, limit, now), "{step:?}");
                let user = subject.notification(&format!("u{name}"), "x").user;
                assert_eq!(store.pending_count(&user).await.unwrap(), model.pending_count(&user, now), "{step:?}");
                let offsets: Vec<u64> = (1..40).collect();
                let expected = model.escalations_of(&user, &offsets, now);
                assert_eq!(store.escalations_of(&user, &offsets).await.unwrap(), expected, "{step:?}");
            }
            Step::Reopen => {
                drop(store);
                subject.reopen().await;
            }
        }
    }
    // Every shared body must be gone once its notifications are.
    let ids: Vec<NotificationId> = (0..6).map(|named| id(&named)).collect();
    for name in 0..3 {
        let user = subject.notification(&format!("u{name}"), "x").user;
        subject.store.acknowledge(&user, &ids, None).await.unwrap();
    }
    subject.pass(WINDOW * 3);
    subject.sweep().await;
    subject.assert_bodies(0).await;
}
