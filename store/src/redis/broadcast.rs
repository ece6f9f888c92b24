//! Broadcasts in Redis: one script stores a batch of recipients, and the body is sent and stored once.

use std::time::Duration;

use realtime_gateway_protocol::topic::Topic;
use uuid::Uuid;

use super::{
    RedisStore,
    arguments::{Digits, List, RecipientArguments},
    expiry,
    fault::Fault,
    log::{offset_or_conflict, stored_digest},
    millis,
    request::Reply,
    scripts,
};
use crate::{Broadcast, Epoch, Notified, Recipient, StoreError};

/// How many recipients one script handles at most, so that other requests do not wait long for it.
const MAX_RECIPIENTS_PER_SCRIPT: usize = 128;
/// The prefix of the keys of bodies.
pub(super) const BODY_KEY: &str = "body:";
/// How long after its expiry, in milliseconds, a body is removed even if notifications refer to it. As in `bodies.lua`.
pub(super) const BODY_MARGIN: u64 = 3_600_000;

/// Returns the key of a body without the prefix of the store.
pub(super) fn body_key(number: u64) -> String {
    format!("{BODY_KEY}{number}")
}

/// Returns a random number for a new body: 62 bits, so that a collision is practically impossible.
fn new_body_number() -> u64 {
    Uuid::now_v7().as_u64_pair().1 & ((1 << 62) - 1)
}

/// The body of a broadcast while its batches are sent.
struct SharedBody {
    /// The key of the body; empty if each notification has its own body.
    key: String,
    /// Whether a batch has stored it.
    is_stored: bool,
}

impl RedisStore {
    /// Stores a broadcast, one batch of recipients after the other.
    pub(super) async fn broadcast(&self, broadcast: &Broadcast) -> Vec<Result<Notified, StoreError>> {
        let is_shared = broadcast.shares_body();
        let key = if is_shared { body_key(new_body_number()) } else { String::new() };
        let mut body = SharedBody { key, is_stored: false };
        let mut results = Vec::with_capacity(broadcast.recipients.len());
        for batch in broadcast.recipients.chunks(MAX_RECIPIENTS_PER_SCRIPT) {
            let bodies = if !is_shared { batch.len() } else { usize::from(!body.is_stored) };
            if let Err(error) = self.reserve(batch.len(), bodies * broadcast.body.len()) {
                results.extend(std::iter::repeat_n(Err(error), batch.len()));
                continue;
            }
            match self.store_batch(broadcast, batch, &mut body).await {
                Ok(stored) => results.extend(stored),
                // An error may be caused by the keys of one user, so the next batches are tried.
                Err(fault @ Fault::ErrorReply(_)) => {
                    results.extend(std::iter::repeat_n(Err(fault.into()), batch.len()));
                }
                Err(fault) => {
                    results.resize(broadcast.recipients.len(), Err(fault.into()));
                    break;
                }
            }
        }
        results
    }

    /// Stores a batch, and sends the body if Redis does not have it.
    async fn store_batch(
        &self,
        broadcast: &Broadcast,
        batch: &[Recipient],
        body: &mut SharedBody,
    ) -> Result<Vec<Result<Notified, StoreError>>, Fault> {
        if body.is_stored
            && let Some(stored) = self.send_batch(broadcast, batch, &body.key, None).await?
        {
            return Ok(stored);
        }
        let stored = self.send_batch(broadcast, batch, &body.key, Some(&broadcast.body)).await?;
        body.is_stored = !body.key.is_empty();
        stored.ok_or(Fault::UnexpectedReply)
    }

    /// Sends a batch. Returns `None` if Redis does not have the shared body.
    async fn send_batch(
        &self,
        broadcast: &Broadcast,
        batch: &[Recipient],
        key: &str,
        body: Option<&[u8]>,
    ) -> Result<Option<Vec<Result<Notified, StoreError>>>, Fault> {
        let ends_in = broadcast.expires.millis().saturating_sub(broadcast.at.millis());
        // The id is known within the window, and while the notification is pending.
        let keep = expiry(self.window.max(Duration::from_millis(ends_in)));
        let request = |epoch: &Epoch| {
            let recipients: Vec<RecipientArguments<'_>> =
                batch.iter().map(|recipient| self.recipient_arguments(recipient)).collect();
            self.link.request(&scripts::NotifyAll {
                outbox: self.outbox(),
                database: &self.database,
                announcer: &self.node.incarnation,
                expected_epoch: epoch,
                now: self.script_time_as_of(broadcast.at),
                window: millis(self.window),
                kept_for: Digits(keep),
                id: broadcast.id.as_str(),
                content: &stored_digest(Some(broadcast.content)),
                expires: broadcast.expires,
                escalate_at: broadcast.escalate_at,
                max_pending: broadcast.max_pending.max(1),
                shared_body: key,
                body_is_sent: body.is_some(),
                body: body.unwrap_or_default(),
                recipients: List(&recipients),
            })
        };
        let (epoch, mut reply) = self.link.run_script(request).await?;
        let is_body_missing = reply.number()? == 1;
        self.note_overflow(reply.number()?);
        self.note_pending(reply.number()?);
        if is_body_missing {
            return Ok(None);
        }
        let stored = reply.list()?.all(|reply| {
            let offset = offset_or_conflict(reply)?;
            let (duplicate, shard_count) = (reply.number()? == 1, reply.number()?);
            let dropped = reply.list()?.all(Reply::id)?;
            Ok(offset.map(|offset| Notified { offset, duplicate, dropped, shard_count, epoch: epoch.clone() }))
        })?;
        if stored.len() == batch.len() { Ok(Some(stored)) } else { Err(Fault::UnexpectedReply) }
    }
}

impl RedisStore {
    /// Returns the arguments of a script for a recipient.
    fn recipient_arguments<'a>(&self, recipient: &'a Recipient) -> RecipientArguments<'a> {
        let shard = Topic::User(recipient.user.clone()).shard();
        RecipientArguments { recipient, shard, is_subscribed: self.membership.is_subscribed(shard) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Log,
        clock::Clock,
        redis::{RedisOptions, TimeSource, tests::own_prefix},
        testing::conformance::{ALL, Subject, bodies, broadcast, long_body, options, user_topic},
    };

    #[tokio::test]
    async fn sends_body_again_when_it_is_missing_between_batches() {
        let mut store = None;
        let redis = RedisOptions { time: TimeSource::Given, ..own_prefix() };
        let subject = Subject::open(async |clock: Clock| {
            let opened = std::sync::Arc::new(RedisStore::open(redis, options(), clock).await.unwrap());
            store = Some(opened.clone());
            opened as std::sync::Arc<dyn crate::Store>
        })
        .await;
        let store = store.unwrap();
        let all = broadcast(&subject, &["u", "v"], "a");
        let mut body = SharedBody { key: body_key(new_body_number()), is_stored: true };
        assert!(store.send_batch(&all, &all.recipients, &body.key, None).await.unwrap().is_none());
        assert!(
            store.read(&user_topic("u"), 0, ALL).await.unwrap().entries.is_empty(),
            "nothing is stored without the body"
        );
        assert_eq!(store.store_batch(&all, &all.recipients, &mut body).await.unwrap().len(), 2);
        assert_eq!(bodies(&store.read(&user_topic("v"), 0, ALL).await.unwrap()), [long_body("a")]);
    }
}
