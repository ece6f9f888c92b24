//! Damaged, repaired and restored data files, by the command line.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use gateway::{
    config::Durability,
    store::{
        Append, Broadcast, ContentDigest, Log, NodeName, Notify, Options, PageLimit, Pending, Recipient, Retention,
        SpaceLimits, Store, clock::Clock, redb::RedbStore,
    },
    supervision::Supervisor,
    topic::Topic,
};
use realtime_gateway_protocol::{ClanId, MessageId, NotificationId, Timestamp, UserId};

use super::Place;

const AT: u64 = 1_800_000_000_000;

fn open(path: &Path) -> RedbStore {
    let options = Options {
        window: Duration::from_secs(3_600),
        node: NodeName::new("test"),
        outbox: None,
        space: SpaceLimits::default(),
        supervisor: Supervisor::default(),
    };
    RedbStore::open(path, Durability::Os, options, Clock::new(|| Timestamp::from_millis(AT))).unwrap()
}

fn clan() -> Topic {
    Topic::Clan(ClanId::new("c").unwrap())
}

/// Ten entries, three notifications, and two broadcasts to two users; next to it, with the extension `killed`, as it would be after `kill -9`.
#[tokio::main(flavor = "current_thread")]
async fn fill(path: &Path) {
    let store = open(path);
    for n in 1..=10 {
        let append = Append {
            topic: clan(),
            id: MessageId::new(format!("m{n}")).unwrap(),
            key: None,
            at: Timestamp::from_millis(AT),
            body: format!("body-of-entry-{n:02}").into(),
            retention: Retention { max_entries: 1_000, max_age: Duration::from_secs(365 * 24 * 3_600) },
            redaction: None,
            event: None,
        };
        store.append(append).await.unwrap();
    }
    for n in 1..=3 {
        let notify = Notify {
            user: UserId::new("anna").unwrap(),
            id: NotificationId::new(format!("n{n}")).unwrap(),
            content: ContentDigest::of(&n).unwrap(),
            at: Timestamp::from_millis(AT),
            body: format!("body-of-notification-{n}").into(),
            expires: Timestamp::from_millis(AT + 1_000_000),
            max_pending: 100,
            dropped_event: None,
        };
        store.notify(notify).await.unwrap();
    }
    let recipients = ["bert", "carl"].map(|user| Recipient { user: UserId::new(user).unwrap(), dropped_event: None });
    for n in 1..=2 {
        let broadcast = Broadcast {
            id: NotificationId::new(format!("b{n}")).unwrap(),
            content: ContentDigest::of(&n).unwrap(),
            at: Timestamp::from_millis(AT),
            body: format!("body-of-broadcast-{n}-{}", "x".repeat(1_000)).into(),
            expires: Timestamp::from_millis(AT + 1_000_000),
            max_pending: 100,
            recipients: recipients.to_vec(),
        };
        assert!(store.notify_all(broadcast).await.iter().all(Result::is_ok));
    }
    fs::copy(path, path.with_extension("killed")).unwrap();
    store.close().await;
}

#[tokio::main(flavor = "current_thread")]
async fn bodies(path: &Path, topic: &Topic) -> Vec<(u64, String)> {
    let store = open(path);
    let page = store.read(topic, 0, PageLimit { entries: 100, bytes: 1_000_000 }).await.unwrap();
    assert!(page.lost.is_none());
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    let bodies = page.entries.iter().map(|entry| (entry.offset, text(&entry.body))).collect();
    store.close().await;
    bodies
}

/// Changes one byte within every copy of a text.
fn spoil(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect();
    assert!(!found.is_empty());
    found.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(path, bytes).unwrap();
}

fn place() -> (Place, std::path::PathBuf) {
    let place = Place::with_secret().variable("GATEWAY_STORE__URL", "redb:a.redb");
    let path = place.folder.path().join("a.redb");
    fill(&path);
    (place, path)
}

#[test]
fn check_names_what_is_damaged_and_repair_saves_the_rest() {
    let (place, path) = place();
    let before = fs::read(&path).unwrap();
    for deep in [&["check"][..], &["check", "--deep"]] {
        let checked = place.run(deep);
        assert_eq!(checked.code(), 0, "{}{}", checked.out(), checked.err());
        assert!(checked.out().contains("10 entries"), "{}", checked.out());
    }
    assert!(place.run(&["check", "--deep"]).out().contains("a.redb is sound; checked: every row"));
    assert_eq!(fs::read(&path).unwrap(), before, "a check changes nothing");

    spoil(&path, "body-of-entry-04");
    spoil(&path, "body-of-notification-2");
    spoil(&path, "body-of-broadcast-1");
    let damaged = fs::read(&path).unwrap();
    let checked = place.run(&["check", "--deep"]);
    assert_eq!(checked.code(), 1);
    for expected in [
        "clan:c: 1 entries, at offsets 4",
        "user:anna: 1 pending",
        "user:bert: 1 pending",
        "user:carl: 1 pending",
        "1 or more rows of the table shared bodies",
        "gateway store repair a.redb",
        "9 entries",
    ] {
        assert!(checked.out().contains(expected), "{expected} is missing from {}", checked.out());
    }

    let repaired = place.run(&["store", "repair", "redb:a.redb", "b.redb"]);
    assert_eq!(repaired.code(), 0, "{}", repaired.err());
    for expected in ["9 entries", "4 pending", "lost  clan:c: 1 entries, at offsets 4", "lost  user:anna: 1 pending"] {
        assert!(repaired.out().contains(expected), "{expected} is missing from {}", repaired.out());
    }
    assert_eq!(fs::read(&path).unwrap(), damaged, "the damaged file is left as it is");
    let target = place.folder.path().join("b.redb");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    // The entries before the gap have moved up to close it, and the head is where it was.
    let entries = bodies(&target, &clan());
    assert_eq!(entries.first().unwrap(), &(2, "body-of-entry-01".to_owned()));
    assert_eq!(entries[2..4], [(4, "body-of-entry-03".to_owned()), (5, "body-of-entry-05".to_owned())]);
    assert_eq!(entries.last().unwrap(), &(10, "body-of-entry-10".to_owned()));
    let pending: Vec<u64> =
        bodies(&target, &Topic::User(UserId::new("anna").unwrap())).into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(pending, [1, 3]);
    for user in ["bert", "carl"] {
        let pending = bodies(&target, &Topic::User(UserId::new(user).unwrap()));
        assert!(pending.len() == 1 && pending[0].1.starts_with("body-of-broadcast-2"), "{pending:?}");
    }
    assert_ne!(epoch(&target), epoch(&path));

    let refused = place.run(&["store", "repair", "a.redb", "b.redb"]);
    assert!(refused.refusal().contains("b.redb exists"));
    let again = place.run(&["store", "repair", "b.redb", "c.redb"]);
    assert!(again.out().contains("nothing was lost"), "{}{}", again.out(), again.err());
}

#[tokio::main(flavor = "current_thread")]
async fn epoch(path: &Path) -> String {
    let store = open(path);
    let epoch = store.epoch().to_string();
    store.close().await;
    epoch
}

#[test]
fn repair_reads_files_that_redb_refuses() {
    let (place, path) = place();
    // A file that was not closed is verified page by page, and one wrong byte is enough to refuse it.
    fs::rename(path.with_extension("killed"), &path).unwrap();
    spoil(&path, "body-of-entry-07");
    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]).refusal();
    assert!(refused.contains("gateway store repair a.redb"), "{refused}");
    let checked = place.run(&["check", "--deep"]);
    assert!(checked.code() == 1 && checked.out().contains("redb refuses to open it"), "{}", checked.out());
    let repaired = place.run(&["store", "repair", "a.redb", "b.redb"]);
    assert!(repaired.out().contains("9 entries"), "{}{}", repaired.out(), repaired.err());
    assert_eq!(bodies(&place.folder.path().join("b.redb"), &clan()).len(), 9);
}

#[test]
fn a_restored_file_gets_a_new_epoch() {
    let (place, path) = place();
    let old = epoch(&path);
    let renewed = place.run(&["store", "new-epoch", "redb:a.redb"]);
    assert_eq!(renewed.code(), 0, "{}", renewed.err());
    let new = epoch(&path);
    assert_ne!(new, old);
    assert!(renewed.out().contains(&new) && renewed.out().contains(&old), "{}", renewed.out());
    assert_eq!(bodies(&path, &clan()).len(), 10);
    assert!(place.run(&["store", "new-epoch", "absent.redb"]).refusal().contains("absent.redb"));
    assert!(!place.folder.path().join("absent.redb").exists());

    let held = open(&path);
    for arguments in [&["store", "new-epoch", "a.redb"][..], &["store", "repair", "a.redb", "b.redb"]] {
        assert!(place.run(arguments).refusal().contains("in use"), "{arguments:?}");
    }
    let checked = place.run(&["check", "--deep"]);
    assert!(checked.code() == 1 && checked.out().contains("is in use"), "{}", checked.out());
    assert_eq!(place.run(&["check"]).code(), 0);
    drop(held);
}

#[test]
fn check_warns_of_a_file_that_others_can_read() {
    let (place, path) = place();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let checked = place.run(&["check"]);
    assert_eq!(checked.code(), 0);
    assert!(checked.out().contains("mode 0644") && checked.out().contains("chmod 600"), "{}", checked.out());
}
