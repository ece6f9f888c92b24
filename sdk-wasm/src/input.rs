//! What the JavaScript driver gives as text: the configuration, and the commands that calls and streams come down to.

use realtime_gateway_sdk::{
    Position, Topic,
    machine::{self, Command, Draft, Millis, Publication, SubscribeOptions, Ticket},
    protocol::{DecodeError, DeviceId, GetChatHistory, HistoryLimit, NotificationId, Outline, StoredId},
};

/// What a core is made with.
pub(crate) struct Config {
    machine: machine::Config,
}

impl Config {
    /// Reads `seed` (four random numbers of 32 bits), `name`, `version`, `reconnect` (the shortest and the longest wait)
    /// and perhaps `deviceId`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let config = Outline::of_object(text).map_err(problem)?;
        let [a, b, c, d] = *config.wholes("seed") else { return Err("seed: four numbers are expected".to_owned()) };
        let reconnection = match *config.wholes("reconnect") {
            [min, max] => machine::Reconnection { min, max },
            _ => machine::Reconnection::default(),
        };
        let device_id = config.text("deviceId").map(DeviceId::new).transpose();
        let text = |name| config.text(name).unwrap_or_default().into_owned();
        Ok(Self {
            machine: machine::Config {
                seed: [a << 32 | b, c << 32 | d],
                device_id: device_id.map_err(|error| format!("deviceId: {error}"))?,
                client_name: text("name"),
                client_version: text("version"),
                reconnection,
            },
        })
    }

    pub(crate) fn machine(&self) -> machine::Config {
        self.machine.clone()
    }
}

/// A command of the app's, of this type and with these fields.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn call(type_name: &str, fields: &str, ticket: u64, timeout: Millis) -> Result<Command, String> {
    let outline = Outline::of_command(type_name, fields).map_err(problem)?;
    let ticket = Ticket(ticket);
    command(&outline, ticket, timeout).ok_or_else(|| format!("{type_name} is not a call"))
}

fn command(outline: &Outline<'_>, ticket: Ticket, timeout: Millis) -> Option<Command> {
    Some(match outline.type_name() {
        "chat" | "publish" => Command::Send { ticket, publication: Publication::of(outline)?, timeout },
        "chat_history" => {
            let question = GetChatHistory {
                clan_id: id(outline, "clanId")?,
                before: outline.whole("before"),
                after: outline.whole("after"),
                limit: number(outline, "limit").and_then(HistoryLimit::new).unwrap_or_default(),
            };
            Command::Query { ticket, question: question.into(), timeout }
        }
        "presence" => Command::Query { ticket, question: Draft::of(outline), timeout },
        "notification_ack" => {
            let one = id::<NotificationId>(outline, "notificationId");
            let more = outline.texts("notificationIds");
            let ids = one.into_iter().chain(more.iter().filter_map(|id| StoredId::from_stored(id).ok())).collect();
            Command::Ack { ticket, ids, timeout }
        }
        "typing" => Command::Typing(id(outline, "clanId")?, outline.flag("isTyping")),
        _ => return None,
    })
}

/// What a subscribing command of this type and with these fields asks for.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn subscription(type_name: &str, fields: &str) -> Result<(Topic, SubscribeOptions), String> {
    let outline = Outline::of_command(type_name, fields).map_err(problem)?;
    let topic = topic(&outline).ok_or_else(|| format!("{type_name} does not subscribe"))?;
    if topic == Topic::Notifications {
        return Ok((topic, SubscribeOptions::default()));
    }
    let from = outline.object("recover").and_then(|recover| {
        let (offset, epoch) = (recover.whole("offset")?, recover.text("epoch")?);
        Position::new(offset, epoch).ok()
    });
    let options = SubscribeOptions { from, history: number(&outline, "history"), presence: outline.flag("presence") };
    Ok((topic, options))
}

fn topic(outline: &Outline<'_>) -> Option<Topic> {
    match outline.type_name() {
        "subscribe_notifications" => Some(Topic::Notifications),
        "subscribe_clan_chat" => Some(Topic::Clan(id(outline, "clanId")?)),
        "subscribe" => Some(Topic::Service(id(outline, "service")?, id(outline, "topic")?)),
        _ => None,
    }
}

/// The outline has looked at the bounds of an identifier. The gateway refuses what is not seen.
fn id<T: StoredId>(outline: &Outline<'_>, name: &str) -> Option<T> {
    T::from_stored(&outline.text(name)?).ok()
}

fn number(outline: &Outline<'_>, name: &str) -> Option<u32> {
    outline.whole(name)?.try_into().ok()
}

fn problem(error: DecodeError) -> String {
    match error {
        // Without a path there is only the sentence.
        DecodeError::InvalidMessage { field, problem } if field.is_empty() => problem,
        error => error.to_string(),
    }
}
