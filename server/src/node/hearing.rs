//! What this node hears from the others on the bus, and whom it concerns.

use std::sync::Arc;

use realtime_gateway_protocol::ServerMessage;

use super::Node;
use crate::{
    bus::{Heard, Hearing, Whisper},
    frame::Frame,
};

impl Node {
    /// Listens until the bus ends.
    pub(crate) async fn listen(self: Arc<Self>, mut hearing: Hearing) {
        while let Some(heard) = hearing.recv().await {
            match heard {
                Heard::Doorbell(doorbell) => self.hub.ring(doorbell),
                Heard::Whisper(whisper) => self.take_whisper(whisper),
                Heard::Note(note) => self.heed(note),
                Heard::Back => self.presences.tell_watchers_again(),
            }
        }
    }

    fn take_whisper(&self, whisper: Whisper) {
        match whisper.message {
            ServerMessage::PresenceChanged(change) => self.presences.heard(change),
            ServerMessage::Typing(typing) => {
                let user = typing.user_id.clone();
                self.hub.whisper(&whisper.topic, &Frame::push(typing.into()), &user);
            }
            // A later version may whisper more.
            _ => {}
        }
    }
}
