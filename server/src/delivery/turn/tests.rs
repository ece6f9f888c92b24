//! What leaves in which turn. A real socket is in `server/tests/sockets/turns.rs`.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    task::Wake,
};

use parking_lot::Mutex;

use super::*;
use crate::{
    delivery::{frame::Frame, outbound::QueueWriter},
    runtime::tasks::Tasks,
};

/// A loop, which counts its turns and what is written.
#[derive(Default)]
struct Loop {
    turns: AtomicU32,
    /// The texts of each write, with the name of the client and the turn.
    writes: Mutex<Vec<(u32, &'static str, String)>>,
}

/// The socket of a client, which accepts everything.
struct Socket {
    client: &'static str,
    event_loop: Arc<Loop>,
}

impl QueueWriter for Socket {
    fn write_queued(&self, outbound: &Outbound) {
        let mut batch = VecDeque::new();
        outbound.take_queued(&mut batch);
        if batch.is_empty() {
            return;
        }
        outbound.written(batch.iter().map(Frame::len).sum());
        let texts: Vec<_> = batch.iter().map(Frame::payload).collect();
        self.event_loop.writes.lock().push((self.event_loop.turn(), self.client, texts.join(" ")));
    }
}

impl Loop {
    /// Starts to write at the end of turns, and to count them.
    async fn start() -> Arc<Self> {
        let event_loop = Arc::new(Self::default());
        let counting = Arc::clone(&event_loop);
        let tasks = Tasks::default();
        tasks.spawn_until_stopped(write_at_end_of_turns());
        tasks.spawn_until_stopped(async move {
            loop {
                counting.turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        yield_now().await;
        event_loop
    }

    fn turn(&self) -> u32 {
        self.turns.load(Ordering::Relaxed)
    }

    fn client(self: &Arc<Self>, client: &'static str) -> Arc<Outbound> {
        let outbound = Arc::new(Outbound::new(1 << 20));
        outbound.attach(Arc::new(Socket { client, event_loop: Arc::clone(self) }));
        outbound
    }

    /// Returns what was written, with the number of turns since the first turn.
    async fn written_since(&self, first: u32) -> Vec<(u32, &'static str, String)> {
        for _ in 0..10 {
            yield_now().await;
        }
        let writes = std::mem::take(&mut *self.writes.lock());
        writes.into_iter().map(|(turn, client, texts)| (turn - first, client, texts)).collect()
    }
}

fn frame(text: &str) -> Frame {
    Frame::text("other", text)
}

/// A message for a subscriber, and its confirmation.
fn message(number: u32, subscriber: &Arc<Outbound>, publisher: &Arc<Outbound>) {
    count_message();
    subscriber.push(frame(&format!("message{number}")));
    publisher.push_deferred(frame(&format!("confirmation{number}")));
}

#[tokio::test(start_paused = true)]
async fn single_message_and_its_confirmation_leave_in_their_turn() {
    let event_loop = Loop::start().await;
    let (subscriber, publisher) = (event_loop.client("subscriber"), event_loop.client("publisher"));
    for number in 0..2 {
        let first = event_loop.turn();
        message(number, &subscriber, &publisher);
        let written = event_loop.written_since(first).await;
        let [(turn, subscriber, message), (turn_of_confirmation, publisher, confirmation)] = &written[..] else {
            panic!("{written:?}")
        };
        assert_eq!((*subscriber, &**message), ("subscriber", &*format!("message{number}")));
        assert_eq!((*publisher, &**confirmation), ("publisher", &*format!("confirmation{number}")));
        // The task that counts may run before the one that writes.
        assert!(*turn <= 1 && turn == turn_of_confirmation, "{written:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn confirmations_of_several_messages_leave_when_loop_has_nothing_else_to_write() {
    let event_loop = Loop::start().await;
    let (subscriber, publisher) = (event_loop.client("subscriber"), event_loop.client("publisher"));
    let first = event_loop.turn();
    for number in 0..3 {
        message(number * 2, &subscriber, &publisher);
        message(number * 2 + 1, &subscriber, &publisher);
        yield_now().await;
    }
    let written = event_loop.written_since(first).await;
    let (last, messages) = written.split_last().expect("something was written");
    assert!(messages.iter().all(|(_, client, _)| *client == "subscriber"), "{written:?}");
    let confirmations: Vec<_> = (0..6).map(|number| format!("confirmation{number}")).collect();
    assert_eq!((last.1, &*last.2), ("publisher", &*confirmations.join(" ")));
}

#[tokio::test(start_paused = true)]
async fn busy_loop_defers_confirmations_for_a_millisecond_at_most() {
    let event_loop = Loop::start().await;
    let (subscriber, publisher) = (event_loop.client("subscriber"), event_loop.client("publisher"));
    let mut writes = 0;
    for number in 0..100 {
        message(number * 2, &subscriber, &publisher);
        message(number * 2 + 1, &subscriber, &publisher);
        tokio::time::advance(Duration::from_micros(100)).await;
        writes = event_loop.writes.lock().iter().filter(|(_, client, _)| *client == "publisher").count();
        assert!(writes >= number as usize / 12, "in {number} turns of 100 µs there were {writes} writes");
    }
    assert!(writes <= 12, "confirmations were not written together: {writes}");
}

#[tokio::test(start_paused = true)]
async fn other_frame_takes_the_deferred_confirmation_along() {
    let event_loop = Loop::start().await;
    let (subscriber, publisher) = (event_loop.client("subscriber"), event_loop.client("publisher"));
    message(0, &subscriber, &publisher);
    message(1, &subscriber, &publisher);
    publisher.push(frame("other"));
    let written = event_loop.written_since(0).await;
    let [(turn, _, messages), (turn_of_other, client, texts)] = &written[..] else { panic!("{written:?}") };
    assert_eq!(messages, "message0 message1");
    assert_eq!((*client, &**texts), ("publisher", "confirmation0 confirmation1 other"));
    assert_eq!(turn, turn_of_other, "it does not wait until the loop has nothing else to write");
}

#[tokio::test]
async fn loop_that_ends_leaves_deferred_confirmations_to_the_connection() {
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let event_loop = Arc::new(Loop::default());
    let writing = Tasks::default().spawn_until_stopped(write_at_end_of_turns());
    yield_now().await;
    let publisher = event_loop.client("publisher");
    let connection = Arc::new(Woken(AtomicU32::new(0)));
    let (waker, mut batch) = (Waker::from(Arc::clone(&connection)), VecDeque::new());
    let mut context = std::task::Context::from_waker(&waker);
    assert!(publisher.poll_take(&mut context, &mut batch).is_pending());
    publisher.push_deferred(frame("confirmation"));
    assert!(publisher.poll_take(&mut context, &mut batch).is_pending(), "it is left to the loop");
    // A task that is aborted runs no more. One that is asked to stop might write before.
    writing.abort();
    assert!(writing.await.is_err());
    assert_eq!(connection.0.load(Ordering::Relaxed), 1);
    assert!(publisher.poll_take(&mut context, &mut batch).is_ready());
    assert_eq!(batch.iter().map(Frame::payload).collect::<Vec<_>>(), ["confirmation"]);
}
