//! The scripts, each put together from the pieces that it needs.

use super::request::{Step, hash};

/// A script of pieces that stand in `lua/`.
macro_rules! step {
    ($name:ident: $($piece:literal)+) => {
        pub(super) static $name: Step = {
            const CODE: &str = concat!($(include_str!(concat!("lua/", $piece, ".lua")), "\n"),+);
            Step::new(CODE, || hash(CODE))
        };
    };
}

step!(APPEND: "prelude" "events" "marks" "logs" "append");
step!(READ_LOG: "prelude" "page" "marks" "logs" "read_log");
step!(READ_PENDING: "prelude" "page" "marks" "bodies" "pending" "read_pending");
step!(HEADS: "prelude" "marks" "logs" "bodies" "pending" "heads");
step!(NOTIFY: "prelude" "events" "marks" "bodies" "pending" "storing" "notify");
step!(NOTIFY_ALL: "prelude" "events" "marks" "bodies" "pending" "storing" "notify_all");
step!(ACKNOWLEDGE: "prelude" "events" "marks" "bodies" "pending" "acknowledge");
step!(COUNT_PENDING: "prelude" "marks" "bodies" "pending" "count_pending");
step!(SWEEP: "prelude" "marks" "logs" "bodies" "pending" "sweep");
step!(OPEN_SESSION: "prelude" "events" "sessions" "blocks" "open_session");
step!(CLOSE_SESSION: "prelude" "events" "sessions" "close_session");
step!(SESSIONS_OF: "prelude" "sessions_of");
step!(SET_PRESENT: "prelude" "events" "sessions" "presence" "set_present");
step!(PRESENT: "prelude" "presence" "present");
step!(PULSE: "prelude" "pulse");
step!(POST: "prelude" "events" "sessions" "post");
step!(NODES: "prelude" "nodes");
step!(REAP: "prelude" "events" "sessions" "presence" "reap");
step!(RESIGN: "prelude" "resign");
step!(LEASE_OUTBOX: "prelude" "lease_outbox");
step!(READ_OUTBOX: "prelude" "read_outbox");
step!(REMOVE_FROM_OUTBOX: "prelude" "remove_from_outbox");
step!(OUTBOX_STATUS: "prelude" "outbox_status");
step!(BLOCK: "prelude" "blocks" "block");
step!(UNBLOCK: "prelude" "blocks" "unblock");
step!(BLOCKS_OF: "prelude" "blocks_of");
step!(BLOCK_CHANGES: "prelude" "block_changes");
step!(ACCEPT_CLOCK: "prelude" "accept_clock");

/// All of them, so that a new connection can load them together.
pub(super) static ALL: [&Step; 28] = [
    &APPEND,
    &READ_LOG,
    &READ_PENDING,
    &HEADS,
    &NOTIFY,
    &NOTIFY_ALL,
    &ACKNOWLEDGE,
    &COUNT_PENDING,
    &SWEEP,
    &OPEN_SESSION,
    &CLOSE_SESSION,
    &SESSIONS_OF,
    &SET_PRESENT,
    &PRESENT,
    &PULSE,
    &POST,
    &NODES,
    &REAP,
    &RESIGN,
    &LEASE_OUTBOX,
    &READ_OUTBOX,
    &REMOVE_FROM_OUTBOX,
    &OUTBOX_STATUS,
    &BLOCK,
    &UNBLOCK,
    &BLOCKS_OF,
    &BLOCK_CHANGES,
    &ACCEPT_CLOCK,
];

/// The first step on every connection.
pub(super) const ENTER: &str = include_str!("lua/enter.lua");
