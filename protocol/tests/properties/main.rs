//! What holds for every message and every text: encoding then decoding changes nothing, and nothing panics.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test file: what fails here is a failed test")]

mod client;
mod part;
mod server;

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any},
    prop_assert_eq, proptest, sample,
};
use realtime_gateway_protocol::{
    ClientMessage, ServerMessage, decode_client, decode_server, encode_client, encode_server,
};
use serde_json::Value;

/// Every frame of the vectors, accepted and refused.
fn frames() -> Vec<String> {
    let files = [
        include_str!("../../vectors/client/accepted.json"),
        include_str!("../../vectors/client/refused.json"),
        include_str!("../../vectors/server/accepted.json"),
        include_str!("../../vectors/server/refused.json"),
    ];
    let vectors = files.into_iter().flat_map(|file| serde_json::from_str::<Vec<Value>>(file).expect("vectors"));
    vectors
        .map(|vector| vector["text"].as_str().map_or_else(|| vector["message"].to_string(), str::to_owned))
        // Long ones take long to mutate and are no different.
        .filter(|frame| frame.len() < 1_000)
        .collect()
}

/// A frame that was damaged in a few places: bytes changed, cut out, put in, or repeated.
fn damaged() -> impl Strategy<Value = String> {
    let damage = (any::<sample::Index>(), 0..4_u8, any::<u8>(), 1..9_usize);
    (sample::select(frames()), vec(damage, 1..6)).prop_map(|(frame, damages)| {
        let mut bytes = frame.into_bytes();
        for (place, kind, byte, length) in damages {
            let at = place.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match kind {
                0 if at < end => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                _ => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Reads a text as both sides would. What is accepted must survive being written and read again.
fn read_as_both(text: &str) {
    if let Ok(command) = decode_client(text) {
        assert_eq!(decode_client(&encode_client(&command)).as_ref(), Ok(&command));
    }
    if let Ok(message) = decode_server(text) {
        assert_eq!(decode_server(&encode_server(&message)).as_ref(), Ok(&message));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_command_survives_encoding(command in client::command()) {
        let text = encode_client(&command);
        prop_assert_eq!(decode_client(&text), Ok(command), "{}", text);
    }

    #[test]
    fn a_server_message_survives_encoding(message in server::message()) {
        let text = encode_server(&message);
        prop_assert_eq!(decode_server(&text), Ok(message), "{}", text);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_as_both(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nothing_like_json_panics(text in r#"[\[\]{}:,"\\a-eu0-9.+ \-]{0,80}"#) {
        read_as_both(&text);
        read_as_both(&format!(r#"{{"type":"publish","service":"s","topic":"t","data":{text}}}"#));
    }

    #[test]
    fn no_damaged_frame_panics(text in damaged()) {
        read_as_both(&text);
    }
}

/// The strategies above would pass just as well if they left a message out.
#[test]
fn every_message_is_generated() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut some = |count: usize| -> (Vec<String>, Vec<String>) {
        (0..count)
            .map(|_| {
                let command = client::command().new_tree(&mut runner).expect("a command").current();
                let message = server::message().new_tree(&mut runner).expect("a message").current();
                (command.message.type_name().to_owned(), message.message.type_name().to_owned())
            })
            .unzip()
    };
    let (commands, messages) = some(1_000);
    for word in ClientMessage::TYPES {
        assert!(commands.iter().any(|seen| seen == word), "no command {word}");
    }
    for word in ServerMessage::TYPES {
        assert!(messages.iter().any(|seen| seen == word), "no message {word}");
    }
    assert!(messages.iter().any(|seen| !ServerMessage::TYPES.contains(&seen.as_str())), "no unknown message");
}
