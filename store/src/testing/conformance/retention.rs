//! Retention of logs: by count and by age, effective immediately, before and after a sweep.

use std::time::Duration;

use super::{KEEP, Subject, offsets, topic};
use crate::{Append, LogBounds, Retention};

fn by_count(max_entries: u64) -> Retention {
    Retention { max_entries, ..KEEP }
}

fn by_age(seconds: u64) -> Retention {
    Retention { max_age: Duration::from_secs(seconds), ..KEEP }
}

async fn append(subject: &Subject, clan: &str, retention: Retention) -> u64 {
    subject.append(Append { retention, ..subject.entry(clan, "x") }).await
}

async fn bounds(subject: &Subject, clan: &str) -> LogBounds {
    let [bounds] = subject.store.heads(&[topic(clan)]).await.unwrap().bounds[..] else {
        panic!("one head was requested")
    };
    assert_eq!(subject.read(&topic(clan), 0).await.bounds, bounds);
    bounds
}

pub async fn applies_retention_by_count_exactly(subject: &Subject) {
    for n in 1..=30 {
        append(subject, "a", by_count(10)).await;
        let floor = if n > 10 { n - 9 } else { 1 };
        assert_eq!(bounds(subject, "a").await, LogBounds { head: n, floor });
        assert_eq!(offsets(&subject.read(&topic("a"), 0).await), (floor..=n).collect::<Vec<_>>());
    }
}

pub async fn lower_count_takes_effect_immediately(subject: &Subject) {
    let many = (0..700).map(|_| {
        let (store, append) = (subject.store.clone(), subject.entry("a", "x"));
        async move { store.append(append).await.unwrap() }
    });
    subject.concurrently(many).await;
    append(subject, "a", by_count(5)).await;
    assert_eq!(bounds(subject, "a").await, LogBounds { head: 701, floor: 697 });
    assert_eq!(offsets(&subject.read(&topic("a"), 0).await), (697..=701).collect::<Vec<_>>());
    // A higher count later restores nothing, and does not show entries that were not removed yet.
    append(subject, "a", by_count(1_000)).await;
    assert_eq!(bounds(subject, "a").await, LogBounds { head: 702, floor: 697 });
}

pub async fn applies_retention_by_age_exactly_before_and_after_sweep(subject: &Subject) {
    for _ in 0..10 {
        append(subject, "a", by_age(60)).await;
        subject.pass(Duration::from_secs(10));
    }
    // The entries are 10 to 100 seconds old; from 60 seconds on they are removed.
    let expected = LogBounds { head: 10, floor: 6 };
    assert_eq!(bounds(subject, "a").await, expected);
    assert_eq!(offsets(&subject.read(&topic("a"), 0).await), [6, 7, 8, 9, 10]);
    assert_eq!(subject.sweep().await, (5, 0));
    assert_eq!(bounds(subject, "a").await, expected);
    assert_eq!(subject.sweep().await, (0, 0));
    subject.pass(Duration::from_millis(9_999));
    assert_eq!(bounds(subject, "a").await.floor, 6);
    subject.pass(Duration::from_millis(1));
    assert_eq!(bounds(subject, "a").await.floor, 7);
}

pub async fn shorter_age_takes_effect_immediately(subject: &Subject) {
    for _ in 0..3 {
        append(subject, "a", by_age(3_600)).await;
    }
    subject.pass(Duration::from_secs(100));
    append(subject, "a", by_age(60)).await;
    assert_eq!(bounds(subject, "a").await, LogBounds { head: 4, floor: 4 });
    assert_eq!(subject.sweep().await, (3, 0));
    assert_eq!(offsets(&subject.read(&topic("a"), 0).await), [4]);
}

pub async fn log_keeps_its_head_without_entries(subject: &Subject) {
    for _ in 0..3 {
        append(subject, "a", by_age(60)).await;
    }
    subject.pass(Duration::from_secs(60));
    assert_eq!(bounds(subject, "a").await, LogBounds { head: 3, floor: 4 });
    let page = subject.read(&topic("a"), 0).await;
    assert_eq!((page.entries.len(), page.next), (0, 3));
    assert_eq!(subject.sweep().await, (3, 0));
    assert_eq!(bounds(subject, "a").await, LogBounds { head: 3, floor: 4 });
    assert_eq!(append(subject, "a", by_age(60)).await, 4);
    subject.pass(Duration::from_secs(60));
    assert_eq!(subject.sweep().await, (1, 0), "a log that was empty is swept again");
}

pub async fn sweep_ends_with_many_rows_to_remove(subject: &Subject) {
    let many = (0..1_500).map(|n| {
        let append = Append { retention: by_age(60), ..subject.entry(&format!("c{}", n % 7), "x") };
        let store = subject.store.clone();
        async move { store.append(append).await.unwrap() }
    });
    subject.concurrently(many).await;
    subject.pass(Duration::from_secs(60));
    let first = subject.store.sweep(subject.now()).await.unwrap();
    assert!(first.more && first.entries > 0 && first.entries < 1_500, "a sweep is bounded: {first:?}");
    assert_eq!(first.entries + subject.sweep().await.0, 1_500);
}
