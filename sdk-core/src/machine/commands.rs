//! Handles the commands of the app and puts them into queues.

use realtime_gateway_protocol::{ClanId, ErrorCode, SendTyping};

use super::{Action, Command, Draft, Input, Machine, Stage, Ticket, input::closed_by_app, queries::Body};
use crate::{Error, Outcome, Topic};

/// The maximum number of bytes that a `requestId` adds to a frame.
const REQUEST_ID_BYTES: u64 = 40;

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
                if topic == Topic::Notifications {
                    self.pending.get_or_insert_default();
                }
                let until = self.now.saturating_add(timeout);
                self.subscriptions.join(stream, topic, options, until, &mut self.wire);
            }
            Command::Watch(stream) => self.watchers.push(stream),
            Command::FollowServer(stream, from) => self.server_side.join(stream, from, &mut self.wire),
            Command::Drop(stream) => {
                self.watchers.retain(|watcher| *watcher != stream);
                self.server_side.leave(stream);
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
            Command::Typing(clan, is_typing) => self.typing_command(clan, is_typing),
            Command::Ack { ticket, ids, timeout } => {
                // Record this immediately. If the acknowledgement is lost, it is repeated.
                self.subscriptions.acknowledged(&ids);
                let until = self.now.saturating_add(timeout);
                let result = self.acks.push(ticket, ids, until, &mut self.wire);
                self.refuse(ticket, result);
            }
            Command::Query { ticket, query, timeout } => {
                let until = self.now.saturating_add(timeout);
                let result = self.queries.push(ticket, Body::Query(query), until);
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

    /// Refuses every command after the client has ended.
    #[inline(never)]
    pub(super) fn handle_closed(&mut self, input: Input<'_>, error: &Error) {
        let Input::Command(command) = input else { return };
        match command {
            Command::Subscribe { stream, .. } | Command::FollowServer(stream, _) => {
                self.wire.act(Action::Subscribed(stream, Err(error.clone())))
            }
            Command::Watch(stream) => self.wire.act(Action::Ended(stream, error.clone())),
            command => {
                if let Some(ticket) = command.ticket() {
                    self.wire.resolve(ticket, Err(error.clone()));
                }
            }
        }
    }

    /// Handles commands while the client is paused: streams wait, and every other command is refused.
    #[inline(never)]
    pub(super) fn handle_paused(&mut self, input: Input<'_>, error: &Error) {
        match input {
            Input::Resume => self.resume(),
            Input::Command(Command::Watch(stream)) => self.watchers.push(stream),
            Input::Command(
                command @ (Command::Drop(_) | Command::Missed(..) | Command::Drained(_) | Command::Close),
            ) => self.command(command),
            // Events of closed connections, and a token that is not needed, have no effect.
            input => self.handle_closed(input, error),
        }
    }

    fn refuse(&mut self, ticket: Ticket, result: Result<(), Error>) {
        if let Err(error) = result {
            self.wire.resolve(ticket, Err(error));
        }
    }

    /// Refuses a message that is too large, because the gateway would close the connection with 1009.
    fn check_size(&self, command: &Draft) -> Result<(), Error> {
        let length = u64::try_from(command.len()).unwrap_or(u64::MAX);
        if length.saturating_add(REQUEST_ID_BYTES) <= self.max_message_bytes {
            return Ok(());
        }
        let message = ["a message has at most ", &self.max_message_bytes.to_string(), " bytes"].concat();
        Err(Error::refused(ErrorCode::MessageTooLarge, message, None).with_outcome(Outcome::NotSent))
    }

    /// Sends a typing command if it can be sent now. Otherwise drops it, because it is useless later.
    fn typing_command(&mut self, clan_id: ClanId, is_typing: bool) {
        let now = self.now;
        let expired = self.tokens.expired();
        let Some(connection) = self.connections.iter_mut().rev().find(|connection| connection.is_live()) else {
            return;
        };
        let attempt = connection.attempt;
        let Stage::Live { pacer, .. } = &mut connection.stage else { return };
        if !expired && self.typing.is_due(&clan_id, is_typing, now) && pacer.take(now) {
            self.wire.send(attempt, SendTyping { clan_id, is_typing });
        }
    }
}
