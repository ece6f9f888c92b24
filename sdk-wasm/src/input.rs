//! What the JavaScript driver gives as text: the configuration, and the commands that calls and streams come down to.

use realtime_gateway_sdk::{
    Topic,
    machine::{self, Command, Millis, SubscribeOptions, Ticket},
    protocol::{
        DecodeError, DeviceId, GetChatHistory, GetPresence, NotificationAck, Publish, SendChat, SendTyping, Subscribe,
        SubscribeClanChat, decode_object,
    },
};
use serde::{Deserialize, de::DeserializeOwned};

/// What a core is made with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// Random numbers of 32 bits.
    seed: [u32; 4],
    #[serde(default)]
    device_id: Option<DeviceId>,
    name: String,
    version: String,
}

impl Config {
    pub(crate) fn machine(&self) -> machine::Config {
        let [a, b, c, d] = self.seed.map(u64::from);
        machine::Config {
            seed: [a << 32 | b, c << 32 | d],
            device_id: self.device_id.clone(),
            client_name: self.name.clone(),
            client_version: self.version.clone(),
        }
    }
}

/// A command of the app's, of this type and with these fields.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn call(type_name: &str, fields: &str, ticket: u64, timeout: Millis) -> Result<Command, String> {
    let ticket = Ticket(ticket);
    Ok(match type_name {
        "chat" => Command::Send { ticket, message: read::<SendChat>(fields)?.into(), timeout },
        "publish" => Command::Send { ticket, message: read::<Publish>(fields)?.into(), timeout },
        "chat_history" => Command::Query { ticket, message: read::<GetChatHistory>(fields)?.into(), timeout },
        "presence" => Command::Query { ticket, message: read::<GetPresence>(fields)?.into(), timeout },
        "notification_ack" => {
            let ack: NotificationAck = read(fields)?;
            let ids = ack.notification_id.into_iter().chain(ack.notification_ids.unwrap_or_default()).collect();
            Command::Ack { ticket, ids, timeout }
        }
        "typing" => {
            let typing: SendTyping = read(fields)?;
            Command::Typing(typing.clan_id, typing.is_typing)
        }
        other => return Err(format!("{other} is not a call")),
    })
}

/// What a subscribing command of this type and with these fields asks for.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn subscription(type_name: &str, fields: &str) -> Result<(Topic, SubscribeOptions), String> {
    let (topic, recover, history, presence) = match type_name {
        "subscribe_notifications" => (Topic::Notifications, None, None, None),
        "subscribe_clan_chat" => {
            let chat: SubscribeClanChat = read(fields)?;
            (Topic::Clan(chat.clan_id), chat.recover, chat.history, chat.presence)
        }
        "subscribe" => {
            let wish: Subscribe = read(fields)?;
            (Topic::Service(wish.service, wish.topic), wish.recover, wish.history, None)
        }
        other => return Err(format!("{other} does not subscribe")),
    };
    let options = SubscribeOptions { from: recover.map(Into::into), history, presence: presence == Some(true) };
    Ok((topic, options))
}

fn read<T: DeserializeOwned>(fields: &str) -> Result<T, String> {
    decode_object(fields).map_err(|error| match (error.field().is_some_and(str::is_empty), error) {
        // Without a path there is only the sentence.
        (true, DecodeError::InvalidMessage { problem, .. }) => problem,
        (_, error) => error.to_string(),
    })
}
