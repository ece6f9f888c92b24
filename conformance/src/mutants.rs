//! Mutants: wrong clients that the kit makes of any client, by altering its lines, its frames or its connections on their
//! way. A scenario that its mutant does not make red shows nothing.

mod frames;
mod lines;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// A mutant.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// What such a client does wrong.
    pub(crate) about: &'static str,
    change: Change,
}

/// Where a mutant interferes.
enum Change {
    /// A line of the adapter.
    Line(Alter),
    /// A message of the client.
    Sent(Alter),
    /// A message of the gateway.
    Received(Alter),
    /// The connection itself.
    Connection(ConnectionFault),
}

/// Alters a message, or decides what becomes of it.
type Alter = fn(&mut Memory, &mut Value) -> Fate;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on, altered or not.
    Pass,
    /// It is lost.
    Lose,
    /// It is passed on twice.
    Twice,
    /// It follows the next one that is held or passed.
    Late,
}

/// What a mutant does to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// It opens another connection as soon as the gateway has closed one.
    ReturnsAtOnce,
    /// It opens each connection twice.
    OpensTwice,
    /// It does not show what refused the upgrade.
    HidesRefusal,
    /// It offers no subprotocol.
    OffersNoSubprotocol,
    /// It offers compression.
    OffersCompression,
    /// It never connects again.
    ConnectsOnce,
    /// It reads messages of at most 32 KiB.
    ReadsShortMessages,
    /// It takes every frame for a whole message.
    IgnoresFragments,
    /// It does not answer pings.
    AnswersNoPing,
    /// It closes without a close frame, and not within two seconds.
    ClosesSlowly,
    /// It ends a connection without reading what came before the close frame.
    DropsTheLastFrames,
    /// It reads nothing while it cannot write.
    BlocksOnWriting,
    /// It does not trust the authority of its options.
    IgnoresAuthority,
    /// It trusts the authority of any certificate.
    TrustsAnyAuthority,
    /// It accepts the certificate of any host.
    AcceptsAnyHost,
}

/// What a mutant remembers during a scenario.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) count: u64,
    pub(crate) kept: Option<Value>,
    late: Option<Value>,
}

/// A mutant at work in one scenario, or none.
#[derive(Clone, Default)]
pub(crate) struct Tampering(Option<Arc<Active>>);

struct Active {
    mutant: &'static Mutant,
    memory: Mutex<Memory>,
}

impl Tampering {
    /// Lets a mutant interfere with one scenario.
    pub(crate) fn by(mutant: &'static Mutant) -> Self {
        Self(Some(Arc::new(Active { mutant, memory: Mutex::default() })))
    }

    /// Returns what becomes of a line of the adapter.
    pub(crate) fn line(&self, line: Value) -> Vec<Value> {
        self.apply(line, |change| match change {
            Change::Line(alter) => Some(*alter),
            _ => None,
        })
    }

    /// Returns what becomes of a message of the client.
    pub(crate) fn sent(&self, message: Value) -> Vec<Value> {
        self.apply(message, |change| match change {
            Change::Sent(alter) => Some(*alter),
            _ => None,
        })
    }

    /// Returns what becomes of a message of the gateway.
    pub(crate) fn received(&self, message: Value) -> Vec<Value> {
        self.apply(message, |change| match change {
            Change::Received(alter) => Some(*alter),
            _ => None,
        })
    }

    /// Returns whether this is what the mutant does to connections.
    pub(crate) fn does(&self, fault: ConnectionFault) -> bool {
        self.0.as_ref().is_some_and(|active| matches!(active.mutant.change, Change::Connection(own) if own == fault))
    }

    fn apply(&self, mut message: Value, select: impl Fn(&Change) -> Option<Alter>) -> Vec<Value> {
        let Some(active) = &self.0 else { return vec![message] };
        let Some(alter) = select(&active.mutant.change) else { return vec![message] };
        let mut memory = active.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match alter(&mut memory, &mut message) {
            Fate::Pass => [Some(message), memory.late.take()].into_iter().flatten().collect(),
            Fate::Lose => Vec::new(),
            Fate::Twice => vec![message.clone(), message],
            Fate::Late => memory.late.replace(message).into_iter().collect(),
        }
    }
}

/// Returns all mutants, by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Mutant> {
    lines::ALL.iter().chain(frames::ALL).chain(CONNECTIONS)
}

/// Returns the mutant with a name.
pub(crate) fn named(name: &str) -> Option<&'static Mutant> {
    all().find(|mutant| mutant.name == name)
}

/// The mutants of connections.
const CONNECTIONS: &[Mutant] = &[
    connection("returns-at-once", "connects again as soon as it is closed", ConnectionFault::ReturnsAtOnce),
    connection("opens-twice", "opens two connections instead of one", ConnectionFault::OpensTwice),
    connection("hides-refusal", "does not look at what refused the upgrade", ConnectionFault::HidesRefusal),
    connection("no-subprotocol", "offers no subprotocol", ConnectionFault::OffersNoSubprotocol),
    connection("offers-compression", "offers compression", ConnectionFault::OffersCompression),
    connection("connects-once", "never connects again", ConnectionFault::ConnectsOnce),
    connection("short-messages", "accepts messages of at most 32 KiB", ConnectionFault::ReadsShortMessages),
    connection("ignores-fragments", "takes a frame for a whole message", ConnectionFault::IgnoresFragments),
    connection("no-pong", "does not answer pings", ConnectionFault::AnswersNoPing),
    connection("closes-slowly", "does not close the connection", ConnectionFault::ClosesSlowly),
    connection("drops-last-frames", "drops what came before a close frame", ConnectionFault::DropsTheLastFrames),
    connection("blocks-on-writing", "reads nothing while it cannot write", ConnectionFault::BlocksOnWriting),
    connection("ignores-authority", "does not trust the authority of its options", ConnectionFault::IgnoresAuthority),
    connection("trusts-any-authority", "trusts any authority", ConnectionFault::TrustsAnyAuthority),
    connection("accepts-any-host", "accepts the certificate of any host", ConnectionFault::AcceptsAnyHost),
];

const fn connection(name: &'static str, about: &'static str, fault: ConnectionFault) -> Mutant {
    Mutant { name, about, change: Change::Connection(fault) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn late_messages_follow_the_next_one() {
        static SWAPS: Mutant = Mutant {
            name: "test",
            about: "",
            change: Change::Line(|memory, _| {
                memory.count += 1;
                if memory.count == 1 { Fate::Late } else { Fate::Pass }
            }),
        };
        let tampering = Tampering::by(&SWAPS);
        assert!(tampering.line(1.into()).is_empty());
        assert_eq!(tampering.line(2.into()), [Value::from(2), Value::from(1)]);
        assert_eq!(tampering.sent(3.into()), [Value::from(3)]);
    }
}
