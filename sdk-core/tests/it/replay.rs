//! Replaying a transcript: each line is an input with the output that it must have, or an item that is taken.

use realtime_gateway_sdk_core::client::Client;
use serde_json::{Value, json};

/// Replays the lines of a transcript. Returns the same lines with the outputs of this core.
pub(crate) fn replay(transcript: &str) -> String {
    let mut lines = transcript.lines();
    let open = lines.next().expect("a transcript begins with a configuration");
    let config: Value = serde_json::from_str(open).expect("the first line is JSON");
    let mut client = Client::open(&config["open"].to_string()).expect("the configuration is right");
    let mut written = format!("{open}\n");
    for line in lines {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        let (call, output) = if let Some(stream) = line["take"].as_u64() {
            (format!("\"take\":{stream}"), client.take(stream))
        } else {
            let (now, input) = (line["now"].as_u64().expect("a time"), line["input"].as_str().expect("an input"));
            let output = client.handle(now, input).expect("the input is a message");
            (format!("\"now\":{now},\"input\":{}", json!(input)), output)
        };
        // Written by hand: the order of a map's members depends on the features of serde_json.
        written += &format!("{{{call},\"output\":{},\"deadline\":{}}}\n", json!(output), json!(client.deadline()));
    }
    written
}
