//! Which dead letters are published together, alone, and without what their events carried.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;

use super::*;

/// What the model of a consumer knows.
#[derive(Debug, Default)]
struct Log {
    stored: RefCell<Vec<u32>>,
    obsolete: RefCell<Vec<u32>>,
}

#[derive(Debug)]
struct Entry {
    number: u32,
    letter: DeadLetter<()>,
    log: Rc<Log>,
}

impl Pending for Entry {
    type Original = ();

    fn letter(&self) -> &DeadLetter<()> {
        &self.letter
    }

    fn is_obsolete(&self) -> bool {
        self.log.obsolete.borrow().contains(&self.number)
    }

    fn stored(self) {
        self.log.stored.borrow_mut().push(self.number);
    }
}

struct Publishing {
    window: DeadLetterWindow<Entry>,
    log: Rc<Log>,
    now: Instant,
}

impl Publishing {
    /// Submits dead letters with the numbers from 1 on.
    fn of(count: u32) -> (Self, Vec<u64>) {
        let mut publishing = Self { window: DeadLetterWindow::default(), log: Rc::default(), now: Instant::now() };
        let tags = (1..=count).map(|number| publishing.submit(number)).collect();
        (publishing, tags)
    }

    fn submit(&mut self, number: u32) -> u64 {
        let letter = DeadLetter {
            key: number.to_string(),
            body: Bytes::new(),
            reason: "unknown_key",
            detail: String::new(),
            original: (),
            form: DeadLetterForm::Complete,
        };
        assert!(self.window.accepts());
        self.window.submit(self.now, Entry { number, letter, log: self.log.clone() }).0
    }

    fn settle(&mut self, tag: u64, outcome: Outcome) -> Result<(), &'static str> {
        self.window.settled(self.now, &[Settled { tag, outcome }])
    }

    /// Returns the tag, the key and the form of the next suspect.
    fn next_suspect(&mut self) -> Option<(u64, String, DeadLetterForm)> {
        self.window.next_suspect(self.now).map(|(tag, letter)| (tag, letter.key, letter.form))
    }

    fn stored(&self) -> Vec<u32> {
        self.log.stored.borrow().clone()
    }
}

fn invalid() -> ChannelError {
    ChannelError::InvalidContent("PRECONDITION_FAILED".into())
}

#[test]
fn publishes_many_together_and_reports_each() {
    let (mut publishing, tags) = Publishing::of(3);
    assert_eq!(publishing.next_suspect(), None);
    assert_eq!(publishing.settle(tags[1], Outcome::Routed), Ok(()));
    assert_eq!(publishing.settle(tags[0], Outcome::Routed), Ok(()));
    assert_eq!(publishing.stored(), [2, 1]);
}

#[test]
fn publishes_each_alone_after_a_channel_has_failed() {
    let (mut publishing, _) = Publishing::of(3);
    assert_eq!(publishing.window.failed(&invalid()), Some("PRECONDITION_FAILED".into()));
    for number in 1..=3 {
        assert!(!publishing.window.accepts());
        let (tag, key, form) = publishing.next_suspect().unwrap();
        assert_eq!((key, form), (number.to_string(), DeadLetterForm::Complete));
        assert!(!publishing.window.accepts(), "new ones wait");
        assert_eq!(publishing.next_suspect(), None, "the others wait");
        publishing.settle(tag, Outcome::Routed).unwrap();
    }
    assert_eq!(publishing.stored(), [1, 2, 3]);
    publishing.submit(4);
}

#[test]
fn isolates_the_dead_letter_that_ends_channels_or_connections() {
    for error in [invalid(), ChannelError::Disconnected("reset".into())] {
        let (mut publishing, _) = Publishing::of(3);
        publishing.window.failed(&error);
        let mut failures = 0;
        while let Some((tag, key, form)) = publishing.next_suspect() {
            if key == "2" && form == DeadLetterForm::Complete {
                failures += 1;
                publishing.window.failed(&error);
            } else {
                let expected = if key == "2" { DeadLetterForm::Plain } else { DeadLetterForm::Complete };
                assert_eq!(form, expected, "only the one at fault goes without what its event carried");
                publishing.settle(tag, Outcome::Routed).unwrap();
            }
        }
        assert_eq!((failures, publishing.stored()), (PLAIN_AFTER, vec![1, 3, 2]), "it holds up no other");
    }
}

#[test]
fn failures_that_are_not_about_the_content_change_no_dead_letter() {
    let (mut publishing, _) = Publishing::of(1);
    for _ in 0..10 {
        assert!(publishing.window.failed(&ChannelError::Closed("NOT_FOUND".into())).is_some());
        let (tag, _, form) = publishing.next_suspect().unwrap();
        assert_eq!(form, DeadLetterForm::Complete);
        assert!(publishing.settle(tag, Outcome::Unroutable).is_err());
        assert!(publishing.next_suspect().is_some());
    }
}

#[test]
fn connections_that_are_lost_with_many_under_way_accuse_none() {
    let (mut publishing, _) = Publishing::of(2);
    for _ in 0..20 {
        assert_eq!(publishing.window.failed(&ChannelError::Disconnected("reset".into())), None);
        let (tag, key, form) = publishing.next_suspect().unwrap();
        assert_eq!(form, DeadLetterForm::Complete);
        publishing.settle(tag, Outcome::Routed).unwrap();
        let (tag, ..) = publishing.next_suspect().unwrap();
        publishing.settle(tag, Outcome::Routed).unwrap();
        publishing.submit(key.parse().unwrap());
        publishing.submit(9);
    }
}

#[test]
fn a_dead_letter_without_a_queue_publishes_all_again() {
    let (mut publishing, tags) = Publishing::of(3);
    let settled = [(tags[0], Outcome::Routed), (tags[1], Outcome::Unroutable)];
    let settled = settled.map(|(tag, outcome)| Settled { tag, outcome });
    assert_eq!(publishing.window.settled(publishing.now, &settled), Err("the queue of the dead letters is gone"));
    assert_eq!(publishing.stored(), [1]);
    let keys: Vec<_> = std::iter::from_fn(|| {
        let (tag, key, _) = publishing.next_suspect()?;
        publishing.settle(tag, Outcome::Routed).unwrap();
        Some(key)
    })
    .collect();
    assert_eq!(keys, ["2", "3"]);
}

#[test]
fn forgets_the_dead_letters_of_events_that_are_delivered_again() {
    let (mut publishing, _) = Publishing::of(2);
    publishing.window.failed(&invalid());
    publishing.log.obsolete.borrow_mut().push(1);
    assert_eq!(publishing.next_suspect().map(|(_, key, _)| key), Some("2".to_owned()));
}

#[test]
fn publishes_nothing_while_the_broker_is_blocked() {
    let (mut publishing, _) = Publishing::of(1);
    let due = publishing.window.settlement_due().unwrap();
    assert_eq!(due, publishing.now + SETTLEMENT);
    publishing.window.set_blocked(publishing.now, true);
    assert_eq!((publishing.window.settlement_due(), publishing.window.accepts()), (None, false));
    publishing.window.suspect_all();
    assert_eq!(publishing.next_suspect(), None);
    publishing.window.set_blocked(due, false);
    assert!(publishing.next_suspect().is_some());
}
