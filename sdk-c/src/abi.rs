//! The functions of the library. `include/gateway_core.h` is generated from this file.

#![allow(unsafe_code, non_camel_case_types, reason = "a foreign interface: addresses and names of C")]

use std::{
    ffi::c_char,
    panic::{self, AssertUnwindSafe},
    ptr, slice,
};

use realtime_gateway_sdk_core::{DIGEST, client::Client};

use crate::clients::{Clients, Failure};

/// The version of this interface. It is raised when a driver has to change.
pub const GW_ABI: u32 = 1;

/// The call succeeded.
pub const GW_OK: i32 = 0;
/// The configuration or the input is invalid. The call had no effect.
pub const GW_INVALID: i32 = -1;
/// There is no such client: it was closed, or it has panicked before.
pub const GW_NO_CLIENT: i32 = -2;
/// There are as many clients as there can be: 64 in a WebAssembly module.
pub const GW_FULL: i32 = -3;
/// The core panicked. The client has ended; other clients are not affected.
pub const GW_PANICKED: i32 = -4;

/// The number of clients of a WebAssembly module: few enough that a trap ends few, and that the memory, which never
/// shrinks, is released with the module before long. A process has no limit.
const MAX_CLIENTS: usize = if cfg!(target_arch = "wasm32") { 64 } else { usize::MAX };

static CLIENTS: Clients<Client> = Clients::new(MAX_CLIENTS);

/// A text in UTF-8, without a NUL at its end. It belongs to the caller, who gives it back with `gw_free`. An empty text has
/// the address NULL.
#[repr(C)]
#[derive(Debug)]
pub struct gw_text {
    /// The address of the first byte.
    pub bytes: *mut u8,
    /// The number of bytes.
    pub length: usize,
}

/// Returns the version of the interface of this library, which is `GW_ABI` of the header that it was built with.
#[unsafe(no_mangle)]
pub extern "C" fn gw_abi() -> u32 {
    GW_ABI
}

/// Returns the digest of the core's sources: 64 hexadecimal digits and a NUL, which stay valid. All SDKs with the same digest
/// make the same decisions.
#[unsafe(no_mangle)]
pub extern "C" fn gw_digest() -> *const c_char {
    TERMINATED_DIGEST.as_ptr().cast()
}

/// The digest with a NUL at its end.
static TERMINATED_DIGEST: [u8; 65] = {
    let (mut bytes, digest) = ([0; 65], DIGEST.as_bytes());
    let (filled, _nul) = bytes.split_at_mut(64);
    filled.copy_from_slice(digest);
    bytes
};

/// Allocates `length` bytes, which are zero. A driver of the WebAssembly module writes its inputs to such memory; a program
/// in C can pass any memory to the functions instead. Returns NULL if `length` is 0 or there is no memory.
#[unsafe(no_mangle)]
pub extern "C" fn gw_alloc(length: usize) -> *mut u8 {
    let mut bytes = Vec::<u8>::new();
    if length == 0 || bytes.try_reserve_exact(length).is_err() {
        return ptr::null_mut();
    }
    bytes.resize(length, 0);
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

/// Gives back a text that a function has returned, or memory of `gw_alloc`. NULL is allowed.
///
/// # Safety
/// `bytes` and `length` are those of one `gw_text` or of one `gw_alloc`, and nothing uses the memory afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gw_free(bytes: *mut u8, length: usize) {
    if !bytes.is_null() {
        // SAFETY: the caller gives back what `gw_alloc` or `give` made of a boxed slice of this length.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes, length)) });
    }
}

/// Creates a client. Returns its number, which is positive, or `GW_INVALID`, `GW_FULL` or `GW_PANICKED` with a sentence in `out`.
///
/// # Safety
/// `config` is the address of `length` bytes that no other thread writes, or `length` is 0. `out` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gw_open(config: *const u8, length: usize, out: *mut gw_text) -> i32 {
    // SAFETY: the caller's promise is that of `read`.
    let config = unsafe { read(config, length) };
    let opened = config.and_then(|config| {
        let opened = panic::catch_unwind(AssertUnwindSafe(|| Client::open(config)));
        let client = opened.map_err(|_| Problem::from(Failure::Panicked))?;
        Ok(CLIENTS.add(client.map_err(Problem::Invalid)?)?)
    });
    let (status, text) = match opened {
        Ok(number) => (number, String::new()),
        Err(problem) => problem.report(),
    };
    // SAFETY: the caller's promise is that of `give`.
    unsafe { give(out, text) };
    status
}

/// Gives one message to a client, at `now` in milliseconds of a clock that never runs backwards. Returns `GW_OK` with the
/// client's messages in `out`, or an error with a sentence in `out`.
///
/// # Safety
/// `input` is the address of `length` bytes that no other thread writes, or `length` is 0. `out` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gw_handle(client: i32, now: u64, input: *const u8, length: usize, out: *mut gw_text) -> i32 {
    // SAFETY: the caller's promise is that of `read`.
    let input = unsafe { read(input, length) };
    let output = input.and_then(|input| {
        let output = CLIENTS.with(client, |client| client.handle(now, input))?;
        output.map_err(|error| Problem::Invalid(error.to_string()))
    });
    // SAFETY: the caller's promise is that of `answer`.
    unsafe { answer(out, output) }
}

/// Takes the next item of a stream. Returns `GW_OK` with the item as one message in `out`, which is empty if there is none, or
/// an error with a sentence in `out`.
///
/// # Safety
/// `out` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gw_take(client: i32, stream: u64, out: *mut gw_text) -> i32 {
    let item = CLIENTS.with(client, |client| client.take(stream));
    // SAFETY: the caller's promise is that of `answer`.
    unsafe { answer(out, item.map_err(Problem::from)) }
}

/// Returns the time at which the client wants a `tick`, or a negative number for never, also if there is no such client.
#[unsafe(no_mangle)]
pub extern "C" fn gw_deadline(client: i32) -> i64 {
    let deadline = CLIENTS.with(client, |client| client.deadline());
    deadline.ok().flatten().and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

/// Frees a client. Returns `GW_OK` or `GW_NO_CLIENT`. What a WebAssembly module has allocated for it is reused by its other
/// clients, and is released with the module.
#[unsafe(no_mangle)]
pub extern "C" fn gw_close(client: i32) -> i32 {
    CLIENTS.remove(client).map_or(GW_NO_CLIENT, |()| GW_OK)
}

/// Why a call failed.
enum Problem {
    /// The caller passed something invalid. This sentence says what.
    Invalid(String),
    Failed(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Problem {
    /// Returns the status for the caller, and a sentence for its developer.
    fn report(self) -> (i32, String) {
        let (status, sentence) = match self {
            Self::Invalid(sentence) => return (GW_INVALID, sentence),
            Self::Failed(Failure::NoClient) => {
                (GW_NO_CLIENT, "there is no such client: it is closed, or it has panicked")
            }
            Self::Failed(Failure::Full) => {
                (GW_FULL, "there are as many clients as there can be: make another instance")
            }
            Self::Failed(Failure::Panicked) => (GW_PANICKED, "the core panicked: the client has ended"),
        };
        (status, sentence.to_owned())
    }
}

/// Returns the text at an address.
///
/// # Safety
/// `bytes` is the address of `length` bytes that stay unchanged during the call, or `length` is 0.
unsafe fn read<'a>(bytes: *const u8, length: usize) -> Result<&'a str, Problem> {
    if length == 0 {
        return Ok("");
    }
    if bytes.is_null() || isize::try_from(length).is_err() {
        return Err(Problem::Invalid("the text has no address or an impossible length".to_owned()));
    }
    // SAFETY: it is not NULL, the length is one that memory can have, and the caller promises the rest.
    let bytes = unsafe { slice::from_raw_parts(bytes, length) };
    std::str::from_utf8(bytes).map_err(|_| Problem::Invalid("the text is not valid UTF-8".to_owned()))
}

/// Writes the outcome of a call, and returns its status.
///
/// # Safety
/// That of [`give`].
unsafe fn answer(out: *mut gw_text, outcome: Result<String, Problem>) -> i32 {
    let (status, text) = match outcome {
        Ok(text) => (GW_OK, text),
        Err(problem) => problem.report(),
    };
    // SAFETY: the caller's promise.
    unsafe { give(out, text) };
    status
}

/// Gives a text to the caller.
///
/// # Safety
/// `out` is NULL, or the address of a `gw_text` that can be written and that need not be aligned: a driver of the
/// WebAssembly module has it from `gw_alloc`.
unsafe fn give(out: *mut gw_text, text: String) {
    if out.is_null() {
        return;
    }
    let length = text.len();
    let bytes = if length == 0 { ptr::null_mut() } else { Box::into_raw(text.into_boxed_str()).cast() };
    // SAFETY: the caller's promise. What was there before is not dropped, because it may be uninitialized.
    unsafe { out.write_unaligned(gw_text { bytes, length }) };
}
