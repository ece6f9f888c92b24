//! Runtime support that the store and the server share.
//!
//! - [`tasks`]: owns all background tasks and stops them.
//! - [`supervision`]: ends the process if a part that must run has panicked or ended.
//! - [`log_limit`]: limits repeated log lines to one in ten seconds.
//! - [`authorities`]: the certificate authorities that a TLS client trusts.

pub mod authorities;
pub mod log_limit;
pub mod supervision;
pub mod tasks;
