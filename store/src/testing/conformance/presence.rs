//! Presence: the users in a topic, their data, and the reports of their arrival and departure.

use realtime_gateway_protocol::{ClanId, RawJson, ServiceName, TopicName, UserId, topic::Topic};

use super::Subject;
use crate::{PresenceChange, Present, PresentUser, UserPresence};

fn clan(id: &str) -> Topic {
    Topic::Clan(ClanId::new(id).unwrap())
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn set(subject: &Subject, clan_id: &str, user_id: &str, sessions: u32) -> PresenceChange {
    subject.store.set_present(&clan(clan_id), &user(user_id), UserPresence::of_sessions(sessions)).await.unwrap()
}

async fn present(subject: &Subject, clan_id: &str, at_most: usize) -> (Vec<(String, u32)>, u64) {
    let Present { users, count } = subject.store.present(&clan(clan_id), at_most).await.unwrap();
    (users.into_iter().map(|present| (present.user.to_string(), present.sessions)).collect(), count)
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
        let presence = UserPresence::of_sessions(n % 3 + 1);
        async move { store.set_present(&clan("a"), &user(&format!("u{n:04}")), presence).await.unwrap() }
    });
    let changes = subject.concurrently(arrivals).await;
    assert!(changes.iter().all(|change| *change == PresenceChange::Came));
    let (users, count) = present(subject, "a", 200).await;
    let expected: Vec<_> = (0..200).map(|n| (format!("u{n:04}"), n % 3 + 1)).collect();
    assert_eq!((users, count), (expected, 2_000));
    assert_eq!(present(subject, "a", 0).await, (vec![], 2_000));
    let departures = (0..1_990).map(|n| {
        let store = subject.store.clone();
        let presence = UserPresence::of_sessions(0);
        async move { store.set_present(&clan("a"), &user(&format!("u{n:04}")), presence).await.unwrap() }
    });
    assert!(subject.concurrently(departures).await.iter().all(|change| *change == PresenceChange::Left));
    let (users, count) = present(subject, "a", 200).await;
    assert_eq!((users.len(), count, users[0].0.as_str()), (10, 10, "u1990"));
}

pub async fn keeps_data_of_present_users(subject: &Subject) {
    use PresenceChange::{Came, Left, None as Unchanged, Updated};
    let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
    let data = |text: &str| Some(RawJson::parse(text).unwrap());
    let steps = [
        (1, data(r#"{"at": 1.0}"#), Came, data(r#"{"at": 1.0}"#)),
        (2, None, Unchanged, data(r#"{"at": 1.0}"#)),
        (2, data(r#"{"at": 1.0}"#), Unchanged, data(r#"{"at": 1.0}"#)),
        (1, data("null"), Updated, data("null")),
        (0, data("2"), Left, None),
        (1, None, Came, None),
        (1, data("3"), Updated, data("3")),
        (0, None, Left, None),
    ];
    for (step, (sessions, new, change, stored)) in steps.into_iter().enumerate() {
        let presence = UserPresence { sessions, data: new };
        assert_eq!(subject.store.set_present(&topic, &user("u"), presence).await.unwrap(), change, "step {step}");
        let expected = (sessions > 0).then(|| PresentUser { user: user("u"), sessions, data: stored });
        let present = subject.store.present(&topic, 10).await.unwrap();
        assert_eq!(present.users, Vec::from_iter(expected), "step {step}");
    }
}

pub async fn keeps_clan_and_topic_of_similar_names_apart(subject: &Subject) {
    let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
    let topics = [clan("service:s:t"), clan("s:t"), clan("s"), topic];
    for (sessions, topic) in (1..).zip(&topics) {
        let change = subject.store.set_present(topic, &user("u"), UserPresence::of_sessions(sessions)).await.unwrap();
        assert_eq!(change, PresenceChange::Came, "{topic}");
    }
    for (sessions, topic) in (1..).zip(&topics) {
        let users = subject.store.present(topic, 10).await.unwrap().users;
        assert_eq!(users, [PresentUser { user: user("u"), sessions, data: None }], "{topic}");
    }
}
