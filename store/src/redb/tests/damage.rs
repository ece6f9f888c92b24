//! Changes bytes of a closed file. A read then returns what was written, reports it as lost, or fails.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Topic};

use super::{Durability, RedbStore, options_with_outbox};
use crate::{
    Append, Block, BlockedTokens, Blocks, Log, Outbox, Page, PageLimit, Pending, Retention, Store, StoreError,
    clock::Clock,
    copy::copy,
    redb::{
        repair::Salvage,
        survey::{Depth, survey},
    },
    testing::conformance::{Subject, broadcast, key, long_body, options, topic, user_topic},
};

/// How many changed files are tried; `GATEWAY_DAMAGED_FILES` tries more.
const FILES: u64 = 300;
const CLANS: u64 = 6;
const ENTRIES: u64 = 60;
const USERS: u64 = 6;
const NOTIFICATIONS: u64 = 12;
const PAGE: PageLimit = PageLimit { entries: 16, bytes: usize::MAX };

/// The entries of a topic: offset and body.
type Bodies = BTreeMap<u64, String>;

/// The data that was written to the file.
struct Written {
    file: Vec<u8>,
    clock: Clock,
    subject: Subject,
    topics: Vec<(Topic, Bodies)>,
}

fn open(path: &Path, clock: &Clock) -> Result<RedbStore, String> {
    RedbStore::open(path, Durability::Os, options_with_outbox(), clock.clone()).map_err(|error| error.to_string())
}

/// Returns a file with logs, pending notifications and events, closed cleanly.
async fn written() -> Written {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let mut shared_clock = None;
    let subject = Subject::new(|clock| {
        shared_clock = Some(clock.clone());
        Arc::new(open(&path, &clock).unwrap())
    });
    let mut topics = Vec::new();
    for clan in 0..CLANS {
        let mut bodies = Bodies::new();
        for n in 1..=ENTRIES {
            let body = format!("clan-{clan}-entry-{n}-{}", "x".repeat((n * 7 % 200) as usize));
            let append = Append {
                key: key("u", &format!("{clan}-{n}")),
                id: id(&format!("m{n}")),
                body: body.clone().into(),
                ..subject.entry(&format!("c{clan}"), "x")
            };
            assert_eq!(subject.append(append).await, n);
            bodies.insert(n, body);
        }
        topics.push((topic(&format!("c{clan}")), bodies));
    }
    let users: Vec<String> = (0..USERS).map(|user| format!("u{user}")).collect();
    let mut pending = vec![Bodies::new(); users.len()];
    for n in 1..=NOTIFICATIONS {
        let id = format!("n{n}");
        // Each fourth one is for all users, who share its body.
        let body = if n % 4 == 0 { long_body(&id) } else { id.clone() };
        if n % 4 == 0 {
            let stored = subject.store.notify_all(broadcast(&subject, &users, &id)).await;
            assert!(stored.iter().all(Result::is_ok));
        }
        for (name, bodies) in users.iter().zip(&mut pending) {
            if n % 4 != 0 {
                subject.notify(subject.notification(name, &id)).await;
            }
            if n % 3 == 0 {
                let ids = [NotificationId::new(id.clone()).unwrap()];
                subject.store.acknowledge(&UserId::new(name.clone()).unwrap(), &ids, None).await.unwrap();
            } else {
                bodies.insert(n, body.clone());
            }
        }
    }
    topics.extend(users.iter().map(|name| user_topic(name)).zip(pending));
    subject.store.close().await;
    let file = fs::read(&path).unwrap();
    Written { file, clock: shared_clock.unwrap(), subject, topics }
}

fn id(id: &str) -> realtime_gateway_protocol::MessageId {
    realtime_gateway_protocol::MessageId::new(id).unwrap()
}

/// Reads a topic to its head as a replay does. Returns the offsets that were reported as lost.
async fn replay(store: &RedbStore, topic: &Topic, bodies: &Bodies) -> Result<Vec<(u64, u64)>, StoreError> {
    let (mut position, mut lost, mut seen) = (0, Vec::new(), Bodies::new());
    for _ in 0..1_000 {
        let Page { bounds, entries, next, lost: gap, .. } = store.read(topic, position, PAGE).await?;
        assert_eq!(bounds.head, *bodies.keys().last().unwrap().max(&head_of(topic)), "{topic}");
        assert_eq!(bounds.floor, 1, "{topic}");
        for entry in entries {
            let body = String::from_utf8(entry.body.to_vec()).unwrap();
            assert_eq!(Some(&body), bodies.get(&entry.offset), "{topic} {} is not what was written", entry.offset);
            assert!(seen.insert(entry.offset, body).is_none(), "{topic} {} was returned twice", entry.offset);
        }
        if let Some(gap) = gap {
            assert!(gap.first > position && gap.last >= gap.first && gap.last == next, "{topic} {gap:?} {position}");
            lost.push((gap.first, gap.last));
        }
        assert!(next > position || next >= bounds.head, "{topic} does not advance from {position}");
        position = next;
        if position >= bounds.head {
            let missing: Vec<u64> = bodies.keys().copied().filter(|offset| !seen.contains_key(offset)).collect();
            let reported = |offset: &u64| lost.iter().any(|(first, last)| (first..=last).contains(&offset));
            // Which of a user's offsets are missing is not known when their rows are missing.
            let is_reported = match topic {
                Topic::User(_) => missing.is_empty() || !lost.is_empty(),
                _ => missing.iter().all(reported),
            };
            assert!(is_reported, "{topic}: {missing:?} are missing and only {lost:?} are reported");
            return Ok(lost);
        }
    }
    panic!("{topic} has no end");
}

fn head_of(topic: &Topic) -> u64 {
    if matches!(topic, Topic::User(_)) { NOTIFICATIONS } else { ENTRIES }
}

/// Reads a topic back from its end, as history does.
async fn history(store: &RedbStore, topic: &Topic, bodies: &Bodies) -> Result<(), StoreError> {
    let (mut before, mut count) = (u64::MAX, 0);
    for _ in 0..1_000 {
        let page = store.read_back(topic, before, PAGE).await?;
        for entry in &page.entries {
            assert_eq!(Some(&String::from_utf8(entry.body.to_vec()).unwrap()), bodies.get(&entry.offset), "{topic}");
            count += 1;
        }
        match page.lost.map(|lost| (lost.first, lost.count())).or(page.entries.first().map(|first| (first.offset, 0))) {
            Some((first, lost)) if first > page.bounds.floor => (before, count) = (first, count + lost),
            Some((_, lost)) => {
                assert!(count + lost >= bodies.len() as u64, "{topic} has a silent hole going back");
                return Ok(());
            }
            None => panic!("{topic} ends at {before}"),
        }
    }
    panic!("{topic} has no beginning");
}

/// Asserts that a repaired log has only entries that were written, in their order, without gaps.
async fn assert_only(repaired: &RedbStore, topic: &Topic, bodies: &Bodies) {
    let page = repaired.read(topic, 0, crate::testing::conformance::ALL).await.unwrap();
    assert!(page.lost.is_none(), "{topic}: {:?} is lost again", page.lost);
    let mut written = bodies.values();
    for entry in &page.entries {
        let body = String::from_utf8(entry.body.to_vec()).unwrap();
        assert!(written.any(|written| *written == body), "{topic} {}: {body}", entry.offset);
    }
}

/// Opens a changed file, and runs every operation on it.
async fn outcome(written: &Written, path: &Path) -> String {
    // A survey of the file does not fail, and sees as much as a store that uses the file.
    let before = fs::read(path).unwrap();
    let surveyed = survey(path, Depth::Deep);
    let is_sound = surveyed.is_ok_and(|survey| survey.is_sound());
    if let Ok(salvage) = Salvage::open(path) {
        let target = path.with_extension("repaired");
        let _ = fs::remove_file(&target);
        let repaired = open(&target, &written.clock).unwrap();
        if copy(&salvage, &repaired, crate::testing::conformance::WINDOW, written.subject.now()).await.is_ok() {
            for (topic, bodies) in &written.topics {
                assert_only(&repaired, topic, bodies).await;
            }
        }
        repaired.close().await;
    }
    assert!(fs::read(path).unwrap() == before, "looking changed the file");
    let store = match open(path, &written.clock) {
        Ok(store) => store,
        Err(refused) => return format!("refused: {refused}"),
    };
    let (mut lost, mut errors) = (0, 0);
    for (topic, bodies) in &written.topics {
        match replay(&store, topic, bodies).await {
            Ok(gaps) => lost += gaps.len(),
            Err(_) => errors += 1,
        }
        if !matches!(topic, Topic::User(_)) && history(&store, topic, bodies).await.is_err() {
            errors += 1;
        }
    }
    let damaged = store.status().damaged;
    assert!(lost == 0 || damaged > 0, "what is lost is counted");
    let _ = store.read_outbox(0, 100, Duration::ZERO).await;
    // Logs that can still be written continue at their heads.
    for clan in 0..CLANS {
        let append = Append {
            retention: Retention { max_entries: 70, ..crate::testing::conformance::KEEP },
            ..written.subject.entry(&format!("c{clan}"), "after")
        };
        match store.append(append).await {
            Ok(appended) => assert_eq!(appended.offset, ENTRIES + 1),
            Err(_) => errors += 1,
        }
        let user = format!("u{clan}");
        match store.notify(written.subject.notification(&user, "after")).await {
            Ok(notified) => assert_eq!(notified.offset, NOTIFICATIONS + 1),
            Err(_) => errors += 1,
        }
        let ids = ["n1", "n2", "after"].map(|id| NotificationId::new(id).unwrap());
        errors += usize::from(store.acknowledge(&UserId::new(user).unwrap(), &ids, None).await.is_err());
    }
    errors += usize::from(store.sweep(written.subject.now()).await.is_err());
    store.close().await;
    assert!(!is_sound || (lost, errors) == (0, 0), "a survey found nothing wrong: {lost} lost, {errors} errors");
    match (lost, errors) {
        (0, 0) => "whole".into(),
        (_, 0) => "lost".into(),
        _ => "errors".into(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line sets how many files are tried")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_written_rows_or_reports_them_lost() {
    let written = written().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.redb");
    let files = std::env::var("GATEWAY_DAMAGED_FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(FILES);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut random = Random(0x5EED);
    for n in 0..files {
        let mut bytes = written.file.clone();
        let begin = random.below(bytes.len() as u64) as usize;
        // A bit, a byte, a few, a sector.
        let length = [1, 1, 1, 8, 64, 512][random.below(6) as usize];
        for byte in bytes.iter_mut().skip(begin).take(length) {
            *byte = if n % 2 == 0 { *byte ^ (1 << random.below(8)) } else { random.below(256) as u8 };
        }
        fs::write(&path, &bytes).unwrap();
        println!("file {n}: {length} bytes at {begin}");
        let outcome = outcome(&written, &path).await;
        *outcomes.entry(outcome.split(':').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes.get("lost").is_some_and(|lost| *lost > 0), "no entry was hit: {outcomes:?}");
}

/// A generator of the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }
}

/// Changes one byte within every copy of a text in a file.
pub(super) fn spoil(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let mut found = 0;
    for at in 0..bytes.len() - text.len() {
        if bytes[at..].starts_with(text.as_bytes()) {
            bytes[at] ^= 1;
            found += 1;
        }
    }
    assert!(found > 0);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn serves_everything_around_damaged_entry() {
    let written = written().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    fs::write(&path, &written.file).unwrap();
    spoil(&path, "clan-1-entry-30-");
    let store = open(&path, &written.clock).unwrap();
    for (n, (topic, bodies)) in written.topics.iter().enumerate() {
        let expected = if n == 1 { vec![(30, 30)] } else { Vec::new() };
        assert_eq!(replay(&store, topic, bodies).await.unwrap(), expected);
        assert_eq!(replay(&store, topic, bodies).await.unwrap(), expected, "also the second time");
    }
    assert_eq!(store.status().damaged, 1, "each is counted once");
    // A redaction of the damaged message makes its offset readable again: the content is not needed any more.
    let redaction = crate::Redaction { offset: 30, body: "{}".into() };
    let taking_back = Append { redaction: Some(redaction), ..written.subject.entry("c1", "deleted") };
    assert_eq!(store.append(taking_back).await.unwrap().offset, ENTRIES + 1);
}

#[tokio::test]
async fn damaged_notification_blocks_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let mut shared_clock = None;
    let subject = Subject::new(|clock| {
        shared_clock = Some(clock.clone());
        Arc::new(RedbStore::open(&path, Durability::Os, options(), clock).unwrap())
    });
    let clock = shared_clock.unwrap();
    for id in ["first", "second-notification", "third"] {
        subject.notify(subject.notification("u", id)).await;
    }
    subject.store.close().await;
    spoil(&path, "second-notificationsecond-notification");
    let store = RedbStore::open(&path, Durability::Os, options(), clock).unwrap();
    let mut reported = Vec::new();
    let mut position = 0;
    while position < 3 {
        let page = store.read(&user_topic("u"), position, PAGE).await.unwrap();
        reported.extend(page.entries.iter().map(|entry| entry.offset.to_string()));
        reported.extend(page.lost.map(|lost| format!("lost {lost}")));
        position = page.next;
    }
    assert_eq!(reported, ["1", "lost 2", "3"]);
    let user = UserId::new("u").unwrap();
    let ids = [NotificationId::new("second-notification").unwrap()];
    assert_eq!(store.acknowledge(&user, &ids, None).await.unwrap(), ids);
    assert!(store.read(&user_topic("u"), 1, PAGE).await.unwrap().lost.is_none(), "nothing is lost of what was seen");
    assert_eq!(store.pending_count(&user).await.unwrap(), 2);
}

#[tokio::test]
async fn refuses_to_open_with_damaged_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let clock = Clock::system();
    let store = open(&path, &clock).unwrap();
    let now = clock.now();
    let ends = [now.millis() + 3_600_000, now.millis() + 7_200_000];
    for (user, until) in ["eve", "mallory"].into_iter().zip(ends.map(Timestamp::from_millis)) {
        let block = Block { tokens: BlockedTokens::All, until, since: now, reason: None };
        store.block(&UserId::new(user).unwrap(), block).await.unwrap();
    }
    store.close().await;
    // One digit of a time: without a checksum it would be another time, long ago.
    spoil(&path, &ends[1].to_string());

    let error = open(&path, &clock).unwrap_err();
    assert!(error.contains("gateway store repair"), "{error}");
    let survey = survey(&path, Depth::Deep).unwrap();
    assert_eq!(survey.damaged.get("blocks of users"), Some(&1), "{survey:?}");
    let repaired = directory.path().join("b.redb");
    let salvage = Salvage::open(&path).unwrap();
    let target = open(&repaired, &clock).unwrap();
    copy(&salvage, &target, Duration::from_secs(60), now).await.unwrap();
    target.close().await;
    let target = open(&repaired, &clock).unwrap();
    for (user, kept) in [("eve", 1), ("mallory", 0)] {
        assert_eq!(target.blocks_of(&UserId::new(user).unwrap()).await.unwrap().len(), kept, "{user}");
    }
}
