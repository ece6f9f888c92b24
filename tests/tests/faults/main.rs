//! Fault injection with real servers: RabbitMQ, Redis and nodes are stopped, killed, cut off and stalled while SDK
//! clients chat, receive notifications and acknowledge them. Run all cases with `cargo xtask test faults`, or some with
//! a part of their names: `cargo xtask test faults broker_is_killed`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and it prints figures"
)]

mod backend;
mod between_nodes;
mod broker;
mod calls;
mod case;
mod cluster;
mod crowd;
mod events;
mod failover;
mod figures;
mod http_publisher;
mod ledger;
mod load;
mod nodes;
mod sessions;
mod store;
mod topic_presence;
mod webhooks;
