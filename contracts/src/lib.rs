//! Contracts of declared services, and the validation of data. This crate does no I/O except to read the files that it
//! is given.
//!
#![doc = include_str!("../README.md")]

mod contract;
mod error;
mod json;
mod name;
mod nearest;
mod ordered;
mod pattern;
mod read;
mod schema;
mod section;
mod source;
mod unique_json;

pub use contract::{
    Call, CallPolicy, Contract, DeclaredTopic, Deployment, Policy, PublishRule, TopicHistory, TopicPresence,
};
pub use error::ContractError;
pub use name::{MemberName, REFUSED_SERVICE_NAMES};
pub use ordered::OrderedValue;
pub use pattern::{Parameter, ParameterValues, TopicPattern, ValueError};
pub use schema::{DataType, InvalidData, MAX_DEFINITIONS, MAX_DEPTH, MAX_SCHEMA_BYTES, Schema};
