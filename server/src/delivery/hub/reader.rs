//! Readers of the log: the paced replay for one subscription, and the catch-up of a topic that has missed append
//! notices.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_gateway_protocol::{ResetReason, stored::Delivery};

use super::{
    Hub, Start, Subscription,
    local_topic::{CatchUp, LocalTopic},
};
use crate::{
    delivery::{entry::reset_message, frame::Frame},
    store::{Page, PageLimit, StoreError},
};

/// The page size of a replay. A page is also limited to a quarter of the outbound queue.
const REPLAY_PAGE: PageLimit = PageLimit { entries: 128, bytes: 128 * 1024 };
/// The page size when a topic catches up.
const GAP_PAGE: PageLimit = PageLimit { entries: 256, bytes: 256 * 1024 };
/// The time before a read is retried after the store has not answered, or while the node's lease is lost.
const STORE_RETRY: Duration = Duration::from_millis(250);

/// Replays the entries after a position until the subscription has reached the topic's cursor and is live. It reads the
/// next page only when the outbound queue is less than half full, so a replay never overflows the queue. It ends early
/// when the subscription ends or a newer replay of it starts.
pub(super) async fn replay(hub: Arc<Hub>, subscription: Arc<Subscription>, generation: u32, start: Start) {
    let recipient = subscription.recipient().clone();
    let local = subscription.local().clone();
    let limit = PageLimit { bytes: REPLAY_PAGE.bytes.min(recipient.outbound.limit() / 4), ..REPLAY_PAGE };
    let (mut position, mut epoch) = (start.position, start.epoch);
    loop {
        if !recipient.outbound.room().await || !subscription.is_current(generation) {
            return;
        }
        let page = match read(&hub, &local, position, limit).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "replay is waiting for the store");
                tokio::time::sleep(STORE_RETRY).await;
                continue;
            }
        };
        if !subscription.is_current(generation) {
            return;
        }
        let reset = if page.epoch != epoch {
            Some((page.bounds.head, ResetReason::EpochChanged))
        } else if page.bounds.floor > position + 1 {
            Some((page.bounds.floor - 1, ResetReason::Trimmed))
        } else {
            page.lost.map(|lost| (lost.last, ResetReason::Lost))
        };
        if let Some((offset, reason)) = reset {
            hub.metrics.reset(&reason);
            if subscription.has_position() {
                recipient.push_extension(reset_message(&local.topic, &page.epoch, offset, reason));
            }
            (position, epoch) = (offset, page.epoch);
            continue;
        }
        let frames: Vec<Frame> = page
            .entries
            .iter()
            .map(|entry| {
                let delivery = if entry.offset <= start.delivered { Delivery::Again } else { Delivery::First };
                (hub.encode)(&local.topic, &page.epoch, entry, delivery)
            })
            .filter(|frame| recipient.supports_extensions() || !frame.is_extension())
            .collect();
        subscription.push_replayed(generation, &frames);
        position = page.next;
        if local.go_live(&subscription, generation, position) {
            return;
        }
    }
}

/// Reads the entries that a topic is missing from the log until its cursor is at the head.
pub(super) async fn catch_up(hub: Arc<Hub>, local: Arc<LocalTopic>) {
    // Yield first: if two notices were merely reordered, the missing one usually arrives now and fills the gap.
    tokio::task::yield_now().await;
    loop {
        hub.metrics.hub_gap_reads_total.inc();
        let page = match read(&hub, &local, local.begin_read(), GAP_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "catch-up is waiting for the store");
                tokio::time::sleep(STORE_RETRY).await;
                continue;
            }
        };
        if local.apply_page(&hub, page) == CatchUp::Done {
            hub.release(&local);
            return;
        }
    }
}

async fn read(hub: &Hub, local: &LocalTopic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
    if hub.lease.is_lost() {
        return Err(StoreError::Unavailable("this node's lease is lost".into()));
    }
    let started = Instant::now();
    let page = hub.store.read(&local.topic, after, limit).await;
    hub.metrics.store_took("read", started.elapsed());
    page
}
