//! The functions of the library as a driver calls them.
#![allow(unsafe_code, reason = "these tests call a foreign interface")]

use std::{ffi::CStr, ptr, slice};

use gateway_core::{gw_close, gw_deadline, gw_digest, gw_free, gw_handle, gw_open, gw_take, gw_text};

/// A configuration.
pub(crate) const CONFIG: &str = r#"{"seed":[1,2,3,4],"name":"test","version":"1.0.0"}"#;

/// Opens a client that must be accepted.
pub(crate) fn opened() -> i32 {
    let (client, text) = open(CONFIG.as_bytes());
    assert!(client > 0 && text.is_empty(), "{client} {text}");
    client
}

/// Returns the number or the status, and the text.
pub(crate) fn open(config: &[u8]) -> (i32, String) {
    // SAFETY: the slice is readable, and `out` can be written.
    returned(|out| unsafe { gw_open(config.as_ptr(), config.len(), out) })
}

pub(crate) fn handle(client: i32, now: u64, input: &[u8]) -> (i32, String) {
    // SAFETY: the slice is readable, and `out` can be written.
    returned(|out| unsafe { gw_handle(client, now, input.as_ptr(), input.len(), out) })
}

pub(crate) fn take(client: i32, stream: u64) -> (i32, String) {
    // SAFETY: `out` can be written.
    returned(|out| unsafe { gw_take(client, stream, out) })
}

pub(crate) fn deadline(client: i32) -> Option<u64> {
    u64::try_from(gw_deadline(client)).ok()
}

pub(crate) fn close(client: i32) -> i32 {
    gw_close(client)
}

pub(crate) fn digest() -> &'static str {
    // SAFETY: the text has a NUL at its end and stays valid.
    unsafe { CStr::from_ptr(gw_digest()) }.to_str().unwrap()
}

/// Calls a function that returns a text, and gives the text back.
fn returned(call: impl FnOnce(*mut gw_text) -> i32) -> (i32, String) {
    let mut out = gw_text { bytes: ptr::null_mut(), length: 0 };
    let status = call(&raw mut out);
    if out.bytes.is_null() {
        assert_eq!(out.length, 0);
        return (status, String::new());
    }
    // SAFETY: the library has returned a text of this length.
    let text = unsafe { slice::from_raw_parts(out.bytes, out.length) }.to_vec();
    // SAFETY: the text is given back once and not used afterwards.
    unsafe { gw_free(out.bytes, out.length) };
    (status, String::from_utf8(text).unwrap())
}
