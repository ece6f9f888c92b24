//! The ledger of a case: every confirmed message and every delivery, compared at the end.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

/// A subscription, identified by user and clan.
pub(crate) type Stream = (String, String);

/// A message that a client has received.
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
    pub(crate) offset: u64,
    pub(crate) id: String,
    /// When the client began to send it.
    pub(crate) begun: Instant,
    pub(crate) at: Instant,
}

/// A gap that a client has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportedGap {
    pub(crate) stream: Stream,
    pub(crate) reason: String,
    /// The offset up to which messages may be missing.
    pub(crate) up_to: u64,
}

/// All events of a case.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Chat messages that were confirmed to their senders.
    pub(crate) confirmed: Vec<Confirmed>,
    /// The number of sends that failed with an unknown outcome.
    pub(crate) unconfirmed: u64,
    /// The messages received on each stream, in order of arrival.
    pub(crate) shown: HashMap<Stream, Vec<Shown>>,
    /// The gaps that clients received.
    pub(crate) gaps: Vec<ReportedGap>,
    /// Notifications that the broker has confirmed: user, id, when.
    pub(crate) published: Vec<(String, String, Instant)>,
    /// Notifications that clients have received: user, id.
    pub(crate) notified: Vec<(String, String)>,
    /// The ids of messages that were reported to backend services.
    pub(crate) reported: HashSet<String>,
    /// Closed sessions that were reported to backend services: user, code.
    pub(crate) ended: HashSet<(String, u64)>,
    /// How often a client lost its connection.
    pub(crate) lost_connections: u64,
    /// Whether the fault made the store lose confirmed writes.
    pub(crate) store_lost_writes: bool,
    /// When the fault ended.
    pub(crate) fault_ended: Option<Instant>,
}

/// The measured results of a case.
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
    /// Describes each confirmed message that a client lacks.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (stream, shown) in &self.shown {
            let ids: HashSet<&str> = shown.iter().map(|shown| shown.id.as_str()).collect();
            let lacks = |message: &&Confirmed| message.clan == stream.1 && !ids.contains(message.id.as_str());
            let of_clan = self.confirmed.iter().filter(|message| self.must_have_arrived(message.at)).filter(lacks);
            let absent = of_clan.filter(|message| !self.is_in_gap(stream, message));
            missing.extend(absent.map(|message| format!("{stream:?} lacks {} at {}", message.id, message.offset)));
        }
        missing.extend(self.unnotified());
        missing
    }

    /// Returns whether a message that was confirmed after the fault is part of a gap: it was stored before its client received
    /// the gap, and confirmed a moment later. None that was begun after the fault is.
    fn is_in_gap(&self, stream: &Stream, message: &Confirmed) -> bool {
        let is_begun_before = self.fault_ended.is_some_and(|fault_ended| message.begun < fault_ended);
        let covers = |gap: &ReportedGap| gap.stream == *stream && message.offset <= gap.up_to;
        self.store_lost_writes && is_begun_before && self.gaps.iter().any(covers)
    }

    /// Describes each confirmed notification that its user lacks.
    pub(crate) fn unnotified(&self) -> Vec<String> {
        let notified: HashSet<(&str, &str)> = self.notified.iter().map(|(user, id)| (&**user, &**id)).collect();
        let published = self.published.iter().filter(|(.., at)| self.must_have_arrived(*at));
        let absent = published.filter(|(user, id, _)| !notified.contains(&(user, id)));
        absent.map(|(user, id, _)| format!("{user} was not notified of {id}")).collect()
    }

    /// Returns whether a message confirmed at this time must have arrived. If the store has lost writes, messages
    /// confirmed before the end of the fault may be missing, as long as the client received a gap.
    fn must_have_arrived(&self, confirmed: Instant) -> bool {
        !self.store_lost_writes || self.fault_ended.is_some_and(|fault_ended| confirmed >= fault_ended)
    }

    /// Counts the confirmed messages that were not reported to backend services.
    pub(crate) fn unreported(&self) -> usize {
        self.confirmed
            .iter()
            .filter(|message| self.must_have_arrived(message.at) && !self.reported.contains(&message.id))
            .count()
    }

    /// Lists the streams that lack a confirmed message and have received no gap.
    pub(crate) fn unreported_gaps(&self) -> Vec<String> {
        let streams_with_gap: HashSet<&Stream> = self.gaps.iter().map(|gap| &gap.stream).collect();
        let silent = self.shown.iter().filter(|(stream, shown)| {
            let ids: HashSet<&str> = shown.iter().map(|shown| shown.id.as_str()).collect();
            let lacks = |message: &Confirmed| message.clan == stream.1 && !ids.contains(message.id.as_str());
            !streams_with_gap.contains(stream) && self.confirmed.iter().any(lacks)
        });
        silent.map(|(stream, _)| format!("{stream:?}")).collect()
    }

    /// Counts repeated deliveries.
    pub(crate) fn doubled(&self) -> usize {
        let chats: usize = self.shown.values().map(|shown| repeats(shown.iter().map(|shown| &shown.id))).sum();
        chats + repeats(self.notified.iter())
    }

    /// Describes each violation of the common order.
    pub(crate) fn order_violations(&self) -> Vec<String> {
        let mut order_violations = Vec::new();
        let mut positions: BTreeMap<(&str, &str, u64), &str> = BTreeMap::new();
        for (stream, shown) in &self.shown {
            for pair in shown.windows(2) {
                if pair[0].epoch == pair[1].epoch && pair[0].offset >= pair[1].offset {
                    order_violations.push(format!("{stream:?}: {} after {}", pair[1].offset, pair[0].offset));
                }
            }
            for entry in shown {
                let first = positions.entry((&stream.1, &entry.epoch, entry.offset)).or_insert(&entry.id);
                if **first != *entry.id {
                    order_violations.push(format!("{stream:?}: {} and {first} are both at {}", entry.id, entry.offset));
                }
            }
        }
        order_violations
    }

    /// Computes the figures of the case.
    pub(crate) fn figures(&self) -> Figures {
        let gaps = self.shown.values().flat_map(|shown| shown.windows(2).map(|pair| pair[1].at - pair[0].at));
        let first_after = |fault_ended: Instant, shown: &Vec<Shown>| {
            shown.iter().find(|shown| shown.at >= fault_ended).map_or(Duration::ZERO, |shown| shown.at - fault_ended)
        };
        Figures {
            confirmed: self.confirmed.len() + self.published.len(),
            delivered: self.shown.values().map(Vec::len).sum::<usize>() + self.notified.len(),
            lost: self.missing().len(),
            doubled: self.doubled(),
            longest_gap: gaps.max().unwrap_or_default(),
            recovery: self.fault_ended.map_or(Duration::ZERO, |fault_ended| {
                self.shown.values().map(|shown| first_after(fault_ended, shown)).max().unwrap_or_default()
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
        let confirmed = [(1, "a"), (2, "b"), (3, "c")];
        let confirmed =
            confirmed.map(|(offset, id)| Confirmed { clan: "c".into(), offset, id: id.into(), begun: at, at });
        Ledger { confirmed: confirmed.to_vec(), shown: streams.collect(), ..Ledger::default() }
    }

    #[test]
    fn finds_no_fault_in_complete_streams() {
        let ledger = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (2, "b"), (3, "c")]]);
        assert_eq!((ledger.missing().len(), ledger.doubled(), ledger.order_violations().len()), (0, 0, 0));
    }

    #[test]
    fn reports_message_missing_from_one_stream() {
        let ledger = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (3, "c")]]);
        assert_eq!(ledger.missing(), [r#"("u1", "c") lacks b at 2"#]);
        let notified = Ledger { published: vec![("u".into(), "n".into(), Instant::now())], ..Ledger::default() };
        assert_eq!(notified.missing().len(), 1);
    }

    #[test]
    fn reports_hole_only_where_no_gap_was_reported() {
        let lost = ledger(&[&[(1, "a"), (2, "b"), (3, "c")], &[(1, "a"), (2, "b")]]);
        let fault_ended = Some(lost.confirmed[0].at + Duration::from_secs(1));
        let mut lost = Ledger { store_lost_writes: true, fault_ended, ..lost };
        assert!(lost.missing().is_empty());
        assert_eq!(lost.unreported_gaps(), [r#"("u1", "c")"#]);
        lost.gaps.push(gap("u1", 2));
        assert!(lost.unreported_gaps().is_empty());
    }

    fn gap(user: &str, up_to: u64) -> ReportedGap {
        ReportedGap { stream: (user.into(), "c".into()), reason: "EpochChanged".into(), up_to }
    }

    #[test]
    fn message_that_was_begun_during_the_fault_may_be_missing_only_in_the_gap() {
        let complete = ledger(&[&[(1, "a")]]);
        let begun = complete.confirmed[0].begun;
        let mut lost = Ledger { store_lost_writes: true, fault_ended: Some(begun), ..complete };
        lost.gaps = vec![gap("u0", 3)];
        assert_eq!(lost.missing().len(), 2, "both were begun after the fault");
        let fault_ended = begun + Duration::from_secs(1);
        lost.fault_ended = Some(fault_ended);
        lost.confirmed.iter_mut().for_each(|message| message.at = fault_ended);
        for (up_to, missing) in [(1, 2), (2, 1), (3, 0)] {
            lost.gaps = vec![gap("u0", up_to)];
            assert_eq!(lost.missing().len(), missing, "{up_to}");
        }
        lost.gaps = vec![gap("another", 3)];
        assert_eq!(lost.missing().len(), 2, "the gap of another client");
        lost.gaps = vec![gap("u0", 3)];
        lost.store_lost_writes = false;
        assert_eq!(lost.missing().len(), 2, "the store has lost nothing");
    }

    #[test]
    fn counts_repeated_entries_as_doubled() {
        assert_eq!(ledger(&[&[(1, "a"), (2, "a"), (3, "b"), (4, "c")]]).doubled(), 1);
        let notified = vec![("u".to_owned(), "n".to_owned()); 3];
        assert_eq!(Ledger { notified, ..Ledger::default() }.doubled(), 2);
    }

    #[test]
    fn reports_streams_in_different_order() {
        assert_eq!(ledger(&[&[(1, "a"), (3, "c"), (2, "b")]]).order_violations().len(), 1);
        assert_eq!(ledger(&[&[(1, "a"), (2, "b")], &[(1, "b"), (2, "a")]]).order_violations().len(), 2);
    }

    #[test]
    fn counts_messages_not_reported_to_backend() {
        let ledger = Ledger { reported: HashSet::from(["a".to_owned()]), ..ledger(&[]) };
        assert_eq!(ledger.unreported(), 2);
    }
}
