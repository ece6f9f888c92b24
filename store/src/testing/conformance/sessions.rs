//! Sessions: the sessions that stay when a user has too many.

use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, UserId};

use super::Subject;
use crate::{Admission, ConnectedUsers, OnExcess, SessionKey, SessionPolicy, SessionRecord, TokenClaims, UserPage};

pub const ONE: SessionPolicy =
    SessionPolicy { max: 1, on_excess: OnExcess::Replace, key: SessionKey::User, max_devices: 10 };
pub const REJECT: SessionPolicy = SessionPolicy { on_excess: OnExcess::Reject, ..ONE };
const PER_DEVICE: SessionPolicy = SessionPolicy { key: SessionKey::Device, ..ONE };

pub(super) fn user() -> UserId {
    UserId::new("u").unwrap()
}

pub fn session(subject: &Subject, id: &str) -> SessionRecord {
    SessionRecord {
        id: SessionId::new(id).unwrap(),
        user: user(),
        device: None,
        node: "n".into(),
        since: subject.now(),
        instance: None,
        attempt: None,
        token: TokenClaims::default(),
    }
}

pub(super) fn on(subject: &Subject, id: &str, device: &str) -> SessionRecord {
    SessionRecord { device: Some(DeviceId::new(device).unwrap()), ..session(subject, id) }
}

pub(super) async fn open(
    subject: &Subject,
    record: SessionRecord,
    policy: SessionPolicy,
) -> Result<Vec<String>, Admission> {
    match subject.store.open_session(record, policy).await.unwrap() {
        Admission::Admitted(replaced) => Ok(replaced.iter().map(|record| record.id.to_string()).collect()),
        other => Err(other),
    }
}

pub(super) async fn live(subject: &Subject) -> Vec<String> {
    subject.store.sessions_of(&user()).await.unwrap().iter().map(|record| record.id.to_string()).collect()
}

pub async fn keeps_newest_sessions(subject: &Subject) {
    let three = SessionPolicy { max: 3, ..ONE };
    for id in ["a", "b", "c"] {
        assert_eq!(open(subject, session(subject, id), three).await, Ok(vec![]));
    }
    assert_eq!(open(subject, session(subject, "d"), three).await, Ok(vec!["a".into()]));
    assert_eq!(live(subject).await, ["b", "c", "d"]);
    assert_eq!(open(subject, session(subject, "e"), ONE).await, Ok(vec!["b".into(), "c".into(), "d".into()]));
    let whole = subject.store.sessions_of(&user()).await.unwrap();
    assert_eq!(whole, [session(subject, "e")]);
}

pub async fn keeps_exactly_the_limit_of_concurrent_sessions(subject: &Subject) {
    let two = SessionPolicy { max: 2, ..ONE };
    let opens = (0..50).map(|n| {
        let (store, record) = (subject.store.clone(), session(subject, &format!("s{n}")));
        async move { store.open_session(record, two).await.unwrap() }
    });
    let mut replaced = Vec::new();
    for admission in subject.concurrently(opens).await {
        let Admission::Admitted(evicted) = admission else { panic!("no session is refused") };
        replaced.extend(evicted.into_iter().map(|record| record.id.to_string()));
    }
    replaced.sort();
    replaced.dedup();
    assert_eq!(replaced.len(), 48, "each is replaced once");
    let live = live(subject).await;
    assert_eq!(live.len(), 2);
    assert!(live.iter().all(|id| !replaced.contains(id)));
}

pub async fn refuses_session_beyond_limit_under_reject(subject: &Subject) {
    assert_eq!(open(subject, session(subject, "a"), REJECT).await, Ok(vec![]));
    assert_eq!(open(subject, on(subject, "b", "phone"), REJECT).await, Err(Admission::Refused));
    assert_eq!(live(subject).await, ["a"]);
    subject.store.close_session(&user(), &SessionId::new("a").unwrap(), CloseCode::NORMAL).await.unwrap();
    assert_eq!(open(subject, session(subject, "c"), REJECT).await, Ok(vec![]));
}

pub async fn device_replaces_its_own_session_under_either_policy(subject: &Subject) {
    assert_eq!(open(subject, on(subject, "a", "phone"), REJECT).await, Ok(vec![]));
    assert_eq!(open(subject, on(subject, "b", "phone"), REJECT).await, Ok(vec!["a".into()]));
    let two = SessionPolicy { max: 2, ..ONE };
    assert_eq!(open(subject, on(subject, "c", "laptop"), two).await, Ok(vec![]));
    assert_eq!(open(subject, on(subject, "d", "laptop"), two).await, Ok(vec!["c".into()]), "not the older phone");
    assert_eq!(live(subject).await, ["b", "d"]);
    // Sessions without a device are different clients.
    assert_eq!(open(subject, session(subject, "e"), SessionPolicy { max: 4, ..REJECT }).await, Ok(vec![]));
    assert_eq!(open(subject, session(subject, "f"), SessionPolicy { max: 4, ..REJECT }).await, Ok(vec![]));
    let reject = SessionPolicy { key: SessionKey::Device, ..REJECT };
    assert_eq!(open(subject, on(subject, "g", "phone"), reject).await, Ok(vec!["b".into()]));
}

pub async fn counts_devices_separately(subject: &Subject) {
    assert_eq!(open(subject, on(subject, "a", "phone"), PER_DEVICE).await, Ok(vec![]));
    assert_eq!(open(subject, on(subject, "b", "laptop"), PER_DEVICE).await, Ok(vec![]));
    assert_eq!(open(subject, session(subject, "c"), PER_DEVICE).await, Ok(vec![]));
    assert_eq!(open(subject, session(subject, "d"), PER_DEVICE).await, Ok(vec!["c".into()]), "none is one device");
    let reject = SessionPolicy { on_excess: OnExcess::Reject, ..PER_DEVICE };
    assert_eq!(open(subject, session(subject, "e"), reject).await, Err(Admission::Refused));
    assert_eq!(live(subject).await, ["a", "b", "d"]);
    let two = SessionPolicy { max: 2, ..PER_DEVICE };
    assert_eq!(open(subject, on(subject, "f", "phone"), two).await, Ok(vec![]));
    assert_eq!(open(subject, on(subject, "g", "phone"), two).await, Ok(vec!["a".into()]));
    assert_eq!(live(subject).await, ["b", "d", "f", "g"]);
}

pub async fn replaces_oldest_device_beyond_limit(subject: &Subject) {
    let policy = SessionPolicy { max: 2, max_devices: 2, ..PER_DEVICE };
    for (id, device) in [("a", "phone"), ("b", "laptop"), ("c", "phone")] {
        assert_eq!(open(subject, on(subject, id, device), policy).await, Ok(vec![]));
    }
    assert_eq!(open(subject, on(subject, "d", "tablet"), policy).await, Ok(vec!["a".into(), "c".into()]));
    let reject = SessionPolicy { on_excess: OnExcess::Reject, ..policy };
    assert_eq!(open(subject, session(subject, "e"), reject).await, Ok(vec!["b".into()]));
    assert_eq!(live(subject).await, ["d", "e"]);
}

pub async fn lower_attempt_never_replaces_higher(subject: &Subject) {
    let attempt = |id: &str, instance: &str, attempt| SessionRecord {
        instance: Some(instance.into()),
        attempt: Some(attempt),
        ..session(subject, id)
    };
    let three = SessionPolicy { max: 3, ..ONE };
    assert_eq!(open(subject, attempt("a", "i", 5), three).await, Ok(vec![]));
    assert_eq!(open(subject, attempt("b", "i", 4), three).await, Err(Admission::Superseded));
    assert_eq!(open(subject, attempt("c", "j", 1), three).await, Ok(vec![]), "another instance");
    assert_eq!(open(subject, attempt("d", "i", 6), three).await, Ok(vec!["a".into()]), "its own predecessor");
    assert_eq!(open(subject, attempt("e", "j", 2), REJECT).await, Err(Admission::Refused), "d is another session");
    assert_eq!(live(subject).await, ["c", "d"], "a refusal changes nothing");
    subject.store.close_session(&user(), &SessionId::new("c").unwrap(), CloseCode::NORMAL).await.unwrap();
    assert_eq!(
        open(subject, attempt("f", "i", 7), REJECT).await,
        Ok(vec!["d".into()]),
        "the earlier session of the instance does not count"
    );
    assert_eq!(open(subject, attempt("g", "i", 5), ONE).await, Err(Admission::Superseded));
    subject.store.close_session(&user(), &SessionId::new("f").unwrap(), CloseCode::NORMAL).await.unwrap();
    assert_eq!(open(subject, attempt("h", "i", 5), ONE).await, Ok(vec![]), "the higher attempt was closed");
}

pub async fn removes_closed_session(subject: &Subject) {
    let two = SessionPolicy { max: 2, ..ONE };
    open(subject, session(subject, "a"), two).await.unwrap();
    open(subject, session(subject, "b"), two).await.unwrap();
    for id in ["a", "a", "unknown"] {
        subject.store.close_session(&user(), &SessionId::new(id).unwrap(), CloseCode::NORMAL).await.unwrap();
    }
    assert_eq!(live(subject).await, ["b"]);
    assert!(subject.store.sessions_of(&UserId::new("v").unwrap()).await.unwrap().is_empty());
}

pub async fn pages_connected_users(subject: &Subject) {
    let page = async |after: Option<&str>, at_most| {
        let after = after.map(|user| UserId::new(user).unwrap());
        let ConnectedUsers { users, more } = subject.store.connected_users(UserPage { after, at_most }).await.unwrap();
        let users: Vec<_> = users.into_iter().map(|found| (found.user.to_string(), found.sessions)).collect();
        (users, more)
    };
    let found = |users: &[(&str, u64)], more| {
        (users.iter().map(|(user, sessions)| ((*user).to_owned(), *sessions)).collect::<Vec<_>>(), more)
    };
    assert_eq!(page(None, 10).await, found(&[], false));
    let policy = SessionPolicy { max: 2, ..ONE };
    for (user, id) in [("b", "1"), ("a", "2"), ("é", "3"), ("B", "4"), ("a", "5")] {
        let record = SessionRecord { user: UserId::new(user).unwrap(), ..session(subject, id) };
        subject.store.open_session(record, policy).await.unwrap();
    }
    assert_eq!(page(None, 10).await, found(&[("B", 1), ("a", 2), ("b", 1), ("é", 1)], false));
    assert_eq!(page(None, 2).await, found(&[("B", 1), ("a", 2)], true));
    assert_eq!(page(Some("a"), 2).await, found(&[("b", 1), ("é", 1)], false));
    assert_eq!(page(Some("aa"), 1).await, found(&[("b", 1)], true));
    assert_eq!(page(Some("é"), 1).await, found(&[], false));
    let close = async |user: &str, id: &str| {
        let (user, id) = (UserId::new(user).unwrap(), SessionId::new(id).unwrap());
        subject.store.close_session(&user, &id, CloseCode::NORMAL).await.unwrap();
    };
    close("a", "2").await;
    close("b", "1").await;
    assert_eq!(page(None, 10).await, found(&[("B", 1), ("a", 1), ("é", 1)], false));
}
