//! End-to-end tests against a running gateway, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod api;
mod backend_decisions;
mod bad_tokens;
mod bench;
mod blocked_log_output;
mod blocks;
// The example is for Linux.
#[cfg(target_os = "linux")]
mod c_client;
mod calls;
mod calls_over_rabbitmq;
mod chat;
mod check_broker;
mod clock;
mod core_messages;
mod crash;
mod custom_service;
mod damaged_entries;
mod damaged_pages;
mod declared_services;
mod dev_cluster;
mod dev_example;
mod drain;
mod error_codes;
mod event_loops;
mod examples;
mod examples_auth;
mod examples_client;
mod generated_code;
mod getting_started;
mod idempotency;
mod identifiers_and_text;
mod identity;
mod identity_providers;
mod inspection;
mod large_presence;
mod limits;
mod logs;
mod memory_budget;
mod migration_guide;
mod notifications;
mod openapi;
mod outages;
mod permission_requests;
mod permissions;
mod presence;
mod probes_under_load;
mod proxies;
mod rabbitmq;
mod rabbitmq_dead_letters;
mod rabbitmq_faults;
mod rabbitmq_topology;
mod rabbitmq_unreadable;
mod recovery;
mod redis;
mod redis_clock;
mod reload;
mod sdk;
mod security;
mod server_subscriptions;
mod sessions;
mod setup;
mod signals_during_startup;
mod slow_permission_service;
mod store_space;
mod tail;
mod topic_history;
mod topic_presence;
mod traces;
mod two_nodes;
mod typing;
mod webhooks;
