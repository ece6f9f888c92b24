//! Writes the data file of a release into `store/tests/fixtures`. Later releases have to open it.
//!
//! Run it once per release, and never again for a published release:
//! `cargo run -p realtime-gateway-store --example write_fixture -- store/tests/fixtures/vX.Y.Z.redb`

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use gateway_runtime::supervision::Supervisor;
use gateway_store::{
    Append, ContentDigest, Durability, Idempotency, IdempotencyKey, Log, NodeName, Notify, Options, Pending, Redaction,
    Retention, SpaceLimits, Store, clock::Clock, redb::RedbStore,
};
use realtime_gateway_protocol::{ClanId, ClientMessageId, MessageId, NotificationId, Timestamp, UserId, topic::Topic};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let path: PathBuf = std::env::args().nth(1).context("name the file to write")?.into();
    ensure!(!path.exists(), "{} exists; a released fixture is never written again", path.display());
    let at = Timestamp::from_millis(1_800_000_000_000);
    let options = Options {
        window: Duration::from_secs(3_600),
        node: NodeName::new("fixture"),
        outbox: None,
        webhooks: [].into(),
        space: SpaceLimits::default(),
        supervisor: Supervisor::default(),
    };
    let store = RedbStore::open(&path, Durability::Fsync, options, Clock::new(move || at))?;
    let anna = UserId::new("anna")?;
    for n in 1..=5 {
        let key = IdempotencyKey::User(anna.clone(), ClientMessageId::new(format!("client-{n}"))?);
        store
            .append(Append {
                topic: Topic::Clan(ClanId::new("fixture")?),
                id: MessageId::new(format!("message-{n}"))?,
                key: Some(Idempotency { key, content: ContentDigest::of(&n)? }),
                at,
                body: format!("{{\"n\":{n}}}").into(),
                retention: Retention { max_entries: 3, max_age: Duration::from_secs(1_000 * 365 * 24 * 3_600) },
                redaction: (n == 5).then(|| Redaction { offset: 4, body: "{\"redacted\":true}".into() }),
                event: None,
            })
            .await?;
    }
    for (id, title) in [("n1", "a"), ("n2", "b")] {
        store
            .notify(Notify {
                user: anna.clone(),
                id: NotificationId::new(id)?,
                content: ContentDigest::of(&title)?,
                at,
                body: format!("{{\"title\":\"{title}\"}}").into(),
                expires: Timestamp::from_millis(u64::MAX),
                escalate_at: None,
                max_pending: 10,
                dropped_event: None,
            })
            .await?;
    }
    store.acknowledge(&anna, &[NotificationId::new("n1")?], None).await?;
    store.close().await;
    drop(store);
    redb::Database::open(&path)?.compact()?;
    Ok(())
}
