//! What every store must do, as cases that each implementation runs: `conformance!(make_a_subject())`.

mod append;
mod blocks;
mod broadcast;
mod inbox;
mod nodes;
mod outbox;
mod paging;
mod presence;
mod restore;
mod retention;
mod sessions;
mod space;
mod whole;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use realtime_gateway_protocol::{ClanId, ClientMessageId, MessageId, NotificationId, Timestamp, UserId};

use super::{
    Append, Beat, ContentDigest, Idempotency, IdempotencyKey, NodeName, NodeRecord, Notified, Notify, Options, Page,
    PageLimit, Retention, SpaceLimits, Store, clock::Clock,
};
use crate::{
    drain::Tasks,
    supervision::Supervisor,
    topic::{Shard, Topic},
};

pub(crate) use self::{
    append::*, blocks::*, broadcast::*, inbox::*, nodes::*, outbox::*, paging::*, presence::*, restore::*,
    retention::*, sessions::*, space::*, whole::*,
};

/// The idempotency window that a subject's store is made with.
pub(crate) const WINDOW: Duration = Duration::from_secs(3600);
/// What a subject's store is opened with.
pub(crate) fn options() -> Options {
    Options {
        window: WINDOW,
        node: NodeName::new("n"),
        outbox: None,
        space: SpaceLimits::default(),
        supervisor: Supervisor::default(),
    }
}

/// How many events wait at most in the outbox of a subject that has one.
pub(crate) const OUTBOX: u64 = 8;
/// What a subject's store is opened with when there is a broker.
pub(crate) fn options_with_outbox() -> Options {
    Options { outbox: Some(OUTBOX), ..options() }
}

/// A pulse of the node under test.
pub(crate) fn beat(shards: &[Shard]) -> Beat {
    let node = NodeRecord {
        id: "n".into(),
        incarnation: "1".into(),
        address: "127.0.0.1:4000".into(),
        version: "0".into(),
        started: Timestamp::from_millis(0),
        connections: 0,
        draining: false,
        settings: Vec::new(),
    };
    Beat { node, shards: shards.to_vec(), read: 0 }
}

/// The counters of shards.
pub(crate) async fn counts(store: &dyn Store, shards: &[Shard]) -> Vec<u64> {
    store.pulse(beat(shards)).await.unwrap().counts
}

/// Retention that removes nothing.
pub(crate) const KEEP: Retention = Retention { max_entries: 1_000_000, max_age: Duration::from_secs(365 * 24 * 3600) };
/// A page that holds everything.
pub(crate) const ALL: PageLimit = PageLimit { entries: 100_000, bytes: usize::MAX };

/// A store under test, and the time that it is told.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
    now: Arc<AtomicU64>,
    tasks: Tasks,
    /// What must outlive the store, such as its directory.
    pub(crate) keep: Option<tempfile::TempDir>,
    /// Counts the bodies that notifications share, in stores that keep them apart.
    pub(crate) bodies: Option<CountBodies>,
}

/// Counts the shared bodies of a store.
pub(crate) type CountBodies = Box<dyn Fn() -> BoxFuture<'static, u64> + Send + Sync>;

impl Subject {
    /// A subject whose store is made with a clock that the cases set.
    pub(crate) fn new(make: impl FnOnce(Clock) -> Arc<dyn Store>) -> Self {
        let (now, clock) = clock();
        Self { store: make(clock), now, tasks: Tasks::default(), keep: None, bodies: None }
    }

    /// The same, for a store that is made in a while.
    pub(crate) async fn made<S: Store>(make: impl AsyncFnOnce(Clock) -> S) -> Self {
        let (now, clock) = clock();
        Self { store: Arc::new(make(clock).await), now, tasks: Tasks::default(), keep: None, bodies: None }
    }

    /// The same, for a store that is shared already.
    pub(crate) async fn made_of(make: impl AsyncFnOnce(Clock) -> Arc<dyn Store>) -> Self {
        let (now, clock) = clock();
        Self { store: make(clock).await, now, tasks: Tasks::default(), keep: None, bodies: None }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// An append to a clan with nothing special.
    pub(crate) fn entry(&self, clan: &str, body: &str) -> Append {
        entry_at(self.now(), clan, body)
    }

    /// Checks how many bodies notifications share.
    pub(crate) async fn assert_bodies(&self, expected: u64) {
        if let Some(count) = &self.bodies {
            assert_eq!(count().await, expected, "shared bodies");
        }
    }

    /// Appends and gives the offset.
    pub(crate) async fn append(&self, append: Append) -> u64 {
        self.store.append(append).await.unwrap().offset
    }

    /// A notification that ends after ten minutes.
    pub(crate) fn notification(&self, user: &str, id: &str) -> Notify {
        Notify {
            user: UserId::new(user).unwrap(),
            id: NotificationId::new(id).unwrap(),
            content: content(id),
            at: self.now(),
            body: Bytes::copy_from_slice(id.as_bytes()),
            expires: Timestamp::from_millis(self.now().millis() + 600_000),
            max_pending: 1_000,
            dropped_event: None,
        }
    }

    /// Stores a notification.
    pub(crate) async fn notify(&self, notify: Notify) -> Notified {
        self.store.notify(notify).await.unwrap()
    }

    /// Everything after a position.
    pub(crate) async fn read(&self, topic: &Topic, after: u64) -> Page {
        self.store.read(topic, after, ALL).await.unwrap()
    }

    /// Sweeps until nothing is left to sweep; gives how many entries and notifications went.
    pub(crate) async fn sweep(&self) -> (u64, u64) {
        let (mut entries, mut expired) = (0, 0);
        loop {
            let swept = self.store.sweep(self.now()).await.unwrap();
            entries += swept.entries;
            expired += swept.expired;
            if !swept.more {
                return (entries, expired);
            }
        }
    }

    /// Runs the futures at once on all threads and gives what they gave.
    pub(crate) async fn at_once<F>(&self, futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let running: Vec<_> = futures.into_iter().map(|future| self.tasks.spawn(future)).collect();
        let mut outputs = Vec::new();
        for task in running {
            outputs.push(task.await.unwrap());
        }
        outputs
    }
}

/// An append to a clan with nothing special.
pub(crate) fn entry_at(at: Timestamp, clan: &str, body: &str) -> Append {
    Append {
        topic: topic(clan),
        id: MessageId::new(format!("m-{body}")).unwrap(),
        key: None,
        at,
        body: Bytes::copy_from_slice(body.as_bytes()),
        retention: KEEP,
        redaction: None,
        event: None,
    }
}

/// A time that can be set, and a clock that tells it.
fn clock() -> (Arc<AtomicU64>, Clock) {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let told = now.clone();
    (now, Clock::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst))))
}

/// A clan's topic.
pub(crate) fn topic(clan: &str) -> Topic {
    Topic::Clan(ClanId::new(clan).unwrap())
}

/// A user's topic.
pub(crate) fn inbox(user: &str) -> Topic {
    Topic::User(UserId::new(user).unwrap())
}

/// What a text says.
pub(crate) fn content(text: &str) -> ContentDigest {
    ContentDigest::of(&text).unwrap()
}

/// A user's idempotency key, with the same content each time.
pub(crate) fn key(sender: &str, id: &str) -> Option<Idempotency> {
    key_with(sender, id, "the same")
}

/// A user's idempotency key.
pub(crate) fn key_with(sender: &str, id: &str, says: &str) -> Option<Idempotency> {
    let key = IdempotencyKey::User(UserId::new(sender).unwrap(), ClientMessageId::new(id).unwrap());
    Some(Idempotency { key, content: content(says) })
}

/// The bodies of a page as texts.
pub(crate) fn bodies(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| String::from_utf8(entry.body.to_vec()).unwrap()).collect()
}

/// The offsets of a page.
pub(crate) fn offsets(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.offset).collect()
}

/// Makes one test of each case for the subject that the expression makes; with `outbox:`, of those of the outbox, for a
/// subject that is opened with [`options_with_outbox`].
macro_rules! conformance {
    ($subject:expr) => {
        $crate::store::conformance::conformance!($subject;
            offsets_are_contiguous_and_begin_at_one
            concurrent_appends_get_contiguous_offsets
            topics_of_different_kinds_are_different_logs
            a_repeat_is_answered_with_the_first
            repeats_at_once_are_stored_once
            keys_belong_to_a_sender_and_a_topic
            keys_of_users_backends_and_deletions_never_meet
            the_same_key_with_other_content_is_a_conflict
            a_key_ends_with_the_window
            a_user_topic_takes_no_appends
            a_redaction_replaces_the_body_in_the_same_step
            a_redaction_of_what_is_gone_changes_nothing
            shard_counts_rise_by_one_with_each_append
            a_page_is_limited_by_entries
            a_page_is_limited_by_bytes_but_holds_one_entry
            reading_back_gives_the_last_in_ascending_order
            positions_outside_the_log_are_answered
            heads_come_in_the_order_asked
            large_bodies_come_back_whole
            retention_by_count_is_exact
            a_lower_count_takes_effect_at_once
            retention_by_age_is_exact_before_and_after_a_sweep
            a_shorter_age_takes_effect_at_once
            a_log_outlives_its_entries
            a_sweep_ends_with_much_to_remove
            notifications_are_kept_in_order_until_acknowledged
            a_copy_is_recognised_also_after_its_acknowledgement
            a_copy_is_recognised_while_the_first_is_pending
            copies_at_once_are_stored_once
            the_same_notification_id_with_other_content_is_a_conflict
            what_expired_is_not_pending
            beyond_the_cap_the_oldest_is_dropped
            what_expired_makes_room_before_anything_is_dropped
            a_lower_cap_drops_as_many_as_needed
            pending_is_paged
            stores_a_broadcast_for_each_recipient_in_order
            refuses_a_broadcast_only_for_those_whose_id_stands_for_other_content
            recognises_duplicates_within_and_across_broadcasts
            drops_the_oldest_of_each_recipient_beyond_the_cap
            removes_a_shared_body_with_its_last_notification
            removes_shared_bodies_that_expired
            shares_no_body_that_is_short_or_for_one_user
            broadcasts_at_the_same_time_are_stored_once
            a_closed_store_refuses_each_recipient
            users_do_not_see_each_other
            the_newest_sessions_survive
            of_sessions_at_once_exactly_the_limit_survives
            a_full_user_is_refused_under_reject
            a_device_replaces_its_own_session_under_either_policy
            devices_are_counted_apart
            the_oldest_device_goes
            a_lower_attempt_never_replaces_a_higher
            a_closed_session_is_gone
            a_restored_session_takes_its_old_place
            of_restored_sessions_the_newest_live
            a_restored_session_gives_way_to_a_newer_of_its_device
            restoring_what_is_there_changes_nothing
            a_block_refuses_sessions_until_it_ends
            a_block_of_earlier_tokens_lets_later_ones_in
            a_block_of_one_token_lets_others_in
            a_block_replaces_one_of_its_kind_only
            a_user_has_a_bounded_number_of_blocks
            a_blocked_session_is_not_restored
            changes_of_blocks_are_read_by_their_revision
            who_comes_and_goes_is_told_once
            the_first_users_are_named_and_all_are_counted
            a_pulse_renews_the_lease_and_tells_others_of_the_node
            a_pulse_reads_counters_in_the_order_asked
            what_lives_is_not_reaped
            a_note_to_nobody_is_lost
            the_epoch_is_the_same_everywhere
            a_closed_store_answers_unavailable
            status_tells_what_is_pending
        );
    };
    (outbox: $subject:expr) => {
        $crate::store::conformance::conformance!($subject;
            events_come_in_the_order_of_what_they_report
            what_did_not_happen_is_not_reported
            reports_what_a_broadcast_drops_for_each_recipient
            events_are_read_on_from_a_place_and_removed
            whoever_waits_for_an_event_gets_it
            beyond_the_bound_events_are_left_out_and_counted
            the_outbox_tells_how_old_it_is
            a_session_is_reported_as_opened_once_and_as_closed_once
        );
    };
    (space: $subject:expr) => {
        $crate::store::conformance::conformance!($subject;
            beyond_its_limit_a_store_refuses_new_entries_only
            writers_at_the_limit_do_not_exceed_it_by_much
            idempotency_keys_are_counted
            idempotency_keys_are_forgotten_after_the_window
        );
    };
    ($subject:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = $subject;
                $crate::store::conformance::$case(&subject).await;
                subject.store.close().await;
            }
        )*
    };
}
pub(crate) use conformance;
