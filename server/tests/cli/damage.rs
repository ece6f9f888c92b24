//! Commands for damaged and restored data files: `check --deep`, `store repair` and `store new-epoch`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use gateway::{
    config::Durability,
    runtime::supervision::Supervisor,
    store::{
        Append, Broadcast, ContentDigest, Log, NodeName, Notify, Options, PageLimit, Pending, Recipient, Retention,
        SpaceLimits, Store, clock::Clock, redb::RedbStore,
    },
    topic::Topic,
};
use realtime_gateway_protocol::{ClanId, MessageId, NotificationId, Timestamp, UserId};

use super::Sandbox;

const AT: u64 = 1_800_000_000_000;

fn open(path: &Path) -> RedbStore {
    let options = Options {
        window: Duration::from_secs(3_600),
        node: NodeName::new("test"),
        outbox: None,
        webhooks: [].into(),
        space: SpaceLimits::default(),
        supervisor: Supervisor::default(),
    };
    RedbStore::open(path, Durability::Os, options, Clock::new(|| Timestamp::from_millis(AT))).unwrap()
}

fn clan() -> Topic {
    Topic::Clan(ClanId::new("c").unwrap())
}

/// Fills a data file with ten entries, three notifications and two broadcasts to two users. A copy with the extension
/// `killed` has the state after SIGKILL.
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
            escalate_at: None,
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
            escalate_at: None,
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

/// Flips one bit in the first byte of every copy of a text in a file.
fn flip_byte_in(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect();
    assert!(!found.is_empty());
    found.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(path, bytes).unwrap();
}

fn sandbox() -> (Sandbox, std::path::PathBuf) {
    let sandbox = Sandbox::with_secret().variable("GATEWAY_STORE__URL", "redb:a.redb");
    let path = sandbox.folder.path().join("a.redb");
    fill(&path);
    (sandbox, path)
}

#[test]
fn check_reports_damage_and_repair_saves_the_rest() {
    let (sandbox, path) = sandbox();
    let before = fs::read(&path).unwrap();
    for deep in [&["check"][..], &["check", "--deep"]] {
        let checked = sandbox.run(deep);
        assert_eq!(checked.code(), 0, "{}{}", checked.out(), checked.err());
        assert!(checked.out().contains("10 entries"), "{}", checked.out());
    }
    assert!(sandbox.run(&["check", "--deep"]).out().contains("a.redb is sound; checked: every row"));
    assert_eq!(fs::read(&path).unwrap(), before, "check changed the file");

    flip_byte_in(&path, "body-of-entry-04");
    flip_byte_in(&path, "body-of-notification-2");
    flip_byte_in(&path, "body-of-broadcast-1");
    let damaged = fs::read(&path).unwrap();
    let checked = sandbox.run(&["check", "--deep"]);
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

    let repaired = sandbox.run(&["store", "repair", "redb:a.redb", "b.redb"]);
    assert_eq!(repaired.code(), 0, "{}", repaired.err());
    for expected in ["9 entries", "4 pending", "lost  clan:c: 1 entries, at offsets 4", "lost  user:anna: 1 pending"] {
        assert!(repaired.out().contains(expected), "{expected} is missing from {}", repaired.out());
    }
    assert_eq!(fs::read(&path).unwrap(), damaged, "repair changed the damaged file");
    let target = sandbox.folder.path().join("b.redb");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    // Entries before the gap get higher offsets to close it, and the head stays the same.
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

    let refused = sandbox.run(&["store", "repair", "a.redb", "b.redb"]);
    assert!(refused.refusal().contains("b.redb exists"));
    let again = sandbox.run(&["store", "repair", "b.redb", "c.redb"]);
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
fn repair_reads_files_that_redb_rejects() {
    let (sandbox, path) = sandbox();
    // redb verifies every page of a file that was not closed, and refuses it for a single wrong byte.
    fs::rename(path.with_extension("killed"), &path).unwrap();
    flip_byte_in(&path, "body-of-entry-07");
    let refused = sandbox.run(&["serve", "--listen", "127.0.0.1:0"]).refusal();
    assert!(refused.contains("gateway store repair a.redb"), "{refused}");
    let checked = sandbox.run(&["check", "--deep"]);
    assert!(checked.code() == 1 && checked.out().contains("redb refuses to open it"), "{}", checked.out());
    let repaired = sandbox.run(&["store", "repair", "a.redb", "b.redb"]);
    assert!(repaired.out().contains("9 entries"), "{}{}", repaired.out(), repaired.err());
    assert_eq!(bodies(&sandbox.folder.path().join("b.redb"), &clan()).len(), 9);
}

#[test]
fn new_epoch_command_changes_epoch_of_restored_file() {
    let (sandbox, path) = sandbox();
    let old = epoch(&path);
    let renewed = sandbox.run(&["store", "new-epoch", "redb:a.redb"]);
    assert_eq!(renewed.code(), 0, "{}", renewed.err());
    let new = epoch(&path);
    assert_ne!(new, old);
    assert!(renewed.out().contains(&new) && renewed.out().contains(&old), "{}", renewed.out());
    assert_eq!(bodies(&path, &clan()).len(), 10);
    assert!(sandbox.run(&["store", "new-epoch", "absent.redb"]).refusal().contains("absent.redb"));
    assert!(!sandbox.folder.path().join("absent.redb").exists());

    let held = open(&path);
    for arguments in [&["store", "new-epoch", "a.redb"][..], &["store", "repair", "a.redb", "b.redb"]] {
        assert!(sandbox.run(arguments).refusal().contains("in use"), "{arguments:?}");
    }
    let checked = sandbox.run(&["check", "--deep"]);
    assert!(checked.code() == 1 && checked.out().contains("is in use"), "{}", checked.out());
    assert_eq!(sandbox.run(&["check"]).code(), 0);
    drop(held);
}

#[test]
fn check_warns_about_file_that_others_can_read() {
    let (sandbox, path) = sandbox();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let checked = sandbox.run(&["check"]);
    assert_eq!(checked.code(), 0);
    assert!(checked.out().contains("mode 0644") && checked.out().contains("chmod 600"), "{}", checked.out());
}
