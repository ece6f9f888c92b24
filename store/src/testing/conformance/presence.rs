//! Presence: the users in a clan, and the reports of their arrival and departure.

use realtime_gateway_protocol::{ClanId, UserId};

use super::Subject;
use crate::{PresenceChange, Present};

fn clan(id: &str) -> ClanId {
    ClanId::new(id).unwrap()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn set(subject: &Subject, clan_id: &str, user_id: &str, sessions: u32) -> PresenceChange {
    subject.store.set_present(&clan(clan_id), &user(user_id), sessions).await.unwrap()
}

async fn present(subject: &Subject, clan_id: &str, at_most: usize) -> (Vec<(String, u32)>, u64) {
    let Present { users, count } = subject.store.present(&clan(clan_id), at_most).await.unwrap();
    (users.into_iter().map(|(user, sessions)| (user.to_string(), sessions)).collect(), count)
}

pub async fn reports_arrival_and_departure_once(subject: &Subject) {
    use PresenceChange::{Came, Left, None};
    for (sessions, change) in [(0, None), (1, Came), (2, None), (2, None), (1, None), (0, Left), (0, None), (3, Came)] {
        assert_eq!(set(subject, "a", "u", sessions).await, change, "{sessions}");
    }
    assert_eq!(present(subject, "a", 10).await, (vec![("u".into(), 3)], 1));
    assert_eq!(set(subject, "b", "u", 1).await, Came, "clans are independent");
    assert_eq!(set(subject, "a", "v", 1).await, Came, "users are independent");
    assert_eq!(set(subject, "a", "u", 0).await, Left);
    assert_eq!(present(subject, "a", 10).await, (vec![("v".into(), 1)], 1));
    assert_eq!(present(subject, "b", 10).await, (vec![("u".into(), 1)], 1));
    assert_eq!(present(subject, "never", 10).await, (vec![], 0));
}

pub async fn returns_first_users_and_counts_all(subject: &Subject) {
    let arrivals = (0..2_000_u32).rev().map(|n| {
        let store = subject.store.clone();
        async move { store.set_present(&clan("a"), &user(&format!("u{n:04}")), n % 3 + 1).await.unwrap() }
    });
    let changes = subject.concurrently(arrivals).await;
    assert!(changes.iter().all(|change| *change == PresenceChange::Came));
    let (users, count) = present(subject, "a", 200).await;
    let expected: Vec<_> = (0..200).map(|n| (format!("u{n:04}"), n % 3 + 1)).collect();
    assert_eq!((users, count), (expected, 2_000));
    assert_eq!(present(subject, "a", 0).await, (vec![], 2_000));
    let departures = (0..1_990).map(|n| {
        let store = subject.store.clone();
        async move { store.set_present(&clan("a"), &user(&format!("u{n:04}")), 0).await.unwrap() }
    });
    assert!(subject.concurrently(departures).await.iter().all(|change| *change == PresenceChange::Left));
    let (users, count) = present(subject, "a", 200).await;
    assert_eq!((users.len(), count, users[0].0.as_str()), (10, 10, "u1990"));
}
