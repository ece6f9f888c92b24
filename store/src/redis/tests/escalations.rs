//! Escalations in Redis: what is left of them when a notification is removed, also by an earlier version.

use realtime_gateway_brokers::redis::shared;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{TestNode, own_prefix};
use crate::{
    Escalation, Escalations, Event, EventSource, Notify, Pending,
    testing::conformance::{ALL, content},
};

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn notification(id: &str, escalate_at: Option<Timestamp>) -> Notify {
    Notify {
        user: UserId::new("u").unwrap(),
        id: NotificationId::new(id).unwrap(),
        content: content(id),
        at: now(),
        body: id.as_bytes().to_vec().into(),
        expires: Timestamp::from_millis(now().millis() + 600_000),
        escalate_at,
        max_pending: 1_000,
        dropped_event: None,
    }
}

#[tokio::test]
async fn leaves_no_rows_behind() {
    let redis = own_prefix();
    let node = TestNode::join(&redis, "a").await;
    let key = |name: &str| format!("{{{}}}:{name}", redis.prefix);
    let indexed = || shared().cli(&["zcard", &key("escalations")]);
    let is_marked = || shared().cli(&["hexists", &key("user:u"), "e"]);
    node.store.notify(notification("never", None)).await.unwrap();
    assert_eq!((indexed(), is_marked()), ("0".into(), "0".into()), "what is not escalated costs nothing");
    for id in ["gone", "expired", "kept"] {
        node.store.notify(notification(id, Some(now()))).await.unwrap();
    }
    assert_eq!((indexed(), is_marked()), ("3".into(), "1".into()));
    // An earlier version acknowledges a notification, and knows nothing of the index.
    shared().cli(&["xdel", &key("pending:u"), "2-0"]);
    shared().cli(&["zrem", &key("expiries"), "2 u"]);
    let due = node.store.due_escalations(ALL).await.unwrap().due;
    let ids: Vec<&str> = due.iter().map(|due| due.id.as_str()).collect();
    assert_eq!(ids, ["expired", "kept"]);
    assert_eq!(indexed(), "2", "the useless row is removed");
    let user = UserId::new("u").unwrap();
    let escalated = || shared().cli(&["hlen", &key("escalated:u")]);
    let escalation = |offset: u64| {
        let (id, key) = (format!("e{offset}").into(), "notification.unacked.u".into());
        let event = Event { id, key, at: now(), body: "{}".into(), source: EventSource::Client };
        Escalation { user: user.clone(), offset, event: Some(event) }
    };
    assert_eq!(node.store.escalate(vec![escalation(3), escalation(4)]).await.unwrap(), [true, true]);
    assert_eq!((indexed(), escalated()), ("0".into(), "2".into()));
    let acknowledge = async |id: &str| {
        let ids = [NotificationId::new(id).unwrap()];
        node.store.acknowledge(&user, &ids, None).await.unwrap().len()
    };
    assert_eq!((acknowledge("expired").await, escalated()), (1, "1".into()));
    // An earlier version acknowledges this one, and does not know that it was escalated.
    shared().cli(&["xdel", &key("pending:u"), "4-0"]);
    shared().cli(&["zrem", &key("expiries"), "4 u"]);
    assert_eq!((acknowledge("never").await, escalated()), (1, "0".into()), "it goes with the last one of the user");
    assert_eq!((indexed(), is_marked()), ("0".into(), "0".into()));
}
