//! The channels of a broker in memory.

use std::{collections::VecDeque, future::Future};

use super::{MemoryBroker, Message, Poison, Queue, State};
use crate::bus::broker::{
    ChannelError, Consumer, DeadLetter, DeadLetterForm, Delivery, OutboundEvent, Outcome, Publisher, Settled,
};

/// How many deliveries a channel has at most that are not acknowledged.
const PREFETCH: usize = 256;

/// What a [`MemoryBroker`] takes.
pub trait Publication: Send + 'static {
    /// Takes it.
    ///
    /// # Errors
    /// Why the channel fails over it.
    #[expect(private_interfaces, reason = "only this file implements and calls it")]
    fn accept(self, state: &mut State) -> Result<Outcome, ChannelError>;
}

impl Publication for OutboundEvent {
    #[expect(private_interfaces, reason = "see the trait")]
    fn accept(self, state: &mut State) -> Result<Outcome, ChannelError> {
        let bound = |prefix: &str| self.key.starts_with(prefix);
        let is_full = |queue: &Queue| queue.capacity.is_some_and(|capacity| queue.events.len() >= capacity);
        if state.refusing || state.queues.iter().any(|(prefix, queue)| bound(prefix) && is_full(queue)) {
            return Ok(Outcome::Refused);
        }
        let mut outcome = Outcome::Unroutable;
        for (_, queue) in state.queues.iter_mut().filter(|(prefix, _)| self.key.starts_with(prefix.as_str())) {
            queue.events.push_back(self.clone());
            outcome = Outcome::Routed;
        }
        Ok(outcome)
    }
}

impl Publication for DeadLetter<()> {
    #[expect(private_interfaces, reason = "see the trait")]
    fn accept(self, state: &mut State) -> Result<Outcome, ChannelError> {
        let poison = state.poison.as_ref().filter(|(key, _)| self.form == DeadLetterForm::Complete && *key == self.key);
        match poison {
            Some((_, Poison::Channel)) => return Err(ChannelError::InvalidContent("the content is refused".into())),
            Some((_, Poison::Connection)) => {
                state.publishing += 1;
                return Err(disconnected());
            }
            None => {}
        }
        if state.refusing {
            return Ok(Outcome::Refused);
        }
        if state.losing_dead_letters {
            return Ok(Outcome::Unroutable);
        }
        state.dead_letters.push(self);
        Ok(Outcome::Routed)
    }
}

/// A channel of a [`MemoryBroker`] that publishes.
#[derive(Debug)]
pub struct MemoryPublisher<M> {
    pub(super) broker: MemoryBroker,
    pub(super) connection: u64,
    pub(super) queue: VecDeque<(u64, M)>,
    /// What the broker has taken and not settled.
    pub(super) accepted: Vec<Settled>,
}

impl<M: Publication> MemoryPublisher<M> {
    fn poll(&mut self, state: &mut State, is_blocked: bool) -> Option<Result<Vec<Settled>, ChannelError>> {
        if state.publishing != self.connection {
            return Some(Err(disconnected()));
        }
        while !is_blocked && let Some((tag, message)) = self.queue.pop_front() {
            match message.accept(state) {
                Ok(outcome) => self.accepted.push(Settled { tag, outcome }),
                Err(error) => return Some(Err(error)),
            }
        }
        if state.holding || self.accepted.is_empty() {
            return None;
        }
        let count = 1 + state.random(self.accepted.len());
        let settled = (0..count).map(|_| {
            let index = state.random(self.accepted.len());
            self.accepted.swap_remove(index)
        });
        Some(Ok(settled.collect()))
    }
}

impl<M: Publication> Publisher<M> for MemoryPublisher<M> {
    fn publish(&mut self, tag: u64, message: M) {
        self.queue.push_back((tag, message));
    }

    async fn settled(&mut self) -> Result<Vec<Settled>, ChannelError> {
        let broker = self.broker.clone();
        broker
            .wait(|state| {
                let is_blocked = *broker.0.blocked.borrow();
                self.poll(state, is_blocked)
            })
            .await
    }

    async fn close(self) {}

    async fn abandon(self, _reason: &'static str) {
        self.broker.change(|state| {
            if state.publishing == self.connection {
                state.publishing += 1;
            }
        });
    }
}

/// A channel of a [`MemoryBroker`] that consumes.
#[derive(Debug)]
pub struct MemoryConsumer {
    pub(super) broker: MemoryBroker,
    pub(super) connection: u64,
    pub(super) channel: u64,
    pub(super) tags: u64,
    pub(super) cancelled: bool,
}

impl Consumer<()> for MemoryConsumer {
    async fn next(&mut self) -> Result<Delivery<()>, ChannelError> {
        let broker = self.broker.clone();
        let deliver = |state: &mut State| {
            if state.consuming != self.connection {
                return Some(Err(disconnected()));
            }
            let open = state.unacknowledged.range((self.channel, 0)..=(self.channel, u64::MAX)).count();
            if self.cancelled || open >= PREFETCH {
                return None;
            }
            let message = state.inbound.pop_front()?;
            self.tags += 1;
            state.unacknowledged.insert((self.channel, self.tags), message.clone());
            let Message { key, id, body, .. } = message;
            Some(Ok(Delivery { tag: self.tags, key, id, body, trace: None, unreadable: None, original: () }))
        };
        broker.wait(deliver).await
    }

    fn acknowledge(&self, tag: u64) -> impl Future<Output = Result<(), ChannelError>> + Send + 'static {
        let (broker, connection, channel) = (self.broker.clone(), self.connection, self.channel);
        async move {
            broker.change(|state| {
                if state.consuming != connection {
                    return Err(disconnected());
                }
                state.unacknowledged.remove(&(channel, tag));
                Ok(())
            })
        }
    }

    async fn cancel(&mut self) -> Result<(), ChannelError> {
        self.cancelled = true;
        Ok(())
    }

    async fn close(self) {}
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.broker.change(|state| state.close_consumer(self.channel));
    }
}

fn disconnected() -> ChannelError {
    ChannelError::Disconnected("the connection is lost".into())
}
