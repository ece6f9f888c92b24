//! The app's streams: their buffers, and the second for which one that was let go lingers, in case it is wanted again.

use realtime_gateway_sdk::{
    Delivery, Position, Topic,
    machine::{Buffer, Millis, Overflow, StreamId, SubscribeOptions, Taken},
};

/// How long a stream that was let go keeps its subscription: a view that is mounted twice subscribes once.
const LINGER: Millis = 1_000;

/// One stream of the machine's, under the name that the app knows it by.
struct Stream {
    id: StreamId,
    name: u64,
    topic: Topic,
    options: SubscribeOptions,
    capacity: usize,
    buffer: Buffer,
    /// Confirmed, and where it begins.
    joined: Option<Option<Position>>,
    /// Nothing was taken from it yet: it is as good as a new one.
    fresh: bool,
    /// Let go, and kept until then.
    until: Option<Millis>,
}

/// All streams: so few that they are found by looking at each.
#[derive(Default)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
}

/// What became of a wish for a stream.
pub(crate) enum Wished {
    /// The machine is to be asked.
    New,
    /// One that was let go just now is the app's again, and waits for its confirmation.
    Waiting,
    /// One that was let go just now is the app's again, and was confirmed with this position.
    Joined(Option<Position>),
}

impl Streams {
    /// A new stream, unless one that lingers is just what is asked for.
    pub(crate) fn wish(&mut self, name: u64, topic: &Topic, options: &SubscribeOptions, capacity: usize) -> Wished {
        let lingering = self.streams.iter_mut().find(|stream| {
            let same = stream.topic == *topic && stream.options == *options && stream.capacity == capacity;
            stream.until.is_some() && stream.fresh && same
        });
        if let Some(stream) = lingering {
            stream.name = name;
            stream.until = None;
            return stream.joined.clone().map_or(Wished::Waiting, Wished::Joined);
        }
        let overflow = if *topic == Topic::Notifications { Overflow::Redeliver } else { Overflow::Gap };
        self.streams.push(Stream {
            id: StreamId(name),
            name,
            topic: topic.clone(),
            options: options.clone(),
            capacity,
            buffer: Buffer::new(capacity, overflow),
            joined: None,
            fresh: true,
            until: None,
        });
        Wished::New
    }

    /// The app let a stream go: it lingers.
    pub(crate) fn leave(&mut self, name: u64, now: Millis) {
        if let Some(stream) = self.named(name) {
            stream.until = Some(now + LINGER);
            if !stream.fresh {
                stream.buffer.clear();
            }
        }
    }

    /// Those that have lingered long enough.
    pub(crate) fn overdue(&mut self, now: Millis) -> Vec<StreamId> {
        let over = |stream: &Stream| stream.until.is_some_and(|until| now >= until);
        let ids = self.streams.iter().filter(|stream| over(stream)).map(|stream| stream.id).collect();
        self.streams.retain(|stream| !over(stream));
        ids
    }

    /// When the next has lingered long enough.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.streams.iter().filter_map(|stream| stream.until).min()
    }

    /// The machine confirmed a stream; the app's name for it, if the app has it.
    pub(crate) fn joined(&mut self, id: StreamId, position: Option<Position>) -> Option<u64> {
        let stream = self.stream(id)?;
        stream.joined = Some(position.clone());
        stream.buffer.begin_at(position);
        stream.until.is_none().then_some(stream.name)
    }

    /// A stream is over, but for what is still in its buffer; the app's name for it, if the app has it.
    pub(crate) fn ended(&mut self, id: StreamId) -> Option<u64> {
        let stream = self.stream(id)?;
        // Nobody can have it again.
        stream.fresh = false;
        stream.until.is_none().then_some(stream.name)
    }

    /// A stream was refused; the app's name for it, if the app has it.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<u64> {
        let at = self.streams.iter().position(|stream| stream.id == id)?;
        let stream = self.streams.swap_remove(at);
        stream.until.is_none().then_some(stream.name)
    }

    /// Queues a delivery: the app's name for the stream, and whether the delivery has to come again.
    pub(crate) fn push(&mut self, id: StreamId, delivery: Delivery) -> (Option<u64>, bool) {
        let Some(stream) = self.stream(id) else { return (None, false) };
        // Nobody will read it.
        if stream.until.is_some() && !stream.fresh {
            return (None, false);
        }
        let missed = stream.buffer.push(delivery).is_some();
        (stream.until.is_none().then_some(stream.name), missed)
    }

    /// The next thing for the app, and whether the machine is to be told that there is room again.
    pub(crate) fn take(&mut self, name: u64) -> Option<(Delivery, bool)> {
        let stream = self.named(name)?;
        match stream.buffer.take()? {
            Taken::Delivery(delivery) => {
                stream.fresh = false;
                Some((delivery, stream.buffer.is_drained()))
            }
            // Only streams of everything count what they missed.
            Taken::Missed(_) => None,
        }
    }

    /// The machine's name for a stream whose reader has caught up.
    pub(crate) fn drained(&mut self, name: u64) -> Option<StreamId> {
        let stream = self.named(name)?;
        stream.buffer.take_drained().then_some(stream.id)
    }

    fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    fn named(&mut self, name: u64) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.name == name && stream.until.is_none())
    }
}
