//! The macro that creates a test for each rule of the conformance suite.

use std::future::Future;

/// Creates a test for each rule of the conformance suite.
///
/// `conformance!(subject)` creates all tests. `subject` is an async function that opens an empty store with the given
/// [`Options`](crate::Options) and returns it as a [`Subject`](super::Subject).
///
/// With a name in front, the macro makes a part of the tests, each on the subject that an expression returns: `core:`
/// what every store does; `outbox:` events for backend services, on a store that is opened with
/// [`options_with_outbox`](super::options_with_outbox); `webhooks:` events for webhooks, on a store that is opened with
/// [`options_with_webhooks`](super::options_with_webhooks); `space:` what a store does that counts its bytes itself.
#[macro_export]
macro_rules! conformance {
    (core: $subject:expr) => {
        $crate::conformance!(@tests $subject;
            assigns_contiguous_offsets_from_one
            assigns_contiguous_offsets_to_concurrent_appends
            keeps_separate_logs_for_topics_of_different_kinds
            answers_repeat_with_first_append
            finds_earlier_append_within_window_only
            stores_concurrent_repeats_once
            scopes_keys_to_sender_and_topic
            keeps_keys_of_users_backends_and_deletions_apart
            refuses_same_key_with_other_content
            forgets_key_after_window
            refuses_append_to_user_topic
            redaction_replaces_body_in_the_same_step
            redaction_of_removed_entry_changes_nothing
            append_raises_shard_count_by_one
            limits_page_by_entries
            limits_page_by_bytes_but_returns_one_entry
            reads_back_last_entries_in_ascending_order
            answers_positions_outside_log
            returns_heads_in_order_of_request
            returns_large_bodies_whole
            finds_logs_with_entries_since_a_time
            applies_retention_by_count_exactly
            lower_count_takes_effect_immediately
            applies_retention_by_age_exactly_before_and_after_sweep
            shorter_age_takes_effect_immediately
            log_keeps_its_head_without_entries
            sweep_ends_with_many_rows_to_remove
            keeps_notifications_in_order_until_acknowledged
            recognises_repeat_after_acknowledgement
            recognises_repeat_while_first_is_pending
            stores_concurrent_repeats_of_notification_once
            refuses_same_notification_id_with_other_content
            does_not_return_expired_notifications
            drops_oldest_notification_beyond_limit
            removes_expired_before_dropping_pending
            lower_limit_drops_as_many_as_needed
            pages_pending_notifications
            stores_broadcast_for_each_recipient_in_order
            refuses_broadcast_only_for_recipients_with_conflict
            recognises_duplicates_within_and_across_broadcasts
            broadcast_drops_oldest_of_each_recipient_beyond_limit
            removes_shared_body_with_its_last_notification
            removes_shared_bodies_that_expired
            does_not_share_body_that_is_short_or_for_one_user
            stores_concurrent_broadcasts_once
            closed_store_refuses_each_recipient
            keeps_users_apart
            passes_test_vectors_of_admission
            keeps_newest_sessions
            keeps_exactly_the_limit_of_concurrent_sessions
            refuses_session_beyond_limit_under_reject
            device_replaces_its_own_session_under_either_policy
            counts_devices_separately
            replaces_oldest_device_beyond_limit
            lower_attempt_never_replaces_higher
            removes_closed_session
            orders_restored_sessions_by_age
            keeps_newest_of_restored_sessions
            does_not_restore_session_when_its_device_has_newer_one
            restoring_live_session_changes_nothing
            pages_connected_users
            block_refuses_sessions_until_it_ends
            block_of_earlier_tokens_admits_later_ones
            block_of_one_token_admits_others
            block_replaces_only_block_of_its_kind
            limits_blocks_of_user
            does_not_restore_blocked_session
            reads_block_changes_by_revision
            keeps_server_subscriptions_in_order_until_removed
            replaces_server_subscription_to_same_topic
            limits_server_subscriptions_of_user
            server_subscription_ends_at_its_time
            sweep_removes_only_server_subscriptions_that_have_ended
            reports_arrival_and_departure_once
            returns_first_users_and_counts_all
            keeps_data_of_present_users
            keeps_clan_and_topic_of_similar_names_apart
            reconciliation_renews_lease_and_publishes_node
            reconciliation_returns_counters_in_order_of_request
            reap_keeps_live_nodes
            drops_control_message_to_unknown_node
            returns_same_epoch_everywhere
            closed_store_returns_unavailable
            status_counts_pending_notifications
        );
    };
    (outbox: $subject:expr) => {
        $crate::conformance!(@tests $subject;
            returns_events_in_order_of_operations
            reports_only_what_happened
            reports_notifications_dropped_by_broadcast
            reads_events_after_position_and_removes_them
            wakes_reader_that_waits_for_event
            counts_events_beyond_limit
            outbox_reports_age_of_oldest_event
            reports_session_as_opened_once_and_closed_once
            escalates_pending_notification_once
            does_not_escalate_after_end_of_notification
            does_not_escalate_before_it_is_due
            escalation_without_event_is_forgotten
            shows_whether_pending_notification_was_escalated
            repeat_changes_no_escalation
            escalates_broadcast_for_each_recipient
            limits_page_of_due_escalations
            concurrent_nodes_escalate_once
            id_can_be_used_again_after_escalation
        );
    };
    (webhooks: $subject:expr) => {
        $crate::conformance!(@tests $subject;
            writes_event_for_each_webhook_that_takes_it
            writes_event_of_repeat_once
            settles_events_of_one_webhook_only
            remembers_attempts_of_waiting_events
            limits_page_of_waiting_events
            wakes_reader_that_waits_for_event_of_webhook
            keeps_events_that_are_given_up
            deletes_oldest_dead_letters_beyond_limit
            removes_dead_letters
            replays_dead_letters_after_waiting_events
            later_dead_letter_replaces_one_with_same_id
            events_of_removed_webhook_stay
            escalates_many_that_are_due_at_the_same_time
        );
    };
    (space: $subject:expr) => {
        $crate::conformance!(@tests $subject;
            refuses_only_new_entries_beyond_space_limit
            concurrent_writers_do_not_exceed_space_limit_by_much
            escalation_waits_for_space
            counts_idempotency_keys
            forgets_idempotency_keys_after_window
        );
    };
    (@tests $subject:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::testing::rules::run(async {
                    let subject = $subject;
                    $crate::testing::conformance::$rule(&subject).await;
                    subject.store.close().await;
                });
            }
        )*
    };
    ($subject:path) => {
        $crate::conformance!(core: $subject($crate::testing::options()).await);
        $crate::conformance!(space: $subject($crate::testing::options()).await);
        $crate::conformance!(outbox: $subject($crate::testing::options_with_outbox()).await);
        $crate::conformance!(webhooks: $subject($crate::testing::options_with_webhooks()).await);
    };
}

/// Runs one test on a runtime of its own with two threads.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be started").block_on(test);
}
