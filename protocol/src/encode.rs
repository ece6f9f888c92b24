//! From a message to the JSON text of one frame.

use serde::Serialize;

use crate::{ClientMessage, Envelope, ServerMessage};

fn encode<M: Serialize>(envelope: &Envelope<M>) -> String {
    #[expect(clippy::expect_used, reason = "messages hold only strings, numbers, lists and JSON that was read before")]
    let mut text = serde_json::to_string(&envelope.message).expect("every message can be written as JSON");
    if let Some(request_id) = &envelope.request_id {
        // Every message is an object with a `type` at least. Writing into it is far less code than a second way of
        // writing each message, which counts in a browser.
        text.pop();
        text.push_str(",\"requestId\":");
        text.push_str(&serde_json::Value::from(request_id.as_str()).to_string());
        text.push('}');
    }
    text
}

/// The text of a command's frame.
pub fn encode_client(command: &Envelope<ClientMessage>) -> String {
    encode(command)
}

/// The text of a server message's frame. An unknown message is written as it was read.
pub fn encode_server(message: &Envelope<ServerMessage>) -> String {
    match &message.message {
        ServerMessage::Unknown(unknown) => unknown.raw.as_str().to_owned(),
        _ => encode(message),
    }
}
