//! Faults with the real servers: RabbitMQ, Redis and nodes are stopped, killed, cut and stalled while apps on the SDK
//! chat, get notifications and acknowledge. `cargo xtask test faults`, or one of them: `cargo xtask test faults
//! kill_broker`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and it prints figures"
)]

mod backend;
mod broker;
mod case;
mod cluster;
mod crowd;
mod events;
mod failover;
mod figures;
mod ledger;
mod load;
mod nodes;
mod sessions;
mod store;
