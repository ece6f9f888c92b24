//! No text makes a decoder panic, and what it accepts survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use realtime_gateway_protocol::{decode_client, decode_server, encode_client, encode_server};

fuzz_target!(|text: &str| {
    if let Ok(command) = decode_client(text) {
        assert_eq!(decode_client(&encode_client(&command)).as_ref(), Ok(&command));
    }
    if let Ok(message) = decode_server(text) {
        assert_eq!(decode_server(&encode_server(&message)).as_ref(), Ok(&message));
    }
});
