//! Readers of the log: the paced replay of one subscription, and the reading of what a topic's doorbells missed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_gateway_protocol::ResetReason;

use super::{
    Delivery, Hub, Start, Subscription,
    local_topic::{CatchUp, LocalTopic},
};
use crate::{
    frame::Frame,
    services::reset_message,
    store::{Page, PageLimit, StoreError},
};

/// A page of a replay, unless a quarter of the outbound queue is less.
const REPLAY_PAGE: PageLimit = PageLimit { entries: 128, bytes: 128 * 1024 };
/// A page of a topic's missed entries.
const GAP_PAGE: PageLimit = PageLimit { entries: 256, bytes: 256 * 1024 };
/// How long a reader waits before it asks a store again that did not answer, or while the node's lease is lost.
const STORE_RETRY: Duration = Duration::from_millis(250);

/// Sends the entries after a position, a page whenever the outbound queue is half empty, until the subscription has
/// caught up with the topic's cursor and is live.
pub(super) async fn replay(hub: Arc<Hub>, subscription: Arc<Subscription>, turn: u32, start: Start) {
    let session = subscription.session().clone();
    let local = subscription.local().clone();
    let limit = PageLimit { bytes: REPLAY_PAGE.bytes.min(session.outbound.limit() / 4), ..REPLAY_PAGE };
    let (mut position, mut epoch) = (start.position, start.epoch);
    loop {
        if !session.outbound.room().await || !subscription.is_turn(turn) {
            return;
        }
        let page = match read(&hub, &local, position, limit).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "replay waits for the store");
                tokio::time::sleep(STORE_RETRY).await;
                continue;
            }
        };
        if !subscription.is_turn(turn) {
            return;
        }
        let reset = if page.epoch != epoch {
            Some((page.ends.head, ResetReason::EpochChanged))
        } else if page.ends.floor > position + 1 {
            Some((page.ends.floor - 1, ResetReason::Trimmed))
        } else {
            page.lost.map(|lost| (lost.last, ResetReason::Lost))
        };
        if let Some((offset, reason)) = reset {
            hub.metrics.reset(&reason);
            session.push_addition(reset_message(&local.topic, &page.epoch, offset, reason));
            (position, epoch) = (offset, page.epoch);
            continue;
        }
        let frames: Vec<Frame> = page
            .entries
            .iter()
            .map(|entry| {
                let delivery = if entry.offset <= start.delivered { Delivery::Again } else { Delivery::First };
                (hub.encode)(&local.topic, entry, delivery)
            })
            .filter(|frame| session.is_extended() || !frame.is_addition())
            .collect();
        subscription.push_in_turn(turn, &frames);
        position = page.next;
        if local.go_live(&subscription, turn, position) {
            return;
        }
    }
}

/// Reads what a topic's doorbells missed, until its cursor is at the head.
pub(super) async fn catch_up(hub: Arc<Hub>, local: Arc<LocalTopic>) {
    // A doorbell that was overtaken by another usually arrives meanwhile, and nothing has to be read.
    tokio::task::yield_now().await;
    loop {
        hub.metrics.hub_gap_reads_total.inc();
        let page = match read(&hub, &local, local.missing_after(), GAP_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "catching up waits for the store");
                tokio::time::sleep(STORE_RETRY).await;
                continue;
            }
        };
        if local.take_page(&hub, page) == CatchUp::Done {
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
