//! What holds for every message and every text: encoding then decoding changes nothing, and nothing panics.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: what fails here is a failed test"
)]

mod client;
mod part;
mod server;

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any},
    prop_assert_eq, proptest, sample,
};
use realtime_gateway_protocol::{
    ClientMessage, DecodeError, Outline, ServerMessage, Verdict, decode_client, decode_server, encode_client,
    encode_server,
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
    vectors.map(|vector| vector["text"].as_str().map_or_else(|| vector["message"].to_string(), str::to_owned)).collect()
}

/// A frame that was damaged in a few places: bytes changed, cut out, put in, or repeated.
fn damaged() -> impl Strategy<Value = String> {
    let damage = (any::<sample::Index>(), 0..4_u8, any::<u8>(), 1..9_usize);
    // Long ones take long to mutate and are no different.
    let frames = frames().into_iter().filter(|frame| frame.len() < 1_000).collect::<Vec<_>>();
    (sample::select(frames), vec(damage, 1..6)).prop_map(|(frame, damages)| {
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
    in_outline(text);
}

/// Reads a text in outline, which must judge it as the decoders do.
fn in_outline(text: &str) {
    let field = |error: &DecodeError| (error.code(), error.field().map(str::to_owned));
    let outline = Outline::of_server(text);
    let judged = outline.as_ref().map(|outline| outline.verdict());
    match (decode_server(text), judged) {
        (Ok(envelope), Ok(Verdict::Known)) => assert!(ServerMessage::TYPES.contains(&envelope.message.type_name())),
        (Ok(envelope), Ok(Verdict::Unknown)) => assert!(!ServerMessage::TYPES.contains(&envelope.message.type_name())),
        (Err(error), Ok(Verdict::Broken(broken))) => {
            assert_eq!(field(&error), field(broken), "{text}: {error}; {broken}");
        }
        // Of two things that are wrong each may name another one first.
        (Err(_), Err(_)) => {}
        (decoded, judged) => panic!("{text}: decoded as {decoded:?}, and in outline {judged:?}"),
    }
    if let Ok(outline) = &outline
        && let Ok(envelope) = decode_server(text)
    {
        let request_id = outline.text("requestId");
        assert_eq!(request_id.as_deref(), envelope.request_id.as_ref().map(|id| id.as_str()), "{text}");
    }
    commands_in_outline(text);
}

fn commands_in_outline(text: &str) {
    let outline = |word: &str| Outline::of_command(word, text).map(|outline| fields_of(&outline));
    match decode_client(text) {
        Ok(command) => {
            let written: Value = serde_json::from_str(&encode_client(&command)).expect("a command is JSON");
            let Value::Object(mut written) = written else { panic!("a command is an object") };
            written.retain(|name, _| name != "type" && name != "requestId");
            let mut fields = outline(command.message.type_name()).expect("what is decoded is known in outline");
            // Inner objects keep their unknown members.
            for (name, field) in &mut fields {
                if let (Value::Object(inner), Some(Value::Object(known))) = (field, written.get(name)) {
                    inner.retain(|name, _| known.contains_key(name));
                }
            }
            if matches!(command.message.type_name(), "chat_history" | "topic_history") {
                // What the gateway takes for granted, the decoder fills in.
                fields.entry("limit").or_insert(50.into());
            }
            assert_eq!(fields, written, "{text}");
        }
        Err(refusal) => {
            let Some(word) = refusal.in_reply_to else { return };
            // What fields must fulfil together is the gateway's affair.
            let alone = !matches!(word, "notification_ack" | "chat_history" | "topic_history");
            // So is what is not seen: looking for it would make the browser SDK larger.
            let alone = alone && !refusal.to_string().contains("zero-width");
            match outline(word) {
                Ok(_) => assert!(!alone, "{text}: {refusal}"),
                Err(error) if alone => assert_eq!(error.field(), refusal.error.field(), "{text}: {error}; {refusal}"),
                Err(_) => {}
            }
        }
    }
}

fn fields_of(outline: &Outline<'_>) -> serde_json::Map<String, Value> {
    let value = |raw: &str| serde_json::from_str::<Value>(raw).expect("what was scanned is JSON");
    outline.known_fields().map(|(name, raw)| (name.to_owned(), value(raw))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn command_round_trips(command in client::command()) {
        let text = encode_client(&command);
        in_outline(&text);
        prop_assert_eq!(decode_client(&text), Ok(command), "{}", text);
    }

    #[test]
    fn server_message_round_trips(message in server::message()) {
        let text = encode_server(&message);
        in_outline(&text);
        prop_assert_eq!(decode_server(&text), Ok(message), "{}", text);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_as_both(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn json_like_text_does_not_panic(text in r#"[\[\]{}:,"\\a-eu0-9.+ \-]{0,80}"#) {
        read_as_both(&text);
        read_as_both(&format!(r#"{{"type":"publish","service":"s","topic":"t","data":{text}}}"#));
    }

    #[test]
    fn damaged_frames_do_not_panic(text in damaged()) {
        read_as_both(&text);
    }
}

#[test]
fn outline_agrees_with_decoder_on_every_vector() {
    for frame in frames() {
        in_outline(&frame);
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
