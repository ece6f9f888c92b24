//! What was confirmed, and what each client was shown: every entry of both is kept, and compared at the end.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

/// A reader's stream: who reads, and which clan.
pub(crate) type Stream = (String, String);

/// Something that a reader was shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) id: String,
    pub(crate) at: Instant,
}

/// A chat message that was confirmed to its sender.
#[derive(Debug, Clone)]
pub(crate) struct Confirmed {
    pub(crate) clan: String,
    pub(crate) id: String,
    pub(crate) at: Instant,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Chat messages that were confirmed to their senders.
    pub(crate) confirmed: Vec<Confirmed>,
    /// Sends that ended in an error: whether they took effect is not known.
    pub(crate) unconfirmed: u64,
    /// What each stream was shown, in that order.
    pub(crate) shown: HashMap<Stream, Vec<Shown>>,
    /// Where a stream was told that something is missing.
    pub(crate) gaps: Vec<(Stream, String)>,
    /// Notifications that the broker has confirmed: user, id, when.
    pub(crate) published: Vec<(String, String, Instant)>,
    /// Notifications that apps were shown: user, id.
    pub(crate) notified: Vec<(String, String)>,
    /// Message ids that backend services were told of.
    pub(crate) reported: HashSet<String>,
    /// Sessions that backend services were told of as closed: user, code.
    pub(crate) ended: HashSet<(String, u64)>,
    /// Times at which a client was not connected any more.
    pub(crate) lost_connections: u64,
    /// Whether the store was made to lose what it had confirmed.
    pub(crate) store_lost_writes: bool,
    /// When the fault was over.
    pub(crate) healed: Option<Instant>,
}

/// What a case measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) confirmed: usize,
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) longest_gap: Duration,
    pub(crate) recovery: Duration,
}

impl Ledger {
    /// What was confirmed and is still missing somewhere, in words; empty when nothing is.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (stream, shown) in &self.shown {
            let ids: HashSet<&str> = shown.iter().map(|shown| shown.id.as_str()).collect();
            let lacks = |said: &&Confirmed| said.clan == stream.1 && !ids.contains(said.id.as_str());
            let of_clan = self.confirmed.iter().filter(|said| self.must_be_there(said.at)).filter(lacks);
            missing.extend(of_clan.map(|said| format!("{stream:?} lacks {}", said.id)));
        }
        missing.extend(self.unnotified());
        missing
    }

    /// Notifications that the broker confirmed and whose users do not have them, in words.
    pub(crate) fn unnotified(&self) -> Vec<String> {
        let notified: HashSet<(&str, &str)> = self.notified.iter().map(|(user, id)| (&**user, &**id)).collect();
        let published = self.published.iter().filter(|(.., at)| self.must_be_there(*at));
        let absent = published.filter(|(user, id, _)| !notified.contains(&(user, id)));
        absent.map(|(user, id, _)| format!("{user} was not notified of {id}")).collect()
    }

    /// Whether what was confirmed at some moment must be everywhere. What was confirmed before the store lost some of it
    /// may be lost too, where its readers were told so.
    fn must_be_there(&self, confirmed: Instant) -> bool {
        !self.store_lost_writes || self.healed.is_some_and(|healed| confirmed >= healed)
    }

    /// Confirmed messages that backend services were not told of.
    pub(crate) fn unreported(&self) -> usize {
        self.confirmed.iter().filter(|said| self.must_be_there(said.at) && !self.reported.contains(&said.id)).count()
    }

    /// Streams on which something that was confirmed is missing, and that were not told of any gap.
    pub(crate) fn silent_holes(&self) -> Vec<String> {
        let told: HashSet<&Stream> = self.gaps.iter().map(|(stream, _)| stream).collect();
        let silent = self.shown.iter().filter(|(stream, shown)| {
            let ids: HashSet<&str> = shown.iter().map(|shown| shown.id.as_str()).collect();
            let lacks = |said: &Confirmed| said.clan == stream.1 && !ids.contains(said.id.as_str());
            !told.contains(stream) && self.confirmed.iter().any(lacks)
        });
        silent.map(|(stream, _)| format!("{stream:?}")).collect()
    }

    /// How often an app was shown something twice.
    pub(crate) fn doubled(&self) -> usize {
        let chats: usize = self.shown.values().map(|shown| repeats(shown.iter().map(|shown| &shown.id))).sum();
        chats + repeats(self.notified.iter())
    }

    /// Where the one order was broken, in words.
    pub(crate) fn disorder(&self) -> Vec<String> {
        let mut disorder = Vec::new();
        let mut places: BTreeMap<(&str, &str, u64), &str> = BTreeMap::new();
        for (stream, shown) in &self.shown {
            for pair in shown.windows(2) {
                if pair[0].epoch == pair[1].epoch && pair[0].offset >= pair[1].offset {
                    disorder.push(format!("{stream:?}: {} after {}", pair[1].offset, pair[0].offset));
                }
            }
            for entry in shown {
                let first = places.entry((&stream.1, &entry.epoch, entry.offset)).or_insert(&entry.id);
                if **first != *entry.id {
                    disorder.push(format!("{stream:?}: {} and {first} are both at {}", entry.id, entry.offset));
                }
            }
        }
        disorder
    }

    /// What is printed.
    pub(crate) fn figures(&self) -> Figures {
        let gaps = self.shown.values().flat_map(|shown| shown.windows(2).map(|pair| pair[1].at - pair[0].at));
        let first_after = |healed: Instant, shown: &Vec<Shown>| {
            shown.iter().find(|shown| shown.at >= healed).map_or(Duration::ZERO, |shown| shown.at - healed)
        };
        Figures {
            confirmed: self.confirmed.len() + self.published.len(),
            delivered: self.shown.values().map(Vec::len).sum::<usize>() + self.notified.len(),
            lost: self.missing().len(),
            doubled: self.doubled(),
            longest_gap: gaps.max().unwrap_or_default(),
            recovery: self.healed.map_or(Duration::ZERO, |healed| {
                self.shown.values().map(|shown| first_after(healed, shown)).max().unwrap_or_default()
            }),
        }
    }
}

fn repeats<T: Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> usize {
    let mut seen = HashSet::new();
    items.fold(0, |repeats, item| if seen.insert(item) { repeats } else { repeats + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(streams: &[&[(u64, &str)]]) -> Ledger {
        let at = Instant::now();
        let shown = |entries: &&[(u64, &str)]| {
            let entry = |(offset, id): &(u64, &str)| Shown { epoch: "e".into(), offset: *offset, id: (*id).into(), at };
            entries.iter().map(entry).collect()
        };
        let streams = streams.iter().enumerate().map(|(n, entries)| ((format!("u{n}"), "c".into()), shown(entries)));
        let confirmed = ["a", "b", "c"].map(|id| Confirmed { clan: "c".into(), id: id.into(), at }).to_vec();
        Ledger { confirmed, shown: streams.collect(), ..Ledger::default() }
    }

    #[test]
    fn what_is_right_is_right() {
        let ledger = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (2, "b"), (3, "c")]]);
        assert_eq!((ledger.missing().len(), ledger.doubled(), ledger.disorder().len()), (0, 0, 0));
    }

    #[test]
    fn what_one_reader_lacks_is_lost() {
        let ledger = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (3, "c")]]);
        assert_eq!(ledger.missing(), [r#"("u1", "c") lacks b"#]);
        let notified = Ledger { published: vec![("u".into(), "n".into(), Instant::now())], ..Ledger::default() };
        assert_eq!(notified.missing().len(), 1);
    }

    #[test]
    fn what_the_store_lost_is_a_hole_only_where_nobody_was_told() {
        let lost = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (2, "b")]]);
        let healed = Some(lost.confirmed[0].at + Duration::from_secs(1));
        let mut lost = Ledger { store_lost_writes: true, healed, ..lost };
        assert!(lost.missing().is_empty());
        assert_eq!(lost.silent_holes(), [r#"("u1", "c")"#]);
        lost.gaps.push((("u1".into(), "c".into()), "EpochChanged".into()));
        assert!(lost.silent_holes().is_empty());
    }

    #[test]
    fn what_is_shown_twice_is_doubled() {
        assert_eq!(ledger(&[&[(1, "a"), (2, "a"), (3, "b"), (4, "c")]]).doubled(), 1);
        let notified = vec![("u".to_owned(), "n".to_owned()); 3];
        assert_eq!(Ledger { notified, ..Ledger::default() }.doubled(), 2);
    }

    #[test]
    fn two_orders_are_disorder() {
        assert_eq!(ledger(&[&[(1, "a"), (3, "c"), (2, "b")]]).disorder().len(), 1);
        assert_eq!(ledger(&[&[(1, "a"), (2, "b")], &[(1, "b"), (2, "a")]]).disorder().len(), 2);
    }

    #[test]
    fn what_backend_services_were_not_told_is_counted() {
        let ledger = Ledger { reported: HashSet::from(["a".to_owned()]), ..ledger(&[]) };
        assert_eq!(ledger.unreported(), 2);
    }
}
