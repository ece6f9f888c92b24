//! The message interface of [`Leadership`], with messages of the same form as those of a client.

use realtime_gateway_protocol::{ObjectText, Outline};

use super::{Action, Input, Leadership, Received};
use crate::{
    client::{InputError, Message},
    machine::Millis,
};

/// A tab, driven by messages.
pub struct Tab {
    leadership: Leadership,
}

impl Tab {
    /// Creates a tab. The configuration has a random `instance`.
    ///
    /// # Errors
    /// A sentence about the problem of the configuration.
    pub fn open(config: &str) -> Result<Self, String> {
        let config = Outline::of_object(config).map_err(|error| error.sentence())?;
        let instance = config.text("instance").ok_or("instance: a name is expected")?;
        Ok(Self { leadership: Leadership::new(instance.into_owned()) })
    }

    /// Handles one message of the driver at `now`. Returns the messages for the driver, one after the other.
    ///
    /// # Errors
    /// [`InputError`] if the input is not a message of this interface. It has no effect then.
    pub fn handle(&mut self, now: Millis, input: &str) -> Result<String, InputError> {
        let message = Message::read(input)?;
        let [kind, from, instance] = ["kind", "from", "instance"].map(|name| message.text(name));
        let input = match message.type_name() {
            "joined" => Input::Joined,
            "elected" => Input::Elected { holds: message.flag("holds"), wall_clock: message.number("wallClock") },
            "deposed" => Input::Deposed,
            "frozen" => Input::Frozen,
            "resumed" => Input::Resumed,
            "woken" => Input::Woken,
            "requested" => Input::Requested,
            "changed" => Input::Changed,
            "ended" => Input::Ended(message.flag("ended")),
            "received" => Input::Received(Received {
                kind: &kind,
                from: &from,
                reign: message.number("reign"),
                instance: &instance,
                turn: message.number("turn"),
                number: message.number("number"),
            }),
            "own_lock_held" => Input::OwnLockHeld { turn: message.number("turn") },
            "tick" => Input::Tick,
            "leave" => Input::Leave,
            _ => return Err(InputError::UnknownType),
        };
        let actions = self.leadership.handle(now, message.flag("hidden"), input);
        Ok(actions.into_iter().map(|action| self.text(action)).collect())
    }

    /// Returns when a `tick` is due, unless another input comes first.
    pub fn deadline(&self) -> Option<Millis> {
        self.leadership.deadline()
    }

    fn text(&self, action: Action) -> String {
        let mut head = ObjectText::default();
        match action {
            Action::Queue => head.text("type", "queue"),
            Action::Steal => head.text("type", "steal"),
            Action::Resign => head.text("type", "resign"),
            Action::CheckLock => head.text("type", "check_lock"),
            Action::HoldOwnLock { turn } => head.text("type", "hold_own_lock").whole("turn", turn),
            Action::Seek => head.text("type", "seek"),
            Action::Announce { to } => head.text("type", "announce").optional("to", to.as_deref()),
            Action::Ping { received, woken } => {
                head.text("type", "ping").whole("received", received).flag("woken", woken)
            }
            Action::Lead { first } => head.text("type", "lead").flag("first", first),
            Action::StopLeading => head.text("type", "stop_leading"),
            Action::Follow { leader, turn, doubtful } => {
                head.text("type", "follow").text("leader", &leader).whole("turn", turn).flag("doubtful", doubtful)
            }
            Action::Deliver => head.text("type", "deliver"),
            Action::Serve => head.text("type", "serve"),
            Action::SignedOut => head.text("type", "signed_out"),
            Action::Leave => head.text("type", "leave"),
        };
        head.whole("reign", self.leadership.reign()).text("instance", self.leadership.instance());
        head.into_string() + "\n"
    }
}
