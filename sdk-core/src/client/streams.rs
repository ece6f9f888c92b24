//! The streams of the app with their buffers. A stream that the app has left keeps its subscription for another second.

use crate::{
    Delivery, Position, Topic,
    machine::{Buffer, Millis, Overflow, StreamId, SubscribeOptions, Taken},
};

/// How long a stream keeps its subscription after the app has left it, so that a view that is mounted twice in a row
/// subscribes only once.
const LINGER: Millis = 1_000;

/// One stream, with the number that the driver uses for it.
struct Stream {
    id: StreamId,
    number: u64,
    /// The topic. `None` for the stream of all server-side subscriptions.
    topic: Option<Topic>,
    options: SubscribeOptions,
    capacity: usize,
    buffer: Buffer,
    /// `Some` once the stream is confirmed, with the position at which it begins.
    confirmed: Option<Option<Position>>,
    /// Whether no item was taken yet, so that the stream can be reused as a new one.
    unread: bool,
    /// The time until which the stream keeps its subscription after the app has left it.
    lingers_until: Option<Millis>,
}

/// All streams. There are few of them, so a linear search is used.
#[derive(Default)]
pub(super) struct Streams {
    streams: Vec<Stream>,
}

/// The result of adding a stream.
pub(super) enum Joined {
    /// The stream is new and has to be subscribed.
    New,
    /// A lingering stream that is not confirmed yet is reused.
    Unconfirmed,
    /// A lingering stream that was confirmed with this position is reused.
    Confirmed(Option<Position>),
}

impl Streams {
    /// Adds a stream, or reuses a lingering one of the same topic and options.
    pub(super) fn join(&mut self, number: u64, topic: &Topic, options: &SubscribeOptions, capacity: usize) -> Joined {
        let lingering = self.streams.iter_mut().find(|stream| {
            let same =
                stream.topic.as_ref() == Some(topic) && stream.options == *options && stream.capacity == capacity;
            stream.lingers_until.is_some() && stream.unread && same
        });
        if let Some(stream) = lingering {
            stream.number = number;
            stream.lingers_until = None;
            return stream.confirmed.clone().map_or(Joined::Unconfirmed, Joined::Confirmed);
        }
        let overflow = if *topic == Topic::Notifications { Overflow::Redeliver } else { Overflow::Gap };
        self.streams.push(Stream {
            id: StreamId(number),
            number,
            topic: Some(topic.clone()),
            options: options.clone(),
            capacity,
            buffer: Buffer::new(capacity, overflow),
            confirmed: None,
            unread: true,
            lingers_until: None,
        });
        Joined::New
    }

    /// Adds a stream of all server-side subscriptions.
    pub(super) fn follow_server(&mut self, number: u64, capacity: usize) {
        self.streams.push(Stream {
            id: StreamId(number),
            number,
            topic: None,
            options: SubscribeOptions::default(),
            capacity,
            buffer: Buffer::new(capacity, Overflow::Count),
            confirmed: None,
            unread: true,
            lingers_until: None,
        });
    }

    /// Records that the app has left a stream. The stream lingers from now on.
    pub(super) fn leave(&mut self, number: u64, now: Millis) {
        if let Some(stream) = self.numbered(number) {
            stream.lingers_until = Some(now + LINGER);
            if !stream.unread {
                stream.buffer.clear();
            }
        }
    }

    /// Removes the streams that have lingered long enough, and returns them.
    pub(super) fn take_expired(&mut self, now: Millis) -> Vec<StreamId> {
        let expired = |stream: &Stream| stream.lingers_until.is_some_and(|until| now >= until);
        let ids = self.streams.iter().filter(|stream| expired(stream)).map(|stream| stream.id).collect();
        self.streams.retain(|stream| !expired(stream));
        ids
    }

    /// Returns when the next lingering stream has to be removed.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.streams.iter().filter_map(|stream| stream.lingers_until).min()
    }

    /// Records that the machine has confirmed a stream. Returns the number of the stream, unless it lingers.
    pub(super) fn confirmed(&mut self, id: StreamId, position: Option<Position>) -> Option<u64> {
        let stream = self.stream(id)?;
        stream.confirmed = Some(position.clone());
        stream.buffer.begin_at(position);
        stream.lingers_until.is_none().then_some(stream.number)
    }

    /// Records that a stream has ended. Its buffered items can still be taken. Returns the number of the stream, unless it
    /// lingers.
    pub(super) fn ended(&mut self, id: StreamId) -> Option<u64> {
        let stream = self.stream(id)?;
        // An ended stream cannot be reused as a new one.
        stream.unread = false;
        stream.lingers_until.is_none().then_some(stream.number)
    }

    /// Removes a stream that was refused. Returns its number, unless it lingers.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<u64> {
        let at = self.streams.iter().position(|stream| stream.id == id)?;
        let stream = self.streams.swap_remove(at);
        stream.lingers_until.is_none().then_some(stream.number)
    }

    /// Queues a delivery. Returns the number of the stream, unless it lingers, and whether the delivery did not fit and the
    /// machine has to repeat it.
    pub(super) fn push(&mut self, id: StreamId, delivery: Delivery) -> (Option<u64>, bool) {
        let Some(stream) = self.stream(id) else { return (None, false) };
        // The stream has ended or lingers without a reader.
        if stream.lingers_until.is_some() && !stream.unread {
            return (None, false);
        }
        let missed = stream.buffer.push(delivery).is_some();
        (stream.lingers_until.is_none().then_some(stream.number), missed)
    }

    /// Returns the next item of a stream. Also returns the id of the stream if its slow reader has caught up now.
    pub(super) fn take(&mut self, number: u64) -> Option<(Taken, Option<StreamId>)> {
        let stream = self.numbered(number)?;
        let taken = stream.buffer.take()?;
        stream.unread = false;
        Some((taken, stream.buffer.take_drained().then_some(stream.id)))
    }

    fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    fn numbered(&mut self, number: u64) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.number == number && stream.lingers_until.is_none())
    }
}
