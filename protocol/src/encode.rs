//! From a message to the JSON text of one frame.

use serde::Serialize;

use crate::{ClientMessage, Envelope, RequestId, ServerMessage};

#[derive(Serialize)]
struct WithRequestId<'a, M> {
    #[serde(flatten)]
    message: &'a M,
    #[serde(rename = "requestId")]
    request_id: &'a RequestId,
}

fn encode<M: Serialize>(envelope: &Envelope<M>) -> String {
    let message = &envelope.message;
    let text = match &envelope.request_id {
        None => serde_json::to_string(message),
        Some(request_id) => serde_json::to_string(&WithRequestId { message, request_id }),
    };
    #[expect(clippy::expect_used, reason = "messages hold only strings, numbers, lists and JSON that was read before")]
    text.expect("every message can be written as JSON")
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
