//! Sessions that are restored in a store that lost them: they are ordered by age, and the newest live.

use std::time::Duration;

use realtime_gateway_protocol::CloseCode;

use super::{
    Subject,
    sessions::{ONE, REJECT, live, on, open, session, user},
};
use crate::{Admission, SessionPolicy, SessionRecord};

async fn restore(subject: &Subject, record: &SessionRecord, policy: SessionPolicy) -> Result<Vec<String>, Admission> {
    match subject.store.restore_session(record.clone(), policy).await.unwrap() {
        Admission::Admitted(replaced) => Ok(replaced.iter().map(|record| record.id.to_string()).collect()),
        other => Err(other),
    }
}

/// Returns sessions that were opened a second apart.
fn in_turn<const N: usize>(subject: &Subject, ids: [&str; N]) -> [SessionRecord; N] {
    ids.map(|id| {
        subject.pass(Duration::from_secs(1));
        session(subject, id)
    })
}

pub async fn orders_restored_sessions_by_age(subject: &Subject) {
    let three = SessionPolicy { max: 3, ..ONE };
    let [a, b, c] = in_turn(subject, ["a", "b", "c"]);
    for record in [&b, &c, &a] {
        assert_eq!(restore(subject, record, three).await, Ok(vec![]));
    }
    assert_eq!(live(subject).await, ["a", "b", "c"]);
    assert_eq!(subject.store.sessions_of(&user()).await.unwrap(), [a, b, c]);
    assert_eq!(open(subject, session(subject, "d"), three).await, Ok(vec!["a".into()]), "the oldest is replaced");
}

pub async fn keeps_newest_of_restored_sessions(subject: &Subject) {
    let [a, b, c] = in_turn(subject, ["a", "b", "c"]);
    assert_eq!(restore(subject, &b, ONE).await, Ok(vec![]));
    assert_eq!(restore(subject, &a, ONE).await, Err(Admission::Superseded), "a newer one is there");
    assert_eq!(restore(subject, &c, REJECT).await, Ok(vec!["b".into()]), "it was admitted once, under either policy");
    assert_eq!(live(subject).await, ["c"]);
    assert_eq!(restore(subject, &b, REJECT).await, Err(Admission::Superseded));
    let two = SessionPolicy { max: 2, ..ONE };
    assert_eq!(restore(subject, &b, two).await, Ok(vec![]));
    assert_eq!(restore(subject, &a, two).await, Err(Admission::Superseded));
    assert_eq!(live(subject).await, ["b", "c"]);
}

pub async fn does_not_restore_session_when_its_device_has_newer_one(subject: &Subject) {
    let five = SessionPolicy { max: 5, ..ONE };
    let older = on(subject, "a", "phone");
    subject.pass(Duration::from_secs(1));
    assert_eq!(open(subject, on(subject, "b", "phone"), five).await, Ok(vec![]));
    assert_eq!(restore(subject, &older, five).await, Err(Admission::Superseded));
    let attempt = |id: &str, attempt| SessionRecord {
        instance: Some("i".into()),
        attempt: Some(attempt),
        ..session(subject, id)
    };
    let early = attempt("c", 3);
    subject.pass(Duration::from_secs(1));
    assert_eq!(open(subject, attempt("d", 4), five).await, Ok(vec![]));
    assert_eq!(restore(subject, &early, five).await, Err(Admission::Superseded), "an earlier attempt of the instance");
    assert_eq!(live(subject).await, ["b", "d"]);
}

pub async fn restoring_live_session_changes_nothing(subject: &Subject) {
    let two = SessionPolicy { max: 2, ..ONE };
    let [a, b] = in_turn(subject, ["a", "b"]);
    assert_eq!(open(subject, a.clone(), two).await, Ok(vec![]));
    assert_eq!(open(subject, b.clone(), two).await, Ok(vec![]));
    for record in [&a, &b, &a] {
        assert_eq!(restore(subject, record, ONE).await, Ok(vec![]));
    }
    assert_eq!(live(subject).await, ["a", "b"]);
    subject.store.close_session(&user(), &a.id, CloseCode::NORMAL).await.unwrap();
    assert_eq!(live(subject).await, ["b"]);
}
