//! Webhooks: each has its own waiting events, in order, and its own dead letters.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use realtime_gateway_protocol::{CloseCode, NotificationId, Timestamp, UserId};

use super::{ALL, Subject, key, options, options_with_outbox, sessions};
use crate::{
    Append, Attempts, DeadEvent, DeadReason, Death, Event, EventDetail, EventPattern, EventSource, EventSources,
    Options, PageLimit, Settlement, WaitingEvent, WebhookFilter, WebhookName, WebhookStatus,
};

/// How long a read may wait. Events that are there are returned immediately.
const SOON: Duration = Duration::from_secs(10);

/// Returns the name of a webhook.
pub fn webhook(name: &str) -> WebhookName {
    WebhookName::new(name).unwrap()
}

fn filter(name: &str, events: &[&str], sources: EventSources) -> WebhookFilter {
    let events = events.iter().map(|text| EventPattern::new(text).unwrap()).collect();
    WebhookFilter { webhook: webhook(name), events, sources }
}

/// Returns the options of a subject's store with two webhooks: `chat`, and `all`, which takes events of backends too.
pub fn options_with_webhooks() -> Options {
    let words = ["chat", "notification.*", "session", "service.a-b.x%2E"];
    let webhooks = [
        filter("chat", &["chat.message"], EventSources::Clients),
        filter("all", &words, EventSources::ClientsAndBackends),
    ];
    Options { webhooks: webhooks.into(), ..options() }
}

fn event(subject: &Subject, id: &str, key: &str) -> Event {
    let body = Bytes::from(format!("{{\"n\":\"{id}\"}}"));
    Event { id: id.into(), key: key.into(), at: subject.now(), body, source: EventSource::Client }
}

fn reported(subject: &Subject, id: &str) -> Append {
    Append { event: Some(event(subject, id, "chat.message.c")), ..subject.entry("c", id) }
}

/// Stores messages that are reported.
pub async fn report(subject: &Subject, ids: &[&str]) {
    for id in ids {
        subject.append(reported(subject, id)).await;
    }
}

async fn waiting(subject: &Subject, name: &str) -> Vec<WaitingEvent> {
    subject.store.read_webhook(&webhook(name), ALL, Duration::ZERO).await.unwrap()
}

async fn waiting_ids(subject: &Subject, name: &str) -> Vec<String> {
    waiting(subject, name).await.iter().map(|event| event.entry.event.id.to_string()).collect()
}

async fn dead(subject: &Subject, after: Option<&str>) -> Option<Vec<DeadEvent>> {
    subject.store.read_dead(&webhook("chat"), after.map(Into::into), ALL).await.unwrap()
}

async fn dead_ids(subject: &Subject) -> Vec<String> {
    dead(subject, None).await.unwrap().iter().map(|dead| dead.entry.event.id.to_string()).collect()
}

async fn status(subject: &Subject) -> (u64, u64) {
    let WebhookStatus { waiting, dead } = subject.store.webhook_status(&webhook("chat")).await.unwrap();
    (waiting, dead)
}

/// Gives up the oldest waiting events of the webhook `chat`. Returns how many dead letters were deleted.
pub async fn give_up(subject: &Subject, count: usize, reason: DeadReason, max_dead: u64) -> u64 {
    let death = |event: &WaitingEvent| Death { sequence: event.entry.sequence, reason, attempts: 3 };
    let dead = waiting(subject, "chat").await.iter().take(count).map(death).collect();
    let settlement = Settlement { dead, max_dead, at: subject.now(), taken: Vec::new() };
    subject.store.settle_webhook(&webhook("chat"), settlement).await.unwrap().deleted
}

fn ids(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

pub async fn writes_event_for_each_webhook_that_takes_it(subject: &Subject) {
    let at = subject.now();
    let appended = subject.store.append(reported(subject, "chat")).await.unwrap();
    let (user, n1) = (UserId::new("u").unwrap(), [NotificationId::new("n1").unwrap()]);
    subject.notify(subject.notification("u", "n1")).await;
    let acked = event(subject, "acked", "notification.acked.u");
    subject.store.acknowledge(&user, &n1, Some(acked)).await.unwrap();
    let backend = Event { source: EventSource::Backend, ..event(subject, "backend", "chat.message.c") };
    subject.append(Append { event: Some(backend), ..subject.entry("c", "backend") }).await;
    for (id, key) in [("yes", "service.a-b.x%2E"), ("no", "service.a-b.x"), ("no2", "service.aab.x%2E")] {
        subject.append(Append { event: Some(event(subject, id, key)), ..subject.entry("c", id) }).await;
    }
    let record = sessions::session(subject, "s1");
    subject.store.open_session(record.clone(), sessions::ONE).await.unwrap();
    subject.store.close_session(&record.user, &record.id, CloseCode::NORMAL).await.unwrap();

    assert_eq!(waiting_ids(subject, "chat").await, ["chat"]);
    let all = ["chat", "acked", "backend", "yes", "opened-s1", "closed-s1"];
    assert_eq!(waiting_ids(subject, "all").await, all);
    let [chat] = &waiting(subject, "chat").await[..] else { panic!("one event waits") };
    assert_eq!((&chat.entry.event, chat.since), (&event(subject, "chat", "chat.message.c"), at));
    assert_eq!(chat.entry.detail, EventDetail::Entry { offset: appended.offset, epoch: appended.epoch });
    assert_eq!(&*chat.entry.node, "n");
    assert!(subject.store.read_outbox(0, 10, Duration::ZERO).await.unwrap().is_empty(), "there is no outbox");
}

pub async fn writes_event_of_repeat_once(subject: &Subject) {
    let append = || Append { key: key("u", "1"), ..reported(subject, "one") };
    subject.append(append()).await;
    assert!(subject.store.append(append()).await.unwrap().duplicate);
    assert_eq!(waiting_ids(subject, "chat").await, ["one"]);
}

pub async fn settles_events_of_one_webhook_only(subject: &Subject) {
    report(subject, &["1", "2", "3"]).await;
    let events = waiting(subject, "chat").await;
    assert!(events.is_sorted_by_key(|event| event.entry.sequence));
    let taken = vec![events[0].entry.sequence, events[2].entry.sequence];
    let settlement = Settlement { taken, ..Settlement::default() };
    subject.store.settle_webhook(&webhook("chat"), settlement.clone()).await.unwrap();
    assert_eq!(waiting_ids(subject, "chat").await, ["2"]);
    assert_eq!(status(subject).await, (1, 0));
    // A settlement that is repeated after a lost answer changes nothing.
    subject.store.settle_webhook(&webhook("chat"), settlement).await.unwrap();
    assert_eq!(status(subject).await, (1, 0));
    assert_eq!(waiting_ids(subject, "all").await, ["1", "2", "3"]);
}

pub async fn remembers_attempts_of_waiting_events(subject: &Subject) {
    report(subject, &["1", "2", "3"]).await;
    let counted = async || waiting(subject, "chat").await.iter().map(|event| event.attempts).collect::<Vec<_>>();
    assert_eq!(counted().await, [0, 0, 0]);
    let sequences: Vec<u64> = waiting(subject, "chat").await.iter().map(|event| event.entry.sequence).collect();
    let keep = async |attempts: &[(u64, u32)]| {
        let attempts: Vec<_> =
            attempts.iter().map(|(sequence, attempts)| Attempts { sequence: *sequence, attempts: *attempts }).collect();
        subject.store.keep_attempts(&webhook("chat"), &attempts).await.unwrap();
    };
    keep(&[(sequences[0], 1), (sequences[1], 1)]).await;
    keep(&[(sequences[0], 2)]).await;
    assert_eq!(counted().await, [2, 1, 0]);
    let settlement = Settlement { taken: vec![sequences[0]], ..Settlement::default() };
    subject.store.settle_webhook(&webhook("chat"), settlement).await.unwrap();
    keep(&[(sequences[0], 9), (sequences[1], 7)]).await;
    assert_eq!(counted().await, [7, 0]);
    // An event that is replayed is counted from the beginning.
    give_up(subject, 1, DeadReason::Refused, 10).await;
    subject.store.replay_dead(&webhook("chat"), &ids(&["2"]), subject.now()).await.unwrap();
    assert_eq!(counted().await, [0, 0]);
    assert!(waiting(subject, "all").await.iter().all(|event| event.attempts == 0), "another webhook");
}

pub async fn limits_page_of_waiting_events(subject: &Subject) {
    let names: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    report(subject, &names).await;
    let read = async |entries, bytes| {
        let limit = PageLimit { entries, bytes };
        subject.store.read_webhook(&webhook("chat"), limit, Duration::ZERO).await.unwrap().len()
    };
    // A body has ten bytes.
    assert_eq!((read(20, 10_000).await, read(1_000, 305).await, read(1_000, 1).await), (20, 30, 1));
}

pub async fn wakes_reader_that_waits_for_event_of_webhook(subject: &Subject) {
    let webhook = webhook("chat");
    let waits = async { subject.store.read_webhook(&webhook, ALL, SOON).await.unwrap() };
    let other = async { subject.store.read_webhook(&super::webhook("all"), ALL, SOON).await.unwrap() };
    let (found, others, _) = tokio::join!(waits, other, report(subject, &["one"]));
    assert_eq!((found.len(), others.len()), (1, 1));
    assert!(subject.store.lease_webhook(&webhook, SOON).await.unwrap(), "no other node sends");
    subject.store.release_webhook(&webhook).await.unwrap();
}

pub async fn keeps_events_that_are_given_up(subject: &Subject) {
    report(subject, &["1", "2", "3"]).await;
    let first = waiting(subject, "chat").await.remove(0);
    subject.pass(Duration::from_secs(5));
    assert_eq!(give_up(subject, 1, DeadReason::Refused, 10).await, 0);
    subject.pass(Duration::from_secs(1));
    give_up(subject, 1, DeadReason::Expired, 10).await;
    assert_eq!(status(subject).await, (1, 2));
    let letters = dead(subject, None).await.unwrap();
    let [refused, expired] = &letters[..] else { panic!("two dead letters: {letters:?}") };
    assert_eq!((&refused.entry.event, &refused.entry.detail), (&first.entry.event, &first.entry.detail));
    assert_eq!((refused.reason, refused.attempts), (DeadReason::Refused, 3));
    assert_eq!(refused.failed_at.millis() + 1_000, expired.failed_at.millis());
    assert_eq!(expired.reason, DeadReason::Expired);
    let after: Vec<_> = dead(subject, Some("1")).await.unwrap().iter().map(|dead| dead.reason).collect();
    assert_eq!(after, [DeadReason::Expired]);
    assert_eq!(dead(subject, Some("unknown")).await, None);
    let one = PageLimit { entries: 1, ..ALL };
    assert_eq!(subject.store.read_dead(&webhook("chat"), None, one).await.unwrap().unwrap().len(), 1);
}

pub async fn deletes_oldest_dead_letters_beyond_limit(subject: &Subject) {
    report(subject, &["1", "2", "3", "4"]).await;
    assert_eq!(give_up(subject, 3, DeadReason::Overflow, 2).await, 1);
    assert_eq!(dead_ids(subject).await, ["2", "3"]);
    assert_eq!(dead(subject, Some("1")).await, None);
    assert_eq!(give_up(subject, 1, DeadReason::Overflow, 0).await, 3);
    assert_eq!(status(subject).await, (0, 0));
}

pub async fn removes_dead_letters(subject: &Subject) {
    report(subject, &["1", "2", "3"]).await;
    give_up(subject, 3, DeadReason::Refused, 10).await;
    let removed = subject.store.remove_dead(&webhook("chat"), &ids(&["2", "unknown", "2"])).await.unwrap();
    assert_eq!(removed, 1);
    assert_eq!(dead_ids(subject).await, ["1", "3"]);
    assert_eq!(subject.store.remove_dead(&webhook("all"), &ids(&["1"])).await.unwrap(), 0, "another webhook");
}

pub async fn replays_dead_letters_after_waiting_events(subject: &Subject) {
    report(subject, &["1", "2", "3"]).await;
    give_up(subject, 2, DeadReason::Refused, 10).await;
    let later = Timestamp::from_millis(subject.now().millis() + 90_000);
    assert_eq!(subject.store.replay_dead(&webhook("chat"), &ids(&["2", "unknown"]), later).await.unwrap(), 1);
    assert_eq!(
        (waiting_ids(subject, "chat").await, dead_ids(subject).await),
        (vec!["3".into(), "2".into()], vec!["1".into()])
    );
    let replayed = waiting(subject, "chat").await.remove(1);
    assert_eq!((replayed.since, replayed.entry.event.at), (later, subject.now()));
    assert_eq!(&*replayed.entry.event.key, "chat.message.c");
    // It can be given up again.
    give_up(subject, 2, DeadReason::Refused, 10).await;
    assert_eq!(dead_ids(subject).await, ["1", "3", "2"]);
}

pub async fn later_dead_letter_replaces_one_with_same_id(subject: &Subject) {
    report(subject, &["1", "2", "1"]).await;
    give_up(subject, 3, DeadReason::Refused, 10).await;
    assert_eq!(dead_ids(subject).await, ["2", "1"]);
    assert_eq!(status(subject).await, (0, 2));
}

pub async fn events_of_removed_webhook_stay(subject: &Subject) {
    report(subject, &["1"]).await;
    subject.store.set_webhooks([filter("later", &["chat"], EventSources::Clients)].into());
    report(subject, &["2"]).await;
    assert_eq!(waiting_ids(subject, "chat").await, ["1"]);
    assert_eq!(waiting_ids(subject, "later").await, ["2"]);
    subject.store.set_webhooks(options_with_webhooks().webhooks);
    report(subject, &["3"]).await;
    assert_eq!(waiting_ids(subject, "chat").await, ["1", "3"]);
    assert_eq!(waiting_ids(subject, "later").await, ["2"]);
    subject.store.set_webhooks(options_with_outbox().webhooks);
    report(subject, &["4"]).await;
    assert_eq!(status(subject).await, (2, 0));
}
