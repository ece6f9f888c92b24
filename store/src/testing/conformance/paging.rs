//! Reading: pages, positions, heads.

use std::time::Duration;

use bytes::Bytes;

use super::{ALL, KEEP, Subject, bodies, offsets, topic};
use crate::{Append, LogBounds, PageLimit};

async fn filled(subject: &Subject, clan: &str, entries: usize) {
    for n in 1..=entries {
        subject.append(subject.entry(clan, &format!("{n:04}"))).await;
    }
}

pub async fn limits_page_by_entries(subject: &Subject) {
    filled(subject, "a", 25).await;
    let limit = PageLimit { entries: 10, ..ALL };
    let (mut position, mut seen) = (0, Vec::new());
    while position < 25 {
        let page = subject.store.read(&topic("a"), position, limit).await.unwrap();
        assert!(!page.entries.is_empty() && page.entries.len() <= 10);
        assert_eq!(page.bounds, LogBounds { head: 25, floor: 1 });
        position = page.next;
        seen.extend(offsets(&page));
    }
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
    let nothing = subject.store.read(&topic("a"), 5, PageLimit { entries: 0, ..ALL }).await.unwrap();
    assert_eq!((nothing.entries.len(), nothing.next), (0, 5));
}

pub async fn limits_page_by_bytes_but_returns_one_entry(subject: &Subject) {
    filled(subject, "a", 10).await;
    let limit = |bytes| PageLimit { entries: 100, bytes };
    let page = subject.store.read(&topic("a"), 0, limit(12)).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![1, 2, 3], 3));
    let page = subject.store.read(&topic("a"), 3, limit(15)).await.unwrap();
    assert_eq!(offsets(&page), [4, 5, 6]);
    let page = subject.store.read(&topic("a"), 6, limit(1)).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![7], 7));
    subject.append(Append { body: Bytes::new(), ..subject.entry("a", "empty") }).await;
    let page = subject.store.read(&topic("a"), 9, limit(3)).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![10], 10), "an empty entry does not follow one that is too large");
    let page = subject.store.read_back(&topic("a"), 10, limit(8)).await.unwrap();
    assert_eq!(offsets(&page), [8, 9]);
    let page = subject.store.read_back(&topic("a"), 10, limit(0)).await.unwrap();
    assert_eq!(offsets(&page), [9]);
}

pub async fn reads_back_last_entries_in_ascending_order(subject: &Subject) {
    filled(subject, "a", 10).await;
    let limit = PageLimit { entries: 3, ..ALL };
    for (before, expected) in [
        (u64::MAX, vec![8, 9, 10]),
        (11, vec![8, 9, 10]),
        (10, vec![7, 8, 9]),
        (3, vec![1, 2]),
        (1, vec![]),
        (0, vec![]),
    ] {
        let page = subject.store.read_back(&topic("a"), before, limit).await.unwrap();
        assert_eq!(offsets(&page), expected, "before {before}");
        assert_eq!(page.bounds, LogBounds { head: 10, floor: 1 });
        assert_eq!(page.next, expected.last().copied().unwrap_or(10));
    }
    let trimmed = Append { retention: crate::Retention { max_entries: 4, ..KEEP }, ..subject.entry("a", "x") };
    subject.append(trimmed).await;
    let page = subject.store.read_back(&topic("a"), 10, ALL).await.unwrap();
    assert_eq!(offsets(&page), [8, 9], "not beyond the floor");
    assert!(subject.store.read_back(&topic("a"), 5, ALL).await.unwrap().entries.is_empty());
}

pub async fn answers_positions_outside_log(subject: &Subject) {
    let empty = subject.read(&topic("never"), 0).await;
    assert_eq!((empty.bounds, empty.next, empty.entries.len()), (LogBounds { head: 0, floor: 1 }, 0, 0));
    for n in 1..=5 {
        let mut append = subject.entry("a", &n.to_string());
        append.retention.max_entries = 2;
        subject.append(append).await;
    }
    let page = subject.read(&topic("a"), 0).await;
    assert_eq!((bodies(&page), page.bounds), (vec!["4".into(), "5".into()], LogBounds { head: 5, floor: 4 }));
    for position in [5, 6, u64::MAX] {
        let page = subject.read(&topic("a"), position).await;
        assert_eq!((page.entries.len(), page.next), (0, 5), "after {position}");
    }
}

pub async fn returns_heads_in_order_of_request(subject: &Subject) {
    filled(subject, "a", 3).await;
    filled(subject, "b", 5).await;
    subject.notify(subject.notification("u", "1")).await;
    let requested = [topic("b"), topic("never"), topic("a"), super::user_topic("u"), topic("b")];
    let heads: Vec<u64> =
        subject.store.heads(&requested).await.unwrap().bounds.iter().map(|bounds| bounds.head).collect();
    assert_eq!(heads, [5, 0, 3, 1, 5]);
    assert!(subject.store.heads(&[]).await.unwrap().bounds.is_empty());
}

pub async fn returns_large_bodies_whole(subject: &Subject) {
    for size in [0, 1, 5_000, 300_000] {
        let body = Bytes::from((0..size).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
        let offset = subject.append(Append { body: body.clone(), ..subject.entry("a", "x") }).await;
        let page = subject.read(&topic("a"), offset - 1).await;
        assert_eq!(page.entries[0].body, body);
    }
}

pub async fn finds_logs_with_entries_since_a_time(subject: &Subject) {
    let names = |logs: std::ops::Range<usize>| logs.map(|n| format!("log{n:04}"));
    for name in names(0..400) {
        subject.append(subject.entry(&name, "old")).await;
    }
    subject.pass(Duration::from_secs(10));
    let since = subject.now();
    for name in names(300..700) {
        subject.append(subject.entry(&name, "new")).await;
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let recent = subject.store.recent_logs(since, after).await.unwrap();
        found.extend(recent.topics);
        after = recent.next;
        if after.is_none() {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found, names(300..700).map(|name| topic(&name)).collect::<Vec<_>>());
}
