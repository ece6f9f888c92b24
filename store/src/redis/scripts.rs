//! The scripts: which pieces each consists of, and its arguments. An entry of the table below is a struct: Rust fills it in,
//! and Lua has a local variable of the same name for each field, so that the order of the two cannot differ
//! (`arguments.rs`).

mod script;
#[macro_use]
mod table;

use std::sync::{Arc, LazyLock};

use realtime_gateway_protocol::{
    NotificationId, Timestamp,
    topic::{Shard, Topic},
};

pub(super) use self::script::Script;
use self::script::Source;
use super::{
    append_queue::EntryArguments,
    arguments::{
        Announcer, Argument, Arguments, Bindings, Digits, List, OutboxArguments, RecipientArguments, SettledEvent,
    },
    request::{Request, ScriptTime},
};
use crate::{Attempts, Escalation, Event, Redaction};

/// The beginning of every script, except `enter`.
const PRELUDE: &str = include_str!("lua/prelude.lua");

/// The empty prelude of `enter`, which runs before there is an epoch.
const NONE: &str = "";

scripts! {
    /// The first script on every connection.
    Enter<'a> = NONE "enter" {
        run: &'a str,
        durable: Digits,
        new_epoch: &'a str,
        format: Digits,
    }

    /// Appends an entry to a log.
    Append<'a> = PRELUDE "events" "announce" "append_known" "append_one" "marks" "logs" "earlier" "append" {
        outbox: OutboxArguments<'a>,
        database: &'a str,
        announcer: Announcer<'a>,
        expected_epoch: &'a str,
        topic: &'a str,
        shard: Digits,
        now: ScriptTime,
        window: u64,
        kept_for: Digits,
        idempotency_key: &'a str,
        content: &'a str,
        id: &'a str,
        body: &'a [u8],
        max_entries: u64,
        max_age: u64,
        redaction: Option<&'a Redaction>,
        event: Option<&'a Event>,
    }

    /// Looks for an earlier append with an idempotency key.
    FindAppend<'a> = PRELUDE "earlier" "find_append" {
        topic: &'a str,
        now: ScriptTime,
        window: u64,
        idempotency_key: &'a str,
        content: &'a str,
    }

    /// Appends the entries of several requests.
    AppendAll<'a> = PRELUDE "events" "announce" "append_known" "append_all" {
        outbox: OutboxArguments<'a>,
        database: &'a str,
        announcer: &'a str,
        expected_epoch: &'a str,
        now: ScriptTime,
        kept_for: Digits,
        entries: List<'a, EntryArguments<'a>>,
    }

    /// Reads a page of a log.
    ReadLog<'a> = PRELUDE "page" "marks" "logs" "read_log" {
        max_entries: u64,
        max_bytes: u64,
        topic: &'a str,
        direction: &'a str,
        from: u64,
        now: ScriptTime,
    }

    /// Looks for logs with entries of late.
    FindRecentLogs<'a> = PRELUDE "recent_logs" { cursor: &'a str, since: u64, }

    /// Reads a page of the pending notifications of a user.
    ReadPending<'a> = PRELUDE "page" "marks" "bodies" "pending" "read_pending" {
        max_entries: u64,
        max_bytes: u64,
        user_id: &'a str,
        direction: &'a str,
        from: u64,
        now: ScriptTime,
    }

    /// Reads the heads and floors of logs and of users' notifications.
    Heads<'a> = PRELUDE "marks" "logs" "bodies" "pending" "heads" {
        now: ScriptTime,
        topics: List<'a, Topic>,
    }

    /// Stores a notification.
    Notify<'a> = PRELUDE "events" "announce" "marks" "bodies" "pending" "storing" "notify" {
        outbox: OutboxArguments<'a>,
        database: &'a str,
        announcer: Announcer<'a>,
        expected_epoch: &'a str,
        user_id: &'a str,
        shard: Digits,
        now: ScriptTime,
        window: u64,
        kept_for: Digits,
        id: &'a str,
        content: &'a str,
        body: &'a [u8],
        expires: Timestamp,
        escalate_at: Option<Timestamp>,
        max_pending: u64,
        event: Option<&'a Event>,
    }

    /// Stores a notification for several users.
    NotifyAll<'a> = PRELUDE "events" "announce" "marks" "bodies" "pending" "storing" "notify_all" {
        outbox: OutboxArguments<'a>,
        database: &'a str,
        announcer: &'a str,
        expected_epoch: &'a str,
        now: ScriptTime,
        window: u64,
        kept_for: Digits,
        id: &'a str,
        content: &'a str,
        expires: Timestamp,
        escalate_at: Option<Timestamp>,
        max_pending: u64,
        shared_body: &'a str,
        body_is_sent: bool,
        body: &'a [u8],
        recipients: List<'a, RecipientArguments<'a>>,
    }

    /// Acknowledges notifications, which removes them.
    Acknowledge<'a> = PRELUDE "events" "marks" "bodies" "pending" "acknowledge" {
        outbox: OutboxArguments<'a>,
        user_id: &'a str,
        now: ScriptTime,
        window: u64,
        event: Option<&'a Event>,
        ids: List<'a, NotificationId>,
    }

    /// Counts the pending notifications of a user.
    CountPending<'a> = PRELUDE "marks" "bodies" "pending" "count_pending" { user_id: &'a str, now: ScriptTime, }

    /// Reads notifications that are due for escalation.
    ReadEscalations = PRELUDE "marks" "bodies" "pending" "read_escalations" {
        now: ScriptTime, max_entries: u64, max_bytes: u64,
    }

    /// Writes the events of notifications that are due.
    Escalate<'a> = PRELUDE "events" "marks" "bodies" "pending" "escalate" {
        outbox: OutboxArguments<'a>,
        now: ScriptTime,
        escalations: List<'a, Escalation>,
    }

    /// Reads the escalations of notifications of a user.
    EscalationsOf<'a> = PRELUDE "marks" "bodies" "pending" "escalations_of" {
        user_id: &'a str, now: ScriptTime, offsets: List<'a, String>,
    }

    /// Removes expired rows.
    Sweep<'a> = PRELUDE "marks" "logs" "bodies" "pending" "subscriptions" "sweep" {
        incarnation: &'a str,
        now: ScriptTime,
        expected_time: Option<Timestamp>,
        has_swept: bool,
        window: u64,
        max_rows: u64,
    }

    /// Admits a session, or restores one.
    OpenSession<'a> = PRELUDE "events" "held" "mailboxes" "sessions" "blocks" "admission" "open_session" {
        outbox: OutboxArguments<'a>,
        database: &'a str,
        is_restored: bool,
        incarnation: &'a str,
        now: ScriptTime,
        version: Digits,
        row: &'a str,
        max: u64,
        rejects: bool,
        by_device: bool,
        max_devices: u64,
        token_issued_at: Option<Timestamp>,
        token_id: &'a str,
    }

    /// Removes the record of a session.
    CloseSession<'a> = PRELUDE "events" "held" "sessions" "close_session" {
        outbox: OutboxArguments<'a>,
        user_id: &'a str,
        session_id: &'a str,
        code: Digits,
        now: ScriptTime,
    }

    /// Reads the sessions of a user.
    SessionsOf<'a> = PRELUDE "sessions_of" {
        user_id: &'a str,
    }

    /// Reads the users who have sessions.
    ConnectedUsers<'a> = PRELUDE "sessions" "connected_users" {
        after: &'a str,
        max_users: u64,
    }

    /// Sets how many sessions a node has of a user in a topic. Empty `data` keeps the data of the user.
    SetPresent<'a> = PRELUDE "held" "presence" "set_present" {
        incarnation: &'a str,
        topic: &'a str,
        user_id: &'a str,
        sessions: u64,
        data: &'a str,
    }

    /// Reads the present users of a topic.
    ReadPresent<'a> = PRELUDE "presence" "present" {
        topic: &'a str,
        max_users: u64,
    }

    /// Renews the lease of a node.
    Reconcile<'a> = PRELUDE "reconcile" {
        incarnation: &'a str,
        lease: Digits,
        record: &'a str,
        read: &'a str,
        shards: List<'a, Shard>,
    }

    /// Sends a control message to a node.
    Post<'a> = PRELUDE "mailboxes" "post" {
        database: &'a str,
        node_id: &'a str,
        version: Digits,
        message: &'a str,
    }

    /// Reads the nodes whose leases hold.
    ReadNodes = PRELUDE "nodes" {}

    /// Removes sessions and presence of stopped nodes.
    Reap<'a> = PRELUDE "events" "held" "sessions" "presence" "reap" {
        outbox: OutboxArguments<'a>,
        incarnation: &'a str,
        now: ScriptTime,
        max_rows: u64,
    }

    /// Releases the leases of a node.
    Resign<'a> = PRELUDE "resign" {
        incarnation: &'a str,
    }

    /// Takes or renews the lease of the outbox.
    LeaseOutbox<'a> = PRELUDE "lease_outbox" {
        incarnation: &'a str,
        lease: Digits,
    }

    /// Reads events of the outbox.
    ReadOutbox<'a> = PRELUDE "read_outbox" {
        after: &'a str,
        max_events: Digits,
    }

    /// Removes events from the outbox.
    RemoveFromOutbox<'a> = PRELUDE "remove_from_outbox" { ids: List<'a, String>, }

    /// Reads how many events the outbox holds.
    ReadOutboxStatus = PRELUDE "outbox_status" {}

    /// Takes or renews the lease of a webhook.
    LeaseWebhook<'a> = PRELUDE "lease_webhook" {
        webhook: &'a str,
        incarnation: &'a str,
        lease: Digits,
    }

    /// Reads waiting events of a webhook.
    ReadWebhook<'a> = PRELUDE "webhook_page" "read_webhook" {
        webhook: &'a str,
        after: &'a str,
        max_entries: u64,
        max_bytes: u64,
    }

    /// Remembers how often waiting events of a webhook were sent.
    KeepAttempts<'a> = PRELUDE "keep_attempts" {
        webhook: &'a str,
        events: List<'a, Attempts>,
    }

    /// Removes waiting events of a webhook, or makes them dead letters.
    SettleWebhook<'a> = PRELUDE "webhook_dead" "settle_webhook" {
        webhook: &'a str,
        at: Timestamp,
        max_dead: u64,
        events: List<'a, SettledEvent>,
    }

    /// Counts the events of a webhook.
    ReadWebhookStatus<'a> = PRELUDE "webhook_status" {
        webhook: &'a str,
    }

    /// Reads dead letters of a webhook.
    ReadDead<'a> = PRELUDE "webhook_page" "read_dead" {
        webhook: &'a str,
        after: &'a str,
        max_entries: u64,
        max_bytes: u64,
    }

    /// Deletes dead letters, or makes them waiting events again.
    TakeDead<'a> = PRELUDE "webhook_dead" "take_dead" {
        webhook: &'a str,
        since: Option<Timestamp>,
        ids: List<'a, Arc<str>>,
    }

    /// Keeps a block of a user.
    KeepBlock<'a> = PRELUDE "blocks" "block" {
        user_id: &'a str,
        now: ScriptTime,
        remembered: u64,
        max_blocks: u64,
        row: &'a str,
    }

    /// Ends every block of a user.
    Unblock<'a> = PRELUDE "blocks" "unblock" {
        user_id: &'a str,
        now: ScriptTime,
        remembered: u64,
    }

    /// Reads the blocks of a user.
    BlocksOf<'a> = PRELUDE "blocks_of" {
        user_id: &'a str,
    }

    /// Reads the blocks that changed after a revision.
    ReadBlockChanges = PRELUDE "block_changes" {
        after: Digits,
        max_users: u64,
    }

    /// Keeps a server-side subscription of a user.
    KeepSubscription<'a> = PRELUDE "mailboxes" "sessions" "subscriptions" "subscriptions_changed" "keep_subscription" {
        database: &'a str,
        version: Digits,
        user_id: &'a str,
        now: ScriptTime,
        max_subscriptions: u64,
        row: &'a str,
    }

    /// Removes server-side subscriptions of a user.
    RemoveSubscriptions<'a> = PRELUDE "mailboxes" "sessions" "subscriptions" "subscriptions_changed" "remove_subscriptions" {
        database: &'a str,
        version: Digits,
        user_id: &'a str,
        now: ScriptTime,
        service: &'a str,
        topic: &'a str,
    }

    /// Reads the server-side subscriptions of a user.
    SubscriptionsOf<'a> = PRELUDE "subscriptions_of" { user_id: &'a str, }

    /// Confirms the clock of the server.
    AcceptClock = PRELUDE "accept_clock" {}
}

#[cfg(test)]
mod tests;
