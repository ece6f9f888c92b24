//! What the app wants, and which room takes it.

use realtime_gateway_protocol::{ClanId, ErrorCode, SendTyping};

use super::{Action, Command, Draft, Input, Machine, Stage, Ticket, input::closed_by_app, queries::Body};
use crate::{Error, Outcome};

/// What a `requestId` adds to a frame, at most.
const REQUEST_ID_BYTES: usize = 40;

impl Machine {
    pub(super) fn command(&mut self, command: Command) {
        self.wanted |= !matches!(command, Command::Drop(_) | Command::Close);
        match command {
            Command::Subscribe { stream, topic, options, timeout } => {
                if options.history.is_some_and(|history| history > 100) {
                    let error = Error::invalid("history is 0 to 100");
                    self.wire.act(Action::Subscribed(stream, Err(error)));
                    return;
                }
                let until = self.now.saturating_add(timeout);
                self.subscriptions.join(stream, topic, options, until, &mut self.wire);
            }
            Command::Watch(stream) => self.watchers.push(stream),
            Command::Drop(stream) => {
                self.watchers.retain(|watcher| *watcher != stream);
                self.subscriptions.leave(stream, &mut self.wire);
            }
            Command::Missed(stream, id) => self.subscriptions.missed(stream, &id),
            Command::Drained(stream) => self.subscriptions.drained(stream),
            Command::Send { ticket, publication, timeout } => {
                let until = self.now.saturating_add(timeout);
                let result = self.check_size(&publication.draft).and_then(|()| {
                    self.sends.push(ticket, publication, until, self.state.is_connected(), &self.instance)
                });
                self.refuse(ticket, result);
            }
            Command::Typing(clan, is_typing) => self.type_in(clan, is_typing),
            Command::Ack { ticket, ids, timeout } => {
                // Also when the acknowledgement is lost: it is repeated, and the app has seen these.
                self.subscriptions.acknowledged(&ids);
                let until = self.now.saturating_add(timeout);
                let result = self.acks.push(ticket, ids, until, &mut self.wire);
                self.refuse(ticket, result);
            }
            Command::Query { ticket, question, timeout } => {
                let until = self.now.saturating_add(timeout);
                let result = self.queries.push(ticket, Body::Question(question), until);
                self.refuse(ticket, result);
            }
            Command::Request { ticket, command, timeout } => {
                let until = self.now.saturating_add(timeout);
                let result = self.check_size(&command);
                let result = result.and_then(|()| self.queries.push(ticket, Body::Raw(command), until));
                self.refuse(ticket, result);
            }
            Command::Close => self.close(closed_by_app()),
        }
    }

    /// After the end nothing is done, and everything is answered.
    pub(super) fn handle_closed(&mut self, input: Input<'_>, error: &Error) {
        let Input::Command(command) = input else { return };
        match command {
            Command::Subscribe { stream, .. } => self.wire.act(Action::Subscribed(stream, Err(error.clone()))),
            Command::Watch(stream) => self.wire.act(Action::Ended(stream, error.clone())),
            command => {
                if let Some(ticket) = command.ticket() {
                    self.wire.resolve(ticket, Err(error.clone()));
                }
            }
        }
    }

    /// While the client is paused its streams wait, and everything else is answered.
    pub(super) fn handle_paused(&mut self, input: Input<'_>, error: &Error) {
        match input {
            Input::Resume => self.resume(),
            Input::Command(Command::Watch(stream)) => self.watchers.push(stream),
            Input::Command(
                command @ (Command::Drop(_) | Command::Missed(..) | Command::Drained(_) | Command::Close),
            ) => self.command(command),
            // News of connections that are gone, and a token that is not needed, have no effect.
            input => self.handle_closed(input, error),
        }
    }

    fn refuse(&mut self, ticket: Ticket, result: Result<(), Error>) {
        if let Err(error) = result {
            self.wire.resolve(ticket, Err(error));
        }
    }

    /// The gateway closes a connection that sends too much (1009): what is too large never leaves.
    fn check_size(&self, command: &Draft) -> Result<(), Error> {
        if command.len() + REQUEST_ID_BYTES <= self.max_message_bytes {
            return Ok(());
        }
        let message = format!("a message has at most {} bytes", self.max_message_bytes);
        Err(Error::refused(ErrorCode::MessageTooLarge, message, None).with_outcome(Outcome::NotSent))
    }

    /// Typing is news of the moment: it is sent now or not at all.
    fn type_in(&mut self, clan_id: ClanId, is_typing: bool) {
        let now = self.now;
        let expired = self.tokens.expired();
        let Some(link) = self.links.iter_mut().rev().find(|link| link.is_live()) else { return };
        let attempt = link.attempt;
        let Stage::Live { pacer, .. } = &mut link.stage else { return };
        if !expired && self.typing.news(&clan_id, is_typing, now) && pacer.take(now) {
            self.wire.tell(attempt, SendTyping { clan_id, is_typing });
        }
    }
}
