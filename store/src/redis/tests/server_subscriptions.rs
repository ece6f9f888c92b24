//! Server-side subscriptions over several nodes: who is notified of a change.

use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName};

use super::{TestNode, own_prefix};
use crate::{ControlMessage, ServerSubscription, ServerSubscriptions, SessionPolicy, Sessions, SubscriptionFilter};

#[tokio::test]
async fn notifies_nodes_with_sessions_of_the_user_in_the_same_step() {
    let redis = own_prefix();
    let (mut a, mut b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let mut c = TestNode::join(&redis, "c").await;
    let policy = SessionPolicy { max: 3, ..super::ONE_SESSION };
    for (node, user, id) in [(&a, "anna", "1"), (&a, "anna", "2"), (&b, "anna", "3"), (&c, "bert", "4")] {
        node.store.open_session(node.session(user, id), policy).await.unwrap();
    }
    let user = a.session("anna", "1").user;
    let (service, topic) = (ServiceName::new("orders").unwrap(), TopicName::new("order-1").unwrap());
    let since = Timestamp::from_millis(1_800_000_000_000);
    let subscription = ServerSubscription { service: service.clone(), topic, since, until: None };
    c.store.keep_subscription(&user, subscription).await.unwrap();
    let changed = ControlMessage::SubscriptionsChanged { user_id: user.clone() };
    // The mailbox has the message although no node listens to the channel in this test.
    let expected = std::slice::from_ref(&changed);
    assert_eq!(a.reconcile().await.control_messages, expected, "once for two sessions");
    assert_eq!(b.reconcile().await.control_messages, expected);
    assert!(c.reconcile().await.control_messages.is_empty());
    let filter = SubscriptionFilter { service, topic: None };
    assert_eq!(b.store.remove_subscriptions(&user, &filter).await.unwrap(), 1);
    assert_eq!(a.reconcile().await.control_messages, expected);
    assert_eq!(a.store.remove_subscriptions(&user, &filter).await.unwrap(), 0);
    assert!(b.reconcile().await.control_messages.len() == 1 && a.reconcile().await.control_messages.is_empty());
}
