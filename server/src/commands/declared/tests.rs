//! Tests declared services.
