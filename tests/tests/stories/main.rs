//! Stories against a running gateway, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod api;
mod bad_tokens;
mod blocks;
mod chat;
mod check_broker;
mod clock;
mod clock_of_redis;
mod core_messages;
mod crash;
mod custom_service;
mod damage;
mod drain;
mod examples;
mod first_contact;
mod full_node;
mod idempotency;
mod identity;
mod limits;
mod logs;
mod many_nodes;
mod memory;
mod notifications;
mod openapi;
mod outages;
mod permission_crowd;
mod permissions;
mod presence;
mod proxies;
mod rabbitmq;
mod rabbitmq_faults;
mod rabbitmq_letters;
mod rabbitmq_topology;
mod rabbitmq_unreadable;
mod recovery;
mod redis;
mod refusals;
mod reload;
mod sdk;
mod security;
mod sessions;
mod setup;
mod starting;
mod store_damage;
mod store_space;
mod strings;
mod stuck_log;
mod typing;
