//! The floor: a server on one thread that only passes messages on, as the yardstick of what a delivery has to cost.
//!
//! A message is framed once, and written to the socket of each subscriber directly. There are no tokens, no log, no
//! limits, no confirmations, and nothing ends a client that does not read. With `--floor batched`, messages that arrive
//! together leave with one write for each socket.

mod batch;
mod subscriber;
mod upgrade;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use bytes::Bytes;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

use self::{batch::Batch, subscriber::Subscriber};
use crate::frames::{CLOSE, Frame, TEXT, append_plain, unmask};

/// When a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Writes {
    /// Immediately, each message with a system call for each subscriber.
    Direct,
    /// After all messages that have arrived are read, with one system call for each subscriber.
    Batched,
}

/// The subscribers of each topic.
type Topics = Rc<RefCell<HashMap<u32, Vec<Rc<Subscriber>>>>>;

/// Serves until the process is killed.
pub(crate) fn serve(writes: Writes) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        let topics = Topics::default();
        let batch = (writes == Writes::Batched).then(Batch::start);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            spawn_local(client(stream, topics.clone(), batch.clone()));
        }
    }));
}

/// Serves a connection until it ends. The load generator reports a connection that ends too early.
async fn client(mut stream: TcpStream, topics: Topics, batch: Option<Rc<Batch>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let request = upgrade::accept(&mut stream).await?;
    match request.strip_prefix("/sub/").and_then(|range| range.split_once('/')) {
        Some((first, count)) => {
            let (first, count): (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
            let subscriber = Rc::new(Subscriber::new(stream));
            for topic in first..first + count {
                topics.borrow_mut().entry(topic).or_default().push(subscriber.clone());
            }
            subscriber.run().await;
            for topic in first..first + count {
                if let Some(subscribers) = topics.borrow_mut().get_mut(&topic) {
                    subscribers.retain(|other| !Rc::ptr_eq(other, &subscriber));
                }
            }
        }
        None => publish(stream, &topics, batch.as_deref()).await,
    }
    Some(())
}

/// Passes the messages of a publisher on.
async fn publish(mut stream: TcpStream, topics: &Topics, batch: Option<&Batch>) {
    let mut unread = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut unread).await {
        let mut taken = 0;
        while let Some(frame) = Frame::first(&unread[taken..]) {
            let payload = &mut unread[taken + frame.start..taken + frame.end];
            taken += frame.end;
            if let Some(key) = frame.key {
                unmask(payload, key);
            }
            match frame.opcode {
                TEXT => pass_on(payload, topics, batch),
                CLOSE => return,
                _ => {}
            }
        }
        unread.drain(..taken);
    }
}

/// Passes a message on to the subscribers of its topic, whose number it begins with.
fn pass_on(message: &[u8], topics: &Topics, batch: Option<&Batch>) {
    let digits = message.iter().take_while(|byte| byte.is_ascii_digit());
    let topic = digits.fold(0_u32, |number, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
    let topics = topics.borrow();
    let Some(subscribers) = topics.get(&topic) else { return };
    let mut frame = Vec::with_capacity(message.len() + 4);
    append_plain(&mut frame, TEXT, message);
    let frame = Bytes::from(frame);
    match batch {
        Some(batch) => subscribers.iter().for_each(|subscriber| batch.add(subscriber, &frame)),
        None => subscribers.iter().for_each(|subscriber| subscriber.push(&frame)),
    }
}
