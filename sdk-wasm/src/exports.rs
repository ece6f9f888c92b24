//! The functions that the WebAssembly module exports: [`Client`] and [`Tab`] by addresses and lengths. `js/glue.js` is
//! their only caller.
//!
//! A text goes in as bytes that the script has written to memory from `gw_alloc`, and belongs to the call that gets it.
//! A text comes out at the beginning of the [`Instance`], where it stays until the next call for that instance.
//!
//! Written by hand instead of with wasm-bindgen, whose wrappers and script are several KiB for an interface of numbers
//! and strings.

#![allow(unsafe_code, reason = "a foreign interface: addresses come from JavaScript")]

use std::{process, ptr};

use realtime_gateway_sdk_core::{client::Client, tabs::Tab};

/// The state machine of an instance.
enum Content {
    Client(Box<Client>),
    Tab(Box<Tab>),
    /// None, because the configuration is invalid. The text has the reason.
    Nothing,
}

/// A client or a tab, and the text that its last call returned.
#[repr(C)]
struct Instance {
    /// The address and the length of `text`. `glue.js` reads these two words at the address of the instance.
    address: *const u8,
    length: usize,
    text: String,
    content: Content,
}

impl Instance {
    fn give(&mut self, text: String) {
        self.text = text;
        (self.address, self.length) = (self.text.as_ptr(), self.text.len());
    }
}

/// Allocates a buffer for a text of `length` bytes.
#[unsafe(export_name = "gw_alloc")]
extern "C" fn alloc(length: usize) -> *mut u8 {
    // Zeroed, so that no call can read uninitialized memory.
    Box::into_raw(vec![0_u8; length].into_boxed_slice()).cast()
}

/// Takes ownership of a buffer of `alloc`, and returns its text.
fn text(address: *mut u8, length: usize) -> String {
    // SAFETY: `glue.js` gives each buffer of `alloc` to one call only, with the length that it was allocated for, so
    // this call is its owner.
    let bytes = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(address, length)) };
    // SAFETY: `glue.js` fills all of it with the output of `TextEncoder`, which is UTF-8 whatever the string was.
    unsafe { String::from_utf8_unchecked(bytes.into_vec()) }
}

/// Returns the instance at an address. A null pointer is a trap.
fn instance<'a>(at: *mut Instance) -> &'a mut Instance {
    // SAFETY: `glue.js` gives only addresses that `open` returned and `close` has not taken; there is one thread, and
    // no call of a client reaches back into JavaScript, so there is no other reference.
    match unsafe { at.as_mut() } {
        Some(instance) => instance,
        None => process::abort(),
    }
}

/// Creates a client. If the instance has a text, the configuration is invalid, and the text is the reason.
#[unsafe(export_name = "gw_open")]
extern "C" fn open(address: *mut u8, length: usize) -> *mut Instance {
    opened(Client::open(&text(address, length)).map(|client| Content::Client(Box::new(client))))
}

/// Creates a tab, as `open` creates a client.
#[unsafe(export_name = "gw_open_tab")]
extern "C" fn open_tab(address: *mut u8, length: usize) -> *mut Instance {
    opened(Tab::open(&text(address, length)).map(|tab| Content::Tab(Box::new(tab))))
}

fn opened(result: Result<Content, String>) -> *mut Instance {
    let (content, problem) = match result {
        Ok(content) => (content, String::new()),
        Err(problem) => (Content::Nothing, problem),
    };
    let mut instance = Instance { address: ptr::null(), length: 0, text: String::new(), content };
    instance.give(problem);
    Box::into_raw(Box::new(instance))
}

/// Frees an instance.
#[unsafe(export_name = "gw_close")]
extern "C" fn close(at: *mut Instance) {
    // SAFETY: as for `instance`; the script drops the address with this call.
    drop(unsafe { Box::from_raw(ptr::from_mut(instance(at))) });
}

/// Handles a message. An invalid message is a trap, because only a bug of the script can cause it.
#[unsafe(export_name = "gw_handle")]
extern "C" fn handle(at: *mut Instance, now: f64, address: *mut u8, length: usize) {
    let input = text(address, length);
    let instance = instance(at);
    let output = match &mut instance.content {
        Content::Client(client) => client.handle(whole(now), &input),
        Content::Tab(tab) => tab.handle(whole(now), &input),
        Content::Nothing => process::abort(),
    };
    match output {
        Ok(output) => instance.give(output),
        Err(_) => process::abort(),
    }
}

/// Takes the next item of a stream.
#[unsafe(export_name = "gw_take")]
extern "C" fn take(at: *mut Instance, stream: f64) {
    let instance = instance(at);
    let Content::Client(client) = &mut instance.content else { process::abort() };
    let item = client.take(whole(stream));
    instance.give(item);
}

/// Returns when a `tick` is due, or a negative number for never.
#[unsafe(export_name = "gw_deadline")]
extern "C" fn deadline(at: *mut Instance) -> f64 {
    let deadline = match &instance(at).content {
        Content::Client(client) => client.deadline(),
        Content::Tab(tab) => tab.deadline(),
        Content::Nothing => process::abort(),
    };
    // The cast is exact up to 2^53 milliseconds, which is beyond any deadline.
    deadline.map_or(-1.0, |at| at as f64)
}

/// The largest safe integer of JavaScript.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Converts a JavaScript number to an integer. It is clamped before the cast: if the WebAssembly is
/// turned into JavaScript, the cast does not do that.
fn whole(value: f64) -> u64 {
    if value > 0.0 { value.min(MAX_SAFE_INTEGER) as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a text as the script does.
    fn put(text: &str) -> (*mut u8, usize) {
        let address = alloc(text.len());
        // SAFETY: `alloc` has just made the buffer, and nothing else has its address.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), address, text.len()) };
        (address, text.len())
    }

    fn client(config: &str) -> *mut Instance {
        let (address, length) = put(config);
        open(address, length)
    }

    fn handled(at: *mut Instance, input: &str) -> String {
        let (address, length) = put(input);
        handle(at, 0.0, address, length);
        instance(at).text.clone()
    }

    #[test]
    fn passes_texts_in_and_out() {
        for sample in ["", "\u{1f600}\u{e9}"] {
            let (address, length) = put(sample);
            assert_eq!(text(address, length), sample);
        }
        let at = client(r#"{"seed":[1,2,3,4],"name":"n","version":"0"}"#);
        assert_eq!(instance(at).text, "");
        assert!(handled(at, "{\"type\":\"connect\"}\n").contains("request_token"));
        assert!(handled(at, "{\"type\":\"token\",\"token\":\"t\"}\n").contains("\"open\""));
        take(at, 7.0);
        assert_eq!(instance(at).text, "");
        assert!(deadline(at) > 0.0);
        close(at);
    }

    #[test]
    fn tab_is_driven_by_messages() {
        let (address, length) = put(r#"{"instance":"i"}"#);
        let at = open_tab(address, length);
        let output = handled(at, "{\"type\":\"joined\"}\n");
        assert!(output.contains("\"queue\"") && output.contains("\"seek\""), "{output}");
        assert!(deadline(at) > 0.0);
        close(at);
    }

    #[test]
    fn describes_invalid_configuration() {
        let at = client("{}");
        assert_eq!(instance(at).text, "seed: four numbers are expected");
        close(at);
    }
}
