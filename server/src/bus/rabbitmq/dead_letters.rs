//! Publishes inbound events that can never be accepted to the dead letters. A letter that the broker refuses closes
//! the channel of the dead letters and nothing else: events for backend services have a channel of their own.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{Channel, Confirmation, ErrorKind, PublisherConfirm, options::BasicPublishOptions};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Shared,
    fault::Fault,
    letter::DeadLetter,
    link::{ANSWER, Link},
    redeclare,
    returns::completed_with,
    topology::close,
    work::confirming,
};

/// How long to wait after the broker refused a letter.
const PAUSE: Duration = Duration::from_secs(1);
/// How many bytes of a frame are left for what the gateway and the other properties of a letter take.
const RESERVED: usize = 3_072;
/// AMQP reply codes (AMQP 0-9-1, section 1.2).
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;

type Confirming = BoxFuture<'static, (u64, lapin::Result<Confirmation>)>;

/// Publishes dead letters until the connection is lost.
pub(super) async fn send(link: &Link, letters: &mut mpsc::Receiver<DeadLetter>, shared: &Shared) -> Result<(), Fault> {
    // Letters that were under way when a channel closed. One of them may be the reason, so each is sent alone.
    let mut suspects = VecDeque::new();
    loop {
        let sent = async {
            let channel = confirming(link).await?;
            let sender = Sender { link, channel: &channel, shared };
            let sent = match sender.suspects(&mut suspects).await {
                Ok(()) => {
                    shared.states.trouble.dead_letters(None);
                    sender.all(letters, &mut suspects).await
                }
                refused => refused,
            };
            close(&channel).await;
            sent
        };
        let Err(fault) = sent.await else { return std::future::pending().await };
        if !link.is_up() {
            // What is under way is sent again on the next connection.
            return std::future::pending().await;
        }
        shared.states.trouble.dead_letters(Some(fault.to_string().into()));
        sleep(PAUSE).await;
        // The exchange or the queue may have been deleted.
        redeclare::declare_dead_letters(link, shared).await;
    }
}

/// Publishes on one channel.
struct Sender<'a> {
    link: &'a Link,
    channel: &'a Channel,
    shared: &'a Shared,
}

impl Sender<'_> {
    /// Publishes letters one after the other, until all of these are with the broker.
    async fn suspects(&self, suspects: &mut VecDeque<DeadLetter>) -> Result<(), Fault> {
        while let Some(mut letter) = suspects.pop_front() {
            if letter.kept.is_closed() {
                // The consumer has lost its connection: the event comes again.
                continue;
            }
            let mut blocked = self.shared.states.watch_blocked();
            if blocked.wait_for(|blocked| !*blocked).await.is_err() {
                return std::future::pending().await;
            }
            let confirmation = match self.publish(&letter).await {
                Ok(confirm) => timeout(ANSWER, confirm).await,
                Err(error) => Ok(Err(error)),
            };
            let fault = match confirmation {
                Ok(confirmation) => {
                    let Err(fault) = settle(&confirmation) else {
                        self.kept(letter);
                        continue;
                    };
                    letter.attempts += u32::from(confirmation.is_err_and(|error| is_about_content(&error)));
                    fault
                }
                Err(_) => Fault::of("the broker did not confirm a dead letter in time"),
            };
            // Others need not wait for this one.
            suspects.push_back(letter);
            return Err(fault);
        }
        Ok(())
    }

    /// Publishes letters as they come, with many confirmations under way; ends with what went wrong.
    async fn all(
        &self,
        letters: &mut mpsc::Receiver<DeadLetter>,
        suspects: &mut VecDeque<DeadLetter>,
    ) -> Result<(), Fault> {
        let mut under_way = BTreeMap::new();
        let sent = self.pipeline(letters, &mut under_way).await;
        suspects.extend(under_way.into_values());
        sent
    }

    async fn pipeline(
        &self,
        letters: &mut mpsc::Receiver<DeadLetter>,
        under_way: &mut BTreeMap<u64, DeadLetter>,
    ) -> Result<(), Fault> {
        let mut confirming: FuturesUnordered<Confirming> = FuturesUnordered::new();
        let (mut blocked, mut progress, mut number) = (self.shared.states.watch_blocked(), Instant::now(), 0);
        loop {
            let may = !*blocked.borrow();
            tokio::select! {
                letter = letters.recv(), if may => {
                    // The bus shuts down, and no event is refused any more.
                    let Some(letter) = letter else { return std::future::pending().await };
                    number += 1;
                    let letter = under_way.entry(number).or_insert(letter);
                    let (of, confirm) = (number, self.publish(letter).await?);
                    progress = Instant::now();
                    confirming.push(Box::pin(async move { (of, confirm.await) }));
                }
                Some(first) = confirming.next() => {
                    progress = Instant::now();
                    let completed = completed_with(first, &mut confirming);
                    // All before any: the confirmation of one letter may carry the return of another.
                    for (_, confirmation) in &completed {
                        settle(confirmation)?;
                    }
                    for (of, _) in completed {
                        if let Some(letter) = under_way.remove(&of) {
                            self.kept(letter);
                        }
                    }
                }
                () = sleep_until(progress + ANSWER), if may && !confirming.is_empty() => {
                    return Err(Fault::of("the broker did not confirm a dead letter in time"));
                }
                changed = blocked.changed() => {
                    if changed.is_err() {
                        return Err(Fault::of("the bus is going"));
                    }
                    progress = Instant::now();
                }
            }
        }
    }

    async fn publish(&self, letter: &DeadLetter) -> lapin::Result<PublisherConfirm> {
        // A content header is one frame, and a broker ends the connection over one that is too large.
        let properties = letter.properties(self.link.frame_max().saturating_sub(RESERVED));
        let (exchange, key) = (self.shared.names.dead_letter.as_str().into(), letter.key.as_str().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        self.channel.basic_publish(exchange, key, options, &letter.body, properties).await
    }

    /// The broker has it.
    fn kept(&self, letter: DeadLetter) {
        self.shared.states.trouble.dead_letters(None);
        // The consumer that waits may have lost its connection meanwhile.
        let _ = letter.kept.send(());
    }
}

/// Whether a broker that refuses this publication may take it without what the event carried.
fn is_about_content(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(said) if !matches!(said.get_id(), ACCESS_REFUSED | NOT_FOUND))
}

/// Whether the broker has a letter.
fn settle(confirmation: &lapin::Result<Confirmation>) -> Result<(), Fault> {
    match confirmation {
        Ok(Confirmation::Ack(None)) => Ok(()),
        Ok(Confirmation::Nack(_)) => Err(Fault::of("the broker takes no dead letter (a full queue?)")),
        Ok(Confirmation::Ack(Some(_))) => Err(Fault::of("the queue of the dead letters is gone")),
        Ok(Confirmation::NotRequested) => Err(Fault::of("the broker does not confirm")),
        Err(error) => Err(error.clone().into()),
    }
}
