//! Stores of the realtime gateway. A store keeps the data that must outlive a process, and the state that all nodes
//! share.
//!
//! # Writing a store
//!
//! A store is a type that implements [`Store`]. Its parts are traits, each with the rules that it keeps:
//!
//! | trait | data |
//! | --- | --- |
//! | [`Log`] | one log per topic: offsets without gaps, idempotency keys, retention, redactions |
//! | [`Pending`] | the notifications that each user has not acknowledged, and broadcasts to many users |
//! | [`Sessions`] | the live sessions, and which of them a new session evicts ([`admission`]) |
//! | [`ServerSubscriptions`] | the topics to which every session of a user is subscribed |
//! | [`Blocks`] | users and tokens that are blocked until a time |
//! | [`Presence`] | the users who are present in each topic |
//! | [`Nodes`] | leases, control messages between nodes, shard counters |
//! | [`Outbox`] | events for backend services, written in the step that they report |
//! | [`Webhooks`] | the same events for receivers over HTTP, and those that a receiver did not take |
//!
//! Every operation is one atomic step: concurrent calls behave as if they ran one after the other. `Ok` means that the
//! operation has taken effect and survives all that the store promises to survive. `Err(StoreError::Unavailable)` means
//! that the operation may or may not have taken effect, and may be repeated. A store never reads the wall clock: it
//! takes the time from the operation, or from the [`Clock`](clock::Clock) that it is opened with.
//!
//! A store that one process has to itself can keep sessions, blocks, presence and its lease in memory, because they end
//! with the process: [`single_node::SingleNode`] does all of it.
//!
//! # Testing a store
//!
//! The feature `testing` has the conformance suite, one test for each rule, and a model test, which compares random
//! operations with a model:
//!
//! ```toml
//! [dev-dependencies]
//! realtime-gateway-store = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```ignore
//! use gateway_store::testing::{Subject, model};
//!
//! async fn subject(options: Options) -> Subject {
//!     Subject::new(|clock| Arc::new(MyStore::open(options, clock)))
//! }
//!
//! gateway_store::conformance!(subject);
//!
//! #[test]
//! fn agrees_with_model() {
//!     model::check(64, || subject(testing::options()));
//! }
//! ```
//!
//! `store/tests/external_store.rs` is such a store. The suite includes the test vectors of `store/vectors`.

mod contract;

pub use clock_mark::{ClockMark, NotAClockMark};
pub use content_digest::ContentDigest;
pub use contract::*;
pub use durability::Durability;
pub use space::{SpaceLimits, SpaceStatus};

pub mod admission;
mod block_row;
pub mod clock;
mod clock_mark;
mod content_digest;
pub mod copy;
mod damage;
mod durability;
pub mod embedded_blocks;
pub mod embedded_sessions;
pub mod memory;
pub mod open;
mod outbox_bound;
mod page;
pub mod redb;
pub mod redis;
mod session_events;
pub mod shards;
pub mod single_node;
mod space;
mod subscription_row;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;
