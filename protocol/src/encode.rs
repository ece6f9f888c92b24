//! From a message to the JSON text of one frame.

use serde::Serialize;

use crate::{ClientMessage, Envelope, ObjectText, ServerMessage};

fn encode<M: Serialize>(envelope: &Envelope<M>) -> String {
    let Ok(text) = serde_json::to_string(&envelope.message) else {
        unreachable!("messages hold only strings, numbers, lists and JSON that was read before");
    };
    let Some(request_id) = &envelope.request_id else { return text };
    let mut text = ObjectText::of_object(text);
    text.text("requestId", request_id.as_str());
    text.into_string()
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
