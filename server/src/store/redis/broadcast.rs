//! Broadcasts in Redis: a portion of the recipients in one script, and the body sent and stored once.

use std::time::Duration;

use uuid::Uuid;

use super::{
    RedisStore,
    fault::Fault,
    log::{offset_or_conflict, stored_digest},
    millis,
    request::Reply,
    steps,
};
use crate::{
    store::{Broadcast, Epoch, Notified, Recipient, StoreError},
    topic::Topic,
};

/// How many recipients one script serves at most, so that no other request waits long for it.
const PORTION: usize = 128;
/// What the name of a body's key begins with.
pub(super) const BODY_KEY: &str = "body:";
/// How long after its expiry a body is removed to which notifications still refer, in milliseconds. As in `bodies.lua`.
pub(super) const BODY_MARGIN: u64 = 3_600_000;

/// The key of a body without the prefix of the store.
pub(super) fn body_key(number: u64) -> String {
    format!("{BODY_KEY}{number}")
}

/// A number that no other body has: 62 random bits.
fn new_body_number() -> u64 {
    Uuid::now_v7().as_u64_pair().1 & ((1 << 62) - 1)
}

/// The body of a broadcast while its portions are sent.
struct SharedBody {
    /// Its key; empty when each notification has a body of its own.
    key: String,
    /// Whether a portion has stored it.
    is_stored: bool,
}

impl RedisStore {
    /// Stores a broadcast, one portion after the other.
    pub(super) async fn broadcast(&self, broadcast: &Broadcast) -> Vec<Result<Notified, StoreError>> {
        let is_shared = broadcast.shares_body();
        let key = if is_shared { body_key(new_body_number()) } else { String::new() };
        let mut body = SharedBody { key, is_stored: false };
        let mut results = Vec::with_capacity(broadcast.recipients.len());
        for portion in broadcast.recipients.chunks(PORTION) {
            let bodies = if !is_shared { portion.len() } else { usize::from(!body.is_stored) };
            if let Err(error) = self.reserve(portion.len(), bodies * broadcast.body.len()) {
                results.extend(std::iter::repeat_n(Err(error), portion.len()));
                continue;
            }
            match self.store_portion(broadcast, portion, &mut body).await {
                Ok(stored) => results.extend(stored),
                // What Redis refuses may be the fault of one user's keys.
                Err(fault @ Fault::Refused(_)) => {
                    results.extend(std::iter::repeat_n(Err(fault.into()), portion.len()));
                }
                Err(fault) => {
                    results.resize(broadcast.recipients.len(), Err(fault.into()));
                    break;
                }
            }
        }
        results
    }

    /// Stores a portion, and sends the body if it is not there.
    async fn store_portion(
        &self,
        broadcast: &Broadcast,
        portion: &[Recipient],
        body: &mut SharedBody,
    ) -> Result<Vec<Result<Notified, StoreError>>, Fault> {
        if body.is_stored
            && let Some(stored) = self.send_portion(broadcast, portion, &body.key, None).await?
        {
            return Ok(stored);
        }
        let stored = self.send_portion(broadcast, portion, &body.key, Some(&broadcast.body)).await?;
        body.is_stored = !body.key.is_empty();
        stored.ok_or(Fault::Strange)
    }

    /// Sends a portion; `None` when Redis does not have the body.
    async fn send_portion(
        &self,
        broadcast: &Broadcast,
        portion: &[Recipient],
        key: &str,
        body: Option<&[u8]>,
    ) -> Result<Option<Vec<Result<Notified, StoreError>>>, Fault> {
        let ends_in = broadcast.expires.millis().saturating_sub(broadcast.at.millis());
        // The id is known within the window, and while the notification is pending.
        let keep = self.kept_for(self.window.max(Duration::from_millis(ends_in)));
        let request = |epoch: &Epoch| {
            let request = self.reporting(&steps::NOTIFY_ALL).text(epoch).moment(self.moment_of(broadcast.at));
            let request = request.number(millis(self.window)).number(keep).text(broadcast.id.as_str());
            let request = request.text(&stored_digest(Some(broadcast.content))).at(broadcast.expires);
            let request = request.number(broadcast.max_pending.max(1)).text(key);
            let request = request.number(body.is_some().into()).bytes(body.unwrap_or_default());
            portion.iter().fold(request, |request, recipient| {
                let shard = Topic::User(recipient.user.clone()).shard();
                let request = request.text(recipient.user.as_str()).number(shard.0.into());
                request.event(recipient.dropped_event.as_ref())
            })
        };
        let (epoch, mut reply) = self.link.run(&steps::NOTIFY_ALL, request).await?;
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
        if stored.len() == portion.len() { Ok(Some(stored)) } else { Err(Fault::Strange) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Log,
        clock::Clock,
        conformance::{ALL, Subject, bodies, broadcast, inbox, long_body, options},
        redis::{RedisOptions, TimeSource, tests::alone},
    };

    #[tokio::test]
    async fn sends_the_body_again_when_it_is_gone_between_two_portions() {
        let mut store = None;
        let redis = RedisOptions { time: TimeSource::Given, ..alone() };
        let subject = Subject::made_of(async |clock: Clock| {
            let opened = std::sync::Arc::new(RedisStore::open(redis, options(), clock).await.unwrap());
            store = Some(opened.clone());
            opened as std::sync::Arc<dyn crate::store::Store>
        })
        .await;
        let store = store.unwrap();
        let all = broadcast(&subject, &["u", "v"], "a");
        let mut body = SharedBody { key: body_key(new_body_number()), is_stored: true };
        assert!(store.send_portion(&all, &all.recipients, &body.key, None).await.unwrap().is_none());
        assert!(
            store.read(&inbox("u"), 0, ALL).await.unwrap().entries.is_empty(),
            "nothing is stored without the body"
        );
        assert_eq!(store.store_portion(&all, &all.recipients, &mut body).await.unwrap().len(), 2);
        assert_eq!(bodies(&store.read(&inbox("v"), 0, ALL).await.unwrap()), [long_body("a")]);
    }
}
