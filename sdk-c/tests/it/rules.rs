//! What the functions do with what a driver must not do.
#![allow(unsafe_code, reason = "these tests call a foreign interface")]

use std::{ptr, slice};

use gateway_core::{
    GW_INVALID, GW_NO_CLIENT, GW_OK, gw_abi, gw_alloc, gw_close, gw_free, gw_handle, gw_open, gw_take, gw_text,
};

use crate::library::{CONFIG, close, deadline, digest, handle, open, opened, take};

const CONNECT: &[u8] = b"{\"type\":\"connect\"}\n";

#[test]
fn tells_its_version_and_the_digest_of_the_core() {
    assert_eq!(gw_abi(), 1);
    assert_eq!(digest(), realtime_gateway_sdk_core::DIGEST);
}

#[test]
fn invalid_configuration_is_described() {
    assert_eq!(open(b"{}"), (GW_INVALID, "seed: four numbers are expected".to_owned()));
    assert_eq!(open(b"\xff"), (GW_INVALID, "the text is not valid UTF-8".to_owned()));
    assert_eq!(open(b"").0, GW_INVALID);
}

#[test]
fn invalid_input_has_no_effect() {
    let client = opened();
    for input in [&b""[..], b"{}", b"{}\n", b"{\"type\":\"tick\"}\nx", b"{\"type\":\"unheard\"}\n", b"\xff\xfe\n"] {
        let (status, sentence) = handle(client, 0, input);
        assert!(status == GW_INVALID && !sentence.is_empty(), "{input:?}: {status} {sentence}");
        assert_eq!(deadline(client), None);
    }
    assert!(handle(client, 0, CONNECT).1.contains("request_token"));
    close(client);
}

#[test]
fn closed_client_is_an_error() {
    let (client, other) = (opened(), opened());
    assert_eq!((close(client), close(client)), (GW_OK, GW_NO_CLIENT));
    for (status, sentence) in [handle(client, 0, CONNECT), take(client, 1)] {
        assert!(status == GW_NO_CLIENT && sentence.contains("no such client"), "{status} {sentence}");
    }
    assert_eq!(deadline(client), None);
    assert_eq!(handle(other, 0, CONNECT).0, GW_OK);
    close(other);
    for number in [0, -1, i32::MIN, i32::MAX] {
        assert_eq!(close(number), GW_NO_CLIENT);
    }
}

#[test]
fn any_time_is_accepted() {
    let client = opened();
    for now in [0, u64::MAX, 5, (1 << 53) - 1] {
        assert_eq!(handle(client, now, CONNECT).0, GW_OK);
        assert_eq!(handle(client, now, b"{\"type\":\"token\",\"token\":\"t\"}\n").0, GW_OK);
        assert_eq!(handle(client, now, b"{\"type\":\"tick\"}\n").0, GW_OK);
    }
    close(client);
}

#[test]
fn text_can_be_unwanted_and_unaligned() {
    // SAFETY: the configuration is readable, and NULL is allowed.
    let client = unsafe { gw_open(CONFIG.as_ptr(), CONFIG.len(), ptr::null_mut()) };
    // SAFETY: as above.
    assert_eq!(unsafe { gw_handle(client, 0, CONNECT.as_ptr(), CONNECT.len(), ptr::null_mut()) }, GW_OK);
    // SAFETY: as above.
    assert_eq!(unsafe { gw_take(client, 1, ptr::null_mut()) }, GW_OK);
    // SAFETY: a NULL input is refused, whatever its length.
    assert_eq!(unsafe { gw_handle(client, 0, ptr::null(), 9, ptr::null_mut()) }, GW_INVALID);
    // SAFETY: as above: this is not memory.
    assert_eq!(unsafe { gw_handle(client, 0, CONNECT.as_ptr(), usize::MAX, ptr::null_mut()) }, GW_INVALID);

    let mut memory = [0_u8; 2 * size_of::<gw_text>()];
    let out = memory[1..].as_mut_ptr().cast::<gw_text>();
    // SAFETY: `out` is in the array, which is long enough.
    let text = unsafe {
        assert_eq!(gw_handle(client, 0, b"x".as_ptr(), 1, out), GW_INVALID);
        out.read_unaligned()
    };
    assert!(text.length > 0);
    // SAFETY: the text is given back once.
    unsafe { gw_free(text.bytes, text.length) };
    gw_close(client);
}

#[test]
fn memory_is_given_back() {
    for length in [1, 100, 1 << 16] {
        let bytes = gw_alloc(length);
        // SAFETY: the library has allocated this number of bytes.
        let content = unsafe { slice::from_raw_parts_mut(bytes, length) };
        assert!(content.iter().all(|byte| *byte == 0));
        content.fill(1);
        // SAFETY: it is given back once and not used afterwards.
        unsafe { gw_free(bytes, length) };
    }
    assert!(gw_alloc(0).is_null());
    assert!(gw_alloc(usize::MAX).is_null());
    // Miri ends the program instead of refusing the allocation.
    if !cfg!(miri) {
        assert!(gw_alloc(usize::MAX / 2).is_null());
    }
    // SAFETY: NULL is allowed.
    unsafe { gw_free(ptr::null_mut(), 0) };
}
