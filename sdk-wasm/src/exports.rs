//! What the WebAssembly module exports: the methods of [`Core`] as functions of numbers and addresses. `js/glue.js` is
//! the other side and the only caller.
//!
//! A text goes in as a [`Room`] that the script has filled, and is owned by the call that it is given to. A text comes
//! out as the `Room` at the beginning of the [`Instance`], where it stays until the next call of that instance.
//!
//! Written by hand rather than by wasm-bindgen, whose wrappers and script are several KiB for an interface that knows
//! numbers and strings only.

#![allow(unsafe_code, reason = "a foreign interface: addresses come from JavaScript")]

use std::{process, ptr};

use crate::core::Core;

/// Where a text is, in UTF-8.
#[repr(C)]
struct Room {
    at: *mut u8,
    length: usize,
}

/// A core, and the text that its last call gave.
#[repr(C)]
struct Instance {
    /// Points into `given`. The script reads it at the instance's address.
    answer: Room,
    given: String,
    /// None where the configuration was wrong; then the text says why.
    core: Option<Core>,
}

impl Instance {
    fn give(&mut self, text: String) {
        self.given = text;
        self.answer = Room { at: self.given.as_mut_ptr(), length: self.given.len() };
    }
}

/// Allocates a buffer for a text of `length` bytes.
#[unsafe(export_name = "core_room")]
extern "C" fn room(length: usize) -> *mut Room {
    // Zeroed, so that no call can read uninitialized memory.
    let at = Box::into_raw(vec![0_u8; length].into_boxed_slice());
    Box::into_raw(Box::new(Room { at: at.cast(), length }))
}

/// Takes the text out of a room.
fn text(room: *mut Room) -> String {
    if room.is_null() {
        process::abort();
    }
    // SAFETY: `glue.js` gives each address that `room` returned to one call only, so the room is alive and this is its
    // owner.
    let Room { at, length } = *unsafe { Box::from_raw(room) };
    // SAFETY: `at` and `length` are those of the boxed slice that `room` leaked.
    let bytes = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(at, length)) };
    // SAFETY: `glue.js` fills all of it with what `TextEncoder` made, which is UTF-8 whatever the string was.
    unsafe { String::from_utf8_unchecked(bytes.into_vec()) }
}

/// The instance at an address. A null pointer is a trap, as any fault of ours is.
fn instance<'a>(at: *mut Instance) -> &'a mut Instance {
    // SAFETY: `glue.js` gives only addresses that `core_new` returned and `core_free` has not taken; there is one
    // thread, and no call of a core reaches back into JavaScript, so there is no other reference.
    match unsafe { at.as_mut() } {
        Some(instance) => instance,
        None => process::abort(),
    }
}

fn core(instance: &mut Instance) -> &mut Core {
    match &mut instance.core {
        Some(core) => core,
        None => process::abort(),
    }
}

/// Makes an instance; where it has a text, the configuration is wrong, and that says why.
#[unsafe(export_name = "core_new")]
extern "C" fn new(config: *mut Room) -> *mut Instance {
    let (core, problem) = match Core::new(&text(config)) {
        Ok(core) => (Some(core), String::new()),
        Err(problem) => (None, problem),
    };
    let mut instance = Instance { answer: Room { at: ptr::null_mut(), length: 0 }, given: String::new(), core };
    instance.give(problem);
    Box::into_raw(Box::new(instance))
}

/// Lets an instance go.
#[unsafe(export_name = "core_free")]
extern "C" fn free(at: *mut Instance) {
    // SAFETY: as for `instance`; the script drops the address with this call.
    drop(unsafe { Box::from_raw(ptr::from_mut(instance(at))) });
}

/// When a `tick` is due: the one method that gives a number.
#[unsafe(export_name = "core_deadline")]
extern "C" fn deadline(at: *mut Instance) -> f64 {
    core(instance(at)).deadline()
}

/// The parameter of an export, by the kind of the method's.
macro_rules! parameter {
    (number) => { f64 };
    (flag) => { u32 };
    (code) => { u32 };
    (text) => { *mut Room };
    (owned) => { *mut Room };
}

/// What the method is given.
macro_rules! argument {
    (number $value:ident) => {
        $value
    };
    (flag $value:ident) => {
        $value != 0
    };
    (code $value:ident) => {
        u16::try_from($value).unwrap_or_default()
    };
    (text $value:ident) => {
        &text($value)
    };
    (owned $value:ident) => {
        text($value)
    };
}

/// Exports methods that give a text.
macro_rules! export {
    ($($export:literal = $method:ident($($name:ident: $kind:ident),*);)+) => {$(
        #[unsafe(export_name = $export)]
        extern "C" fn $method(at: *mut Instance, $($name: parameter!($kind)),*) {
            let instance = instance(at);
            let given = core(instance).$method($(argument!($kind $name)),*);
            instance.give(given);
        }
    )+};
}

export! {
    "core_succeed" = succeed(instance_name: text, attempts: number, before: flag);
    "core_connect" = connect(now: number);
    "core_opened" = opened(now: number, attempt: number);
    "core_frame" = frame(now: number, attempt: number, frame: text);
    "core_closed" = closed(now: number, attempt: number, code: code);
    "core_openFailed" = open_failed(now: number, attempt: number, message: owned);
    "core_token" = token(now: number, token: owned);
    "core_tokenFailed" = token_failed(now: number, problem: owned, signed_out: flag);
    "core_woken" = woken(now: number);
    "core_tick" = tick(now: number);
    "core_close" = close(now: number);
    "core_call" = call(now: number, ticket: number, timeout: number, type_name: text, fields: text);
    "core_request" = request(now: number, ticket: number, timeout: number, type_name: text, fields: text);
    "core_subscribe" = subscribe(
        now: number, stream: number, timeout: number, buffer: number, type_name: text, fields: text
    );
    "core_leave" = leave(now: number, stream: number);
    "core_drained" = drained(now: number, stream: number);
    "core_take" = take(stream: number);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a text as the script does.
    fn put(said: &str) -> *mut Room {
        let made = room(said.len());
        // SAFETY: `room` has just made it, and nothing else has its address.
        unsafe { ptr::copy_nonoverlapping(said.as_ptr(), (*made).at, said.len()) };
        made
    }

    fn read(at: *mut Instance) -> String {
        instance(at).given.clone()
    }

    #[test]
    fn texts_go_in_and_come_out() {
        assert_eq!(text(put("")), "");
        assert_eq!(text(put("\u{1f600}\u{e9}")), "\u{1f600}\u{e9}");
        let at = new(put(r#"{"seed":[1,2,3,4],"name":"n","version":"0"}"#));
        assert_eq!(read(at), "");
        connect(at, 0.0);
        assert!(read(at).starts_with('['), "{}", read(at));
        token(at, 0.0, put("t"));
        assert!(read(at).contains("open"), "{}", read(at));
        take(at, 7.0);
        assert_eq!(read(at), "");
        free(at);
    }

    #[test]
    fn a_wrong_configuration_is_a_text() {
        let at = new(put("{}"));
        assert_eq!(read(at), "seed: four numbers are expected");
        free(at);
    }
}
