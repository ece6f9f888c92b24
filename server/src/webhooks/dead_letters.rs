//! The dead letters of webhooks, for operators: lists, deletes and replays them.

use std::sync::Arc;

use realtime_gateway_protocol::{ErrorCode, Timestamp};
use tokio::task::yield_now;

use super::Webhooks;
use crate::{
    command_error::CommandError,
    confirmation::in_time,
    store::{DeadEvent, PageLimit, Store, WebhookName, WebhookStatus},
};

/// The most bytes of bodies of a page.
const PAGE_BYTES: usize = 1024 * 1024;
/// How many dead letters are deleted or replayed in one step.
const STEP: PageLimit = PageLimit { entries: 250, bytes: 4 * PAGE_BYTES };

/// A page of dead letters, the oldest first.
pub struct DeadPage {
    /// The dead letters.
    pub events: Vec<DeadEvent>,
    /// Whether there are more.
    pub has_more: bool,
}

/// The result of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// The number of dead letters that wait again.
    pub count: u64,
    /// Whether some were left, because `max_waiting` events wait.
    pub is_full: bool,
}

impl Webhooks {
    /// Returns the configured webhooks with the number of their events.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub async fn list(&self) -> Result<Vec<(WebhookName, WebhookStatus)>, CommandError> {
        let mut found = Vec::new();
        for webhook in self.configured() {
            let status = in_time(self.store().webhook_status(&webhook)).await?;
            found.push((webhook, status));
        }
        Ok(found)
    }

    /// Returns the oldest dead letters after the one with this id. A webhook that was removed still has some.
    ///
    /// # Errors
    /// `not_found` for a webhook that is not configured and has no events, `invalid_message` for an unknown id,
    /// `unavailable` when the store does not answer in time.
    pub async fn dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        at_most: usize,
    ) -> Result<DeadPage, CommandError> {
        self.check_known(webhook).await?;
        let limit = PageLimit { entries: at_most, bytes: PAGE_BYTES };
        let events = in_time(self.store().read_dead(webhook, after, limit)).await?;
        let events = events.ok_or_else(|| {
            let problem = "is the id of no dead letter (any more): begin again without it";
            CommandError::field("after", problem)
        })?;
        let has_more = match events.last() {
            Some(last) => {
                let (id, one) = (last.entry.event.id.clone(), PageLimit { entries: 1, bytes: 0 });
                in_time(self.store().read_dead(webhook, Some(id), one)).await?.is_none_or(|next| !next.is_empty())
            }
            None => false,
        };
        Ok(DeadPage { events, has_more })
    }

    /// Deletes all dead letters that there are now. Returns their number.
    ///
    /// # Errors
    /// As [`Webhooks::dead`].
    pub async fn delete_dead(&self, webhook: &WebhookName) -> Result<u64, CommandError> {
        self.check_known(webhook).await?;
        let now = self.now();
        let mut count = 0;
        while let Some(ids) = self.next_step(webhook, now).await? {
            count += in_time(self.store().remove_dead(webhook, &ids)).await?;
            // A store in memory never waits, and the event loop has to serve clients between two steps.
            yield_now().await;
        }
        Ok(count)
    }

    /// Makes dead letters waiting events again, all of them or those with these ids. They keep their ids, and have
    /// `retry_for` from now.
    ///
    /// # Errors
    /// As [`Webhooks::dead`]; `not_found` for every webhook that is not configured, because no node sends its events.
    pub async fn replay_dead(
        &self,
        webhook: &WebhookName,
        ids: Option<Vec<Arc<str>>>,
    ) -> Result<Replayed, CommandError> {
        let max_waiting = self.max_waiting(webhook).ok_or_else(unknown)?;
        let now = self.now();
        let mut count = 0;
        let mut selected = ids.map(|ids| ids.chunks(STEP.entries).map(<[_]>::to_vec).collect::<Vec<_>>().into_iter());
        loop {
            let step = match &mut selected {
                Some(chunks) => chunks.next(),
                None => self.next_step(webhook, now).await?,
            };
            let Some(mut step) = step else { return Ok(Replayed { count, is_full: false }) };
            let waiting = in_time(self.store().webhook_status(webhook)).await?.waiting;
            // More would become dead letters again.
            let room = usize::try_from(max_waiting.saturating_sub(waiting)).unwrap_or(usize::MAX);
            let is_full = step.len() > room;
            step.truncate(room);
            count += in_time(self.store().replay_dead(webhook, &step, now)).await?;
            if is_full {
                return Ok(Replayed { count, is_full });
            }
            yield_now().await;
        }
    }

    /// Returns the ids of the oldest dead letters, for a step over all of them. Those that were given up after `until`,
    /// the time of the first step, are left out, so that the steps end.
    async fn next_step(&self, webhook: &WebhookName, until: Timestamp) -> Result<Option<Vec<Arc<str>>>, CommandError> {
        let dead = in_time(self.store().read_dead(webhook, None, STEP)).await?.unwrap_or_default();
        let earlier = dead.into_iter().filter(|dead| dead.failed_at <= until);
        let ids: Vec<_> = earlier.map(|dead| dead.entry.event.id).collect();
        Ok((!ids.is_empty()).then_some(ids))
    }

    async fn check_known(&self, webhook: &WebhookName) -> Result<(), CommandError> {
        if self.max_waiting(webhook).is_some() {
            return Ok(());
        }
        let status = in_time(self.store().webhook_status(webhook)).await?;
        if status == WebhookStatus::default() { Err(unknown()) } else { Ok(()) }
    }

    fn store(&self) -> &dyn Store {
        &*self.parts.store
    }
}

fn unknown() -> CommandError {
    CommandError::new(ErrorCode::from("not_found"), "no webhook of this name is configured ([webhooks.NAME])")
}
