//! Encodes a message as the JSON text of a frame.
//!
//! Commands are written member by member, because serde generates code for each type, which would enlarge the
//! WebAssembly build. Only the gateway encodes server messages, so they use serde.

use crate::{ClientMessage, Envelope, ObjectText, Recover, ServerMessage};

/// Encodes a command.
pub fn encode_client(command: &Envelope<ClientMessage>) -> String {
    let mut text = ObjectText::default();
    text.text("type", command.message.type_name());
    write_fields(&mut text, &command.message);
    if let Some(request_id) = &command.request_id {
        text.text("requestId", request_id.as_str());
    }
    text.into_string()
}

fn write_fields(text: &mut ObjectText, message: &ClientMessage) {
    match message {
        ClientMessage::Authenticate(message) => {
            text.text("token", &message.token);
            text.optional("deviceId", message.device_id.as_ref().map(|id| id.as_str()));
            if let Some(client) = &message.client {
                let mut about = ObjectText::default();
                about.text("name", &client.name).text("version", &client.version);
                about.optional("instance", client.instance.as_deref());
                optional_whole(&mut about, "attempt", client.attempt);
                text.raw("client", about.as_str());
            }
        }
        ClientMessage::SubscribeNotifications(message) => write_recover(text, message.recover.as_ref()),
        ClientMessage::UnsubscribeNotifications(_) | ClientMessage::Ping(_) => {}
        ClientMessage::SubscribeClanChat(message) => {
            text.text("clanId", message.clan_id.as_str());
            write_recover(text, message.recover.as_ref());
            optional_whole(text, "history", message.history.map(u64::from));
            if let Some(presence) = message.presence {
                text.flag("presence", presence);
            }
        }
        ClientMessage::UnsubscribeClanChat(message) => {
            text.text("clanId", message.clan_id.as_str());
        }
        ClientMessage::SendChat(message) => {
            text.text("clanId", message.clan_id.as_str()).text("content", message.content.as_str());
            text.optional("messageType", message.message_type.as_ref().map(|word| word.as_str()));
            if let Some(data) = &message.data {
                text.raw("data", data.json().as_str());
            }
            text.optional("clientMessageId", message.client_message_id.as_ref().map(|id| id.as_str()));
        }
        ClientMessage::SendTyping(message) => {
            text.text("clanId", message.clan_id.as_str()).flag("isTyping", message.is_typing);
        }
        ClientMessage::NotificationAck(message) => {
            text.optional("notificationId", message.notification_id.as_ref().map(|id| id.as_str()));
            if let Some(ids) = &message.notification_ids {
                text.texts("notificationIds", ids.iter().map(|id| id.as_str()));
            }
        }
        ClientMessage::GetChatHistory(message) => {
            text.text("clanId", message.clan_id.as_str());
            optional_whole(text, "before", message.before);
            optional_whole(text, "after", message.after);
            text.whole("limit", message.limit.get().into());
        }
        ClientMessage::GetPresence(message) => {
            text.text("clanId", message.clan_id.as_str());
        }
        ClientMessage::Subscribe(message) => {
            text.text("service", message.service.as_str()).text("topic", message.topic.as_str());
            write_recover(text, message.recover.as_ref());
            optional_whole(text, "history", message.history.map(u64::from));
            if let Some(presence) = message.presence {
                text.flag("presence", presence);
            }
            if let Some(data) = &message.presence_data {
                text.raw("presenceData", data.as_str());
            }
            if let Some(server_side) = message.server_side {
                text.flag("serverSide", server_side);
            }
        }
        ClientMessage::Call(message) => {
            text.text("service", message.service.as_str()).text("method", message.method.as_str());
            text.raw("data", message.data.as_str());
            text.optional("callId", message.call_id.as_ref().map(|id| id.as_str()));
            optional_whole(text, "timeoutMs", message.timeout_ms);
        }
        ClientMessage::GetTopicPresence(message) => {
            text.text("service", message.service.as_str()).text("topic", message.topic.as_str());
        }
        ClientMessage::Unsubscribe(message) => {
            text.text("service", message.service.as_str()).text("topic", message.topic.as_str());
        }
        ClientMessage::GetTopicHistory(message) => {
            text.text("service", message.service.as_str()).text("topic", message.topic.as_str());
            optional_whole(text, "before", message.before);
            optional_whole(text, "after", message.after);
            text.whole("limit", message.limit.get().into());
        }
        ClientMessage::Publish(message) => {
            text.text("service", message.service.as_str()).text("topic", message.topic.as_str());
            text.raw("data", message.data.as_str());
            text.optional("clientMessageId", message.client_message_id.as_ref().map(|id| id.as_str()));
        }
    }
}

fn write_recover(text: &mut ObjectText, recover: Option<&Recover>) {
    if let Some(Recover { offset, epoch }) = recover {
        let mut position = ObjectText::default();
        text.raw("recover", position.whole("offset", *offset).text("epoch", epoch).as_str());
    }
}

fn optional_whole(text: &mut ObjectText, name: &str, number: Option<u64>) {
    if let Some(number) = number {
        text.whole(name, number);
    }
}

/// Encodes a server message. An unknown message is written unchanged.
pub fn encode_server(message: &Envelope<ServerMessage>) -> String {
    let text = match &message.message {
        ServerMessage::Unknown(unknown) => return unknown.raw.as_str().to_owned(),
        message => serde_json::to_string(message),
    };
    let Ok(text) = text else {
        unreachable!("messages hold only strings, numbers, lists and JSON that was read before");
    };
    let Some(request_id) = &message.request_id else { return text };
    let mut text = ObjectText::of_object(text);
    text.text("requestId", request_id.as_str());
    text.into_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::decode_client;

    /// Compares the encoding of every command in the test vectors with that of serde.
    #[test]
    fn encodes_commands_like_serde() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/client/accepted.json")).unwrap();
        let mut seen = std::collections::HashSet::new();
        for vector in vectors {
            let text = vector.get("text").and_then(Value::as_str).map(str::to_owned);
            let text = text.unwrap_or_else(|| vector["message"].to_string());
            let Envelope { message, .. } = decode_client(&text).unwrap();
            seen.insert(message.type_name());
            let typed = serde_json::to_string(&message).unwrap();
            let written = encode_client(&Envelope::without_request_id(message));
            // Compare values, because raw fields keep their white space.
            assert_eq!(written.parse::<Value>().unwrap(), typed.parse::<Value>().unwrap(), "{}", vector["name"]);
        }
        assert_eq!(seen.len(), ClientMessage::TYPES.len(), "there is a vector for each command");
    }
}
