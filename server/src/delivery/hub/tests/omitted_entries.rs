//! Tests notices that do not include their entry: it is read from the log, and nothing is left behind when notices and
//! reads overlap.

use super::*;
use crate::{
    delivery::hub::local_topic::{CatchUp, LocalTopic},
    store::{Epoch, Page, PageLimit},
};

/// Returns the notice without its entry.
fn without_entry(notice: AppendNotice) -> AppendNotice {
    AppendNotice { entry: NoticeEntry::Omitted(notice.entry.offset()), ..notice }
}

#[tokio::test]
async fn reads_entries_that_all_notices_omit() {
    delivers_all_entries(|_, notice| vec![without_entry(notice)]).await;
}

#[tokio::test]
async fn reads_entries_that_some_notices_omit_and_repeats_none() {
    delivers_all_entries(|kept, notice| {
        kept.push(notice.clone());
        match kept.len() % 4 {
            0 => vec![without_entry(notice)],
            1 => vec![without_entry(notice.clone()), notice],
            2 => vec![notice.clone(), without_entry(notice)],
            _ => vec![notice],
        }
    })
    .await;
}

#[tokio::test]
async fn delivers_in_order_when_notices_that_omit_entries_are_late() {
    delivers_all_entries(|kept, notice| {
        kept.push(if kept.len() % 2 == 0 { without_entry(notice) } else { notice });
        if kept.len() < 4 {
            return Vec::new();
        }
        let mut delivered = std::mem::take(kept);
        delivered.reverse();
        delivered
    })
    .await;
}

/// A node with one subscriber, and no other nodes.
async fn single_node() -> (Arc<Hub>, Subscriber) {
    let hub = node(&store(), EmbeddedBus::new().0);
    let subscriber = subscriber(&hub).await;
    (hub, subscriber)
}

#[tokio::test]
async fn reads_nothing_for_a_notice_that_omits_a_known_entry() {
    let (hub, subscriber) = single_node().await;
    let notice = store_entry(&hub, 1, 100).await;
    hub.receive_notice(notice.clone());
    hub.receive_notice(without_entry(notice));
    append(&hub, 2).await;
    assert_eq!(offsets(&subscriber, 2).await, [1, 2]);
    assert_eq!(hub.metrics.hub_gap_reads_total.get(), 0);
    hub.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn ignores_a_notice_of_another_epoch_that_omits_its_entry() {
    let (hub, subscriber) = single_node().await;
    let old: Epoch = "an epoch before".into();
    let entry = NoticeEntry::Omitted(1_000);
    hub.receive_notice(AppendNotice { topic: clan(), epoch: old, shard_count: 1, entry });
    append(&hub, 1).await;
    append(&hub, 2).await;
    assert_eq!(offsets(&subscriber, 2).await, [1, 2]);
    hub.tasks.stop(Duration::from_secs(1)).await;
}

/// Begins to read the log of the topic, as a catch-up does, and returns what is in it at this time.
async fn read_as_catch_up(hub: &Arc<Hub>) -> Page {
    let after = hub.local(&clan()).unwrap().begin_read();
    hub.store.read(&clan(), after, PageLimit { entries: 10, bytes: 10_000 }).await.unwrap()
}

#[tokio::test]
async fn catch_up_reads_again_when_something_was_announced_during_its_read() {
    let (hub, subscriber) = single_node().await;
    let local = hub.local(&clan()).unwrap();
    let epoch = hub.store.epoch();
    // No task runs before this test waits, so it can take the place of the task that catches up.
    let announcements: [&dyn Fn(AppendNotice); 3] = [
        &|notice| hub.receive_notice(without_entry(notice)),
        &|notice| local.compare(&hub, &epoch, notice.entry.offset()),
        &|_| local.compare(&hub, &"another epoch".into(), 0),
    ];
    let mut last = 0;
    for announce in announcements {
        hub.receive_notice(without_entry(store_entry(&hub, last + 1, 100).await));
        let page = read_as_catch_up(&hub).await;
        announce(store_entry(&hub, last + 2, 100).await);
        assert_eq!(local.apply_page(&hub, page), CatchUp::More);
        let page = read_as_catch_up(&hub).await;
        assert_eq!(local.apply_page(&hub, page), CatchUp::Done);
        last += 2;
        assert_eq!(offsets(&subscriber, 2).await, [last - 1, last]);
    }
    hub.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn catch_up_ends_although_the_store_has_lost_an_announced_entry() {
    let (hub, subscriber) = single_node().await;
    let local = hub.local(&clan()).unwrap();
    let notice = store_entry(&hub, 1, 100).await;
    let lost = AppendNotice { entry: NoticeEntry::Omitted(9), ..notice.clone() };
    hub.receive_notice(lost);
    let page = read_as_catch_up(&hub).await;
    assert_eq!(local.apply_page(&hub, page), CatchUp::Done);
    hub.receive_notice(notice);
    assert_eq!(offsets(&subscriber, 1).await, [1]);
    hub.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn reads_an_entry_that_was_announced_before_the_first_head_was_known() {
    let (hub, local) = (node(&store(), EmbeddedBus::new().0), Arc::new(LocalTopic::new(clan())));
    local.receive(&hub, &hub.store.epoch(), NoticeEntry::Omitted(1));
    store_entry(&hub, 1, 100).await;
    // The head was read before the entry was appended.
    local.begin_at(&hub, &hub.store.epoch(), 0);
    // The task that catches up holds a reference until it has ended.
    let caught_up = async {
        while !local.release() {
            local.acquire();
            tokio::task::yield_now().await;
        }
    };
    local.acquire();
    tokio::time::timeout(Duration::from_secs(20), caught_up).await.expect("the topic catches up");
    assert_eq!(local.begin_read(), 1);
}
