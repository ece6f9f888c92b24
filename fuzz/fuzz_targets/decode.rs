//! No text makes a decoder panic; what it accepts survives being written and read again, and is good in outline too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use realtime_gateway_protocol::{Outline, Verdict, decode_client, decode_server, encode_client, encode_server};

fuzz_target!(|text: &str| {
    if let Ok(command) = decode_client(text) {
        assert_eq!(decode_client(&encode_client(&command)).as_ref(), Ok(&command));
        assert!(Outline::of_command(command.message.type_name(), text).is_ok());
    }
    let outline = Outline::of_server(text);
    let is_good = outline.is_ok_and(|outline| !matches!(outline.verdict(), Verdict::Broken(_)));
    let message = decode_server(text);
    assert_eq!(message.is_ok(), is_good);
    if let Ok(message) = message {
        assert_eq!(decode_server(&encode_server(&message)).as_ref(), Ok(&message));
    }
});
