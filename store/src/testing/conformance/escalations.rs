//! Escalations: each notification that stays unacknowledged is reported once, and never after its end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use realtime_gateway_protocol::Timestamp;

use super::{ALL, Subject, WINDOW, broadcast, long_body, webhook};
use crate::{
    Broadcast, DueEscalation, DueEscalations, Escalation, EscalationState, Event, EventDetail, EventSource, Notify,
    PageLimit, Settlement, Store,
};

const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

fn in_time(subject: &Subject, time: Duration) -> Timestamp {
    Timestamp::from_millis(subject.now().millis() + time.as_millis() as u64)
}

/// Returns a notification that is escalated after a minute, and ends after ten.
fn escalated(subject: &Subject, user: &str, id: &str) -> Notify {
    Notify { escalate_at: Some(in_time(subject, MINUTE)), ..subject.notification(user, id) }
}

async fn due(subject: &Subject) -> Vec<DueEscalation> {
    let DueEscalations { due, more } = subject.store.due_escalations(ALL).await.unwrap();
    assert!(!more);
    due
}

fn escalation(subject: &Subject, due: DueEscalation) -> Escalation {
    escalation_at(subject.now(), due)
}

fn escalation_at(at: Timestamp, DueEscalation { user, offset, id, body, .. }: DueEscalation) -> Escalation {
    let (key, id) = (format!("notification.unacked.{user}").into(), format!("{user}-{id}").into());
    let event = Event { id, key, at, body, source: EventSource::Client };
    Escalation { user, offset, event: Some(event) }
}

fn escalations(subject: &Subject, due: Vec<DueEscalation>) -> Vec<Escalation> {
    due.into_iter().map(|due| escalation(subject, due)).collect()
}

/// Escalates everything that is due. Returns how many notifications that were.
async fn escalate(subject: &Subject) -> usize {
    let due = due(subject).await;
    written(subject, escalations(subject, due)).await
}

/// Escalates notifications. Returns how many events were written.
async fn written(subject: &Subject, escalations: Vec<Escalation>) -> usize {
    let count = escalations.len();
    let written = subject.store.escalate(escalations).await.unwrap();
    assert_eq!(written.len(), count);
    written.into_iter().filter(|written| *written).count()
}

/// Returns the escalations of notifications of a user.
async fn states(subject: &Subject, user: &str, offsets: &[u64]) -> Vec<Option<EscalationState>> {
    let user = subject.notification(user, "x").user;
    subject.store.escalations_of(&user, offsets).await.unwrap()
}

async fn reported(subject: &Subject) -> Vec<String> {
    let entries = subject.store.read_outbox(0, 1_000, Duration::ZERO).await.unwrap();
    entries.iter().map(|entry| entry.event.id.to_string()).collect()
}

async fn acknowledge(subject: &Subject, user: &str, id: &str) -> usize {
    let Notify { user, id, .. } = subject.notification(user, id);
    subject.store.acknowledge(&user, &[id], None).await.unwrap().len()
}

pub async fn escalates_pending_notification_once(subject: &Subject) {
    subject.notify(subject.notification("u", "never")).await;
    let accepted = subject.now();
    subject.notify(escalated(subject, "u", "a")).await;
    subject.pass(MINUTE - MILLISECOND);
    assert_eq!(due(subject).await, []);
    subject.pass(MILLISECOND);
    let found = due(subject).await;
    let Notify { user, id, body, .. } = subject.notification("u", "a");
    assert_eq!(found, [DueEscalation { user, offset: 2, id, at: accepted, body }]);
    assert_eq!(due(subject).await, found, "reading changes nothing");
    let again = escalations(subject, found);
    assert_eq!(written(subject, again.clone()).await, 1);
    assert_eq!(written(subject, again.clone()).await, 0);
    assert_eq!(due(subject).await, []);
    let entries = subject.store.read_outbox(0, 10, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((Some(&entries[0].event), &entries[0].detail), (again[0].event.as_ref(), &EventDetail::None));
    // The notification is pending as before.
    assert_eq!(acknowledge(subject, "u", "a").await, 1);
    subject.pass(WINDOW);
    subject.sweep().await;
    assert_eq!((escalate(subject).await, reported(subject).await.len()), (0, 1));
}

pub async fn does_not_escalate_after_end_of_notification(subject: &Subject) {
    subject.notify(Notify { expires: in_time(subject, MINUTE * 2), ..escalated(subject, "u", "expired") }).await;
    for id in ["dropped", "acked", "late"] {
        subject.notify(escalated(subject, "v", id)).await;
    }
    assert_eq!(acknowledge(subject, "v", "acked").await, 1);
    subject.pass(MINUTE);
    let found = escalations(subject, due(subject).await);
    assert_eq!(found.len(), 3);
    // Between the read and the escalation.
    subject.notify(Notify { max_pending: 2, ..subject.notification("v", "next") }).await;
    subject.notify(Notify { max_pending: 2, ..subject.notification("v", "last") }).await;
    subject.pass(MINUTE);
    assert_eq!(written(subject, found).await, 0);
    assert_eq!(due(subject).await, []);
    subject.sweep().await;
    assert_eq!((escalate(subject).await, reported(subject).await.len()), (0, 0));
}

pub async fn does_not_escalate_before_it_is_due(subject: &Subject) {
    let notified = subject.notify(escalated(subject, "u", "a")).await;
    let Notify { user, id, at, body, .. } = subject.notification("u", "a");
    let early = || {
        escalation(
            subject,
            DueEscalation { user: user.clone(), offset: notified.offset, id: id.clone(), at, body: body.clone() },
        )
    };
    assert_eq!(written(subject, vec![early()]).await, 0);
    let unknown = DueEscalation { user: user.clone(), offset: 7, id: id.clone(), at, body: body.clone() };
    assert_eq!(written(subject, vec![escalation(subject, unknown)]).await, 0);
    subject.pass(MINUTE);
    assert_eq!(written(subject, vec![early()]).await, 1);
}

pub async fn escalation_without_event_is_forgotten(subject: &Subject) {
    subject.notify(escalated(subject, "u", "a")).await;
    subject.pass(MINUTE);
    let found = escalations(subject, due(subject).await);
    let without = found.iter().map(|one| Escalation { event: None, ..one.clone() }).collect();
    assert_eq!(written(subject, without).await, 0);
    assert_eq!((written(subject, found).await, reported(subject).await.len()), (0, 0));
    assert_eq!(acknowledge(subject, "u", "a").await, 1);
}

pub async fn repeat_changes_no_escalation(subject: &Subject) {
    subject.notify(escalated(subject, "u", "a")).await;
    subject.notify(subject.notification("u", "b")).await;
    subject.pass(MINUTE / 2);
    assert!(subject.notify(escalated(subject, "u", "a")).await.duplicate);
    assert!(subject.notify(escalated(subject, "u", "b")).await.duplicate);
    subject.pass(MINUTE / 2);
    assert_eq!(escalate(subject).await, 1);
    assert!(subject.notify(escalated(subject, "u", "a")).await.duplicate);
    subject.pass(MINUTE);
    assert_eq!((escalate(subject).await, reported(subject).await), (0, vec!["u-a".to_owned()]));
}

pub async fn shows_whether_pending_notification_was_escalated(subject: &Subject) {
    use EscalationState::{Due, Reported};
    for name in ["never", "a", "b", "acked", "forgotten", "later"] {
        let time = if name == "later" { MINUTE * 2 } else { MINUTE };
        let escalate_at = Some(in_time(subject, time)).filter(|_| name != "never");
        subject.notify(Notify { escalate_at, ..subject.notification("u", name) }).await;
    }
    let (due, later) = (in_time(subject, MINUTE), in_time(subject, MINUTE * 2));
    let all = [1, 2, 3, 4, 5, 6, 7];
    let expected = [None, Some(Due(due)), Some(Due(due)), Some(Due(due)), Some(Due(due)), Some(Due(later)), None];
    assert_eq!(states(subject, "u", &all).await, expected);
    assert_eq!(states(subject, "u", &[6, 2, 2]).await, [Some(Due(later)), Some(Due(due)), Some(Due(due))]);
    assert_eq!((states(subject, "u", &[]).await, states(subject, "other", &[1]).await), (vec![], vec![None]));
    assert_eq!(acknowledge(subject, "u", "acked").await, 1);
    subject.pass(MINUTE);
    let mut found = escalations(subject, self::due(subject).await);
    found.sort_by_key(|escalation| escalation.offset);
    assert_eq!(found.iter().map(|escalation| escalation.offset).collect::<Vec<_>>(), [2, 3, 5]);
    found[2].event = None;
    let unknown = Escalation { offset: 9, ..found[0].clone() };
    found.insert(0, unknown);
    assert_eq!(subject.store.escalate(found).await.unwrap(), [false, true, true, false], "in the same order");
    let expected = [None, Some(Reported(due)), Some(Reported(due)), None, None, Some(Due(later)), None];
    assert_eq!(states(subject, "u", &all).await, expected);
    assert_eq!(self::due(subject).await, []);
    // What has ended is not shown, and leaves nothing to the next notifications of the user.
    assert_eq!(acknowledge(subject, "u", "a").await, 1);
    assert_eq!(states(subject, "u", &[2, 3]).await, [None, Some(Reported(due))]);
    subject.pass(WINDOW);
    assert_eq!(states(subject, "u", &all).await, [None; 7]);
    subject.sweep().await;
    subject.notify(subject.notification("u", "a")).await;
    assert_eq!(states(subject, "u", &[7]).await, [None]);
}

pub async fn escalates_broadcast_for_each_recipient(subject: &Subject) {
    let users = ["u0", "u1", "u2", "u3"];
    let escalate_at = Some(in_time(subject, MINUTE));
    let all = subject.store.notify_all(Broadcast { escalate_at, ..broadcast(subject, &users, "a") }).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(acknowledge(subject, "u1", "a").await, 1);
    subject.pass(MINUTE);
    let found = due(subject).await;
    let body = Bytes::from(long_body("a"));
    assert!(found.len() == 3 && found.iter().all(|due| due.body == body), "{found:?}");
    assert_eq!(acknowledge(subject, "u2", "a").await, 1);
    assert_eq!(written(subject, escalations(subject, found)).await, 2);
    let mut ids = reported(subject).await;
    ids.sort();
    assert_eq!(ids, ["u0-a", "u3-a"]);
    for user in ["u0", "u3"] {
        assert_eq!(acknowledge(subject, user, "a").await, 1);
    }
    subject.assert_bodies(0).await;
}

pub async fn limits_page_of_due_escalations(subject: &Subject) {
    for n in 0..5 {
        let at = in_time(subject, MINUTE * (5 - n));
        let body = Bytes::from(vec![b'x'; 100]);
        let notify = Notify { escalate_at: Some(at), body, ..subject.notification("u", &n.to_string()) };
        subject.notify(notify).await;
    }
    subject.pass(MINUTE * 5);
    let page = async |entries, bytes| {
        let DueEscalations { due, more } = subject.store.due_escalations(PageLimit { entries, bytes }).await.unwrap();
        (due.iter().map(|due| due.id.as_str().to_owned()).collect::<Vec<_>>().join(" "), more)
    };
    assert_eq!(page(2, usize::MAX).await, ("4 3".into(), true), "what is due for the longest time is first");
    assert_eq!(page(9, 250).await, ("4 3".into(), true));
    assert_eq!(page(9, 1).await, ("4".into(), true), "one always fits");
    assert_eq!(page(9, usize::MAX).await, ("4 3 2 1 0".into(), false));
    let mut batches = Vec::new();
    loop {
        let found = subject.store.due_escalations(PageLimit { entries: 2, bytes: usize::MAX }).await.unwrap();
        batches.push(written(subject, escalations(subject, found.due)).await);
        if !found.more {
            break;
        }
    }
    assert_eq!(batches, [2, 2, 1]);
}

pub async fn concurrent_nodes_escalate_once(subject: &Subject) {
    for n in 0..6 {
        subject.notify(escalated(subject, &format!("u{n}"), "a")).await;
    }
    subject.pass(MINUTE);
    let found = escalations(subject, due(subject).await);
    let nodes = (0..4).map(|_| {
        let (store, found) = (subject.store.clone(), found.clone());
        async move { store.escalate(found).await.unwrap().into_iter().filter(|written| *written).count() }
    });
    assert_eq!(subject.concurrently(nodes).await.iter().sum::<usize>(), 6);
    assert_eq!(reported(subject).await.len(), 6);
}

pub async fn id_can_be_used_again_after_escalation(subject: &Subject) {
    for _ in 0..2 {
        subject.notify(escalated(subject, "u", "a")).await;
        subject.pass(MINUTE);
        assert_eq!(escalate(subject).await, 1);
        acknowledge(subject, "u", "a").await;
        subject.pass(WINDOW);
        subject.sweep().await;
    }
}

/// How many notifications are due at the same time.
const MANY: usize = 10_000;
/// How many users a broadcast has, and how many notifications one step escalates.
const RECIPIENTS: usize = 1_000;
const BATCH: PageLimit = PageLimit { entries: 128, bytes: 256 * 1024 };

/// Escalates what is due, step by step, until nothing is left. Returns how many notifications that were.
async fn escalate_all(store: Arc<dyn Store>, at: Timestamp) -> usize {
    let mut escalated = 0;
    loop {
        let DueEscalations { due, more } = store.due_escalations(BATCH).await.unwrap();
        assert!(due.len() <= BATCH.entries, "a step is bounded, because other writes wait for it");
        let escalations = due.into_iter().map(|due| escalation_at(at, due)).collect();
        let written = store.escalate(escalations).await.unwrap();
        escalated += written.into_iter().filter(|written| *written).count();
        if !more {
            return escalated;
        }
    }
}

pub async fn escalates_many_that_are_due_at_the_same_time(subject: &Subject) {
    let names: Vec<String> = (0..MANY).map(|n| format!("u{n}")).collect();
    let escalate_at = Some(in_time(subject, MINUTE));
    for users in names.chunks(RECIPIENTS) {
        let all = subject.store.notify_all(Broadcast { escalate_at, ..broadcast(subject, users, "a") }).await;
        assert!(all.iter().all(Result::is_ok));
    }
    subject.pass(MINUTE);
    // Two nodes escalate, and clients write meanwhile.
    let escalating = subject.concurrently((0..2).map(|_| escalate_all(subject.store.clone(), subject.now())));
    let writing = async {
        for n in 0..10 {
            subject.append(subject.entry("c", &n.to_string())).await;
        }
    };
    let (escalated, ()) = tokio::join!(escalating, writing);
    assert_eq!(escalated.into_iter().sum::<usize>(), MANY);
    let mut reported = HashMap::<Arc<str>, usize>::new();
    loop {
        let page = PageLimit { entries: RECIPIENTS, bytes: usize::MAX };
        let waiting = subject.store.read_webhook(&webhook("all"), page, Duration::ZERO).await.unwrap();
        if waiting.is_empty() {
            break;
        }
        let taken = waiting.iter().map(|event| event.entry.sequence).collect();
        waiting.into_iter().for_each(|event| *reported.entry(event.entry.event.id).or_default() += 1);
        let settlement = Settlement { taken, dead: Vec::new(), max_dead: 1, at: subject.now() };
        subject.store.settle_webhook(&webhook("all"), settlement).await.unwrap();
    }
    assert_eq!(reported.len(), MANY);
    assert!(reported.values().all(|times| *times == 1));
    assert_eq!((escalate(subject).await, states(subject, "u7", &[1]).await[0].is_some()), (0, true));
}
