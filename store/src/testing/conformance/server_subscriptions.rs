//! Server-side subscriptions: their order, their number, and their end.

use std::time::Duration;

use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName, UserId};

use super::{Subject, sessions::user};
use crate::{ServerSubscription, SubscriptionFilter, SubscriptionOutcome};

/// Returns a subscription to a topic of the service `orders`, added now.
pub fn server_subscription(subject: &Subject, topic: &str, until: Option<Timestamp>) -> ServerSubscription {
    let (service, topic) = (ServiceName::new("orders").unwrap(), TopicName::new(topic).unwrap());
    ServerSubscription { service, topic, since: subject.now(), until }
}

fn filter(service: &str, topic: Option<&str>) -> SubscriptionFilter {
    let topic = topic.map(|topic| TopicName::new(topic).unwrap());
    SubscriptionFilter { service: ServiceName::new(service).unwrap(), topic }
}

async fn keep(subject: &Subject, subscription: &ServerSubscription) {
    let outcome = subject.store.keep_subscription(&user(), subscription.clone()).await.unwrap();
    assert_eq!(outcome, SubscriptionOutcome::Kept);
}

async fn kept(subject: &Subject) -> Vec<ServerSubscription> {
    subject.store.subscriptions_of(&user()).await.unwrap()
}

async fn remove(subject: &Subject, filter: &SubscriptionFilter) -> u64 {
    subject.store.remove_subscriptions(&user(), filter).await.unwrap()
}

fn after(subject: &Subject, seconds: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(subject.now().millis() + seconds * 1_000))
}

pub async fn keeps_server_subscriptions_in_order_until_removed(subject: &Subject) {
    assert_eq!(kept(subject).await, []);
    let [one, two] = ["order-1", "größe/\"2\""].map(|topic| server_subscription(subject, topic, None));
    let other = ServerSubscription { service: ServiceName::new("news").unwrap(), ..one.clone() };
    for subscription in [&one, &two, &other] {
        keep(subject, subscription).await;
    }
    let all = [one.clone(), two.clone(), other.clone()];
    assert_eq!(kept(subject).await, all);
    assert_eq!(subject.store.subscriptions_of(&UserId::new("v").unwrap()).await.unwrap(), [], "another user has none");
    assert_eq!(remove(subject, &filter("orders", Some("order-9"))).await, 0);
    assert_eq!(kept(subject).await, all);
    assert_eq!(remove(subject, &filter("orders", Some("order-1"))).await, 1);
    assert_eq!(kept(subject).await, [two, other.clone()]);
    keep(subject, &one).await;
    assert_eq!(remove(subject, &filter("orders", None)).await, 2);
    assert_eq!(kept(subject).await, [other]);
    assert_eq!(remove(subject, &filter("news", None)).await, 1);
    assert_eq!(kept(subject).await, []);
}

pub async fn replaces_server_subscription_to_same_topic(subject: &Subject) {
    let ending = server_subscription(subject, "order-1", after(subject, 60));
    let other = server_subscription(subject, "order-2", None);
    keep(subject, &ending).await;
    keep(subject, &other).await;
    subject.pass(Duration::from_secs(1));
    let lasting = server_subscription(subject, "order-1", None);
    keep(subject, &lasting).await;
    assert_eq!(kept(subject).await, [other.clone(), lasting.clone()]);
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    assert_eq!(kept(subject).await, [other, lasting], "the replaced end does not count any more");
}

pub async fn limits_server_subscriptions_of_user(subject: &Subject) {
    let numbered = |n: usize, until| server_subscription(subject, &format!("order-{n}"), until);
    for n in 1..ServerSubscription::MAX_PER_USER {
        keep(subject, &numbered(n, None)).await;
    }
    keep(subject, &numbered(0, after(subject, 60))).await;
    let beyond = numbered(1_000, None);
    let outcome = subject.store.keep_subscription(&user(), beyond.clone()).await.unwrap();
    assert_eq!(outcome, SubscriptionOutcome::TooMany);
    assert_eq!(kept(subject).await.len(), ServerSubscription::MAX_PER_USER);
    keep(subject, &numbered(7, None)).await;
    let other = UserId::new("v").unwrap();
    let outcome = subject.store.keep_subscription(&other, beyond.clone()).await.unwrap();
    assert_eq!(outcome, SubscriptionOutcome::Kept, "each user has a limit of their own");
    subject.pass(Duration::from_secs(60));
    keep(subject, &beyond).await;
    assert_eq!(kept(subject).await.len(), ServerSubscription::MAX_PER_USER, "one that has ended counts no more");
}

pub async fn server_subscription_ends_at_its_time(subject: &Subject) {
    let ending = server_subscription(subject, "order-1", after(subject, 60));
    keep(subject, &ending).await;
    subject.pass(Duration::from_millis(59_999));
    assert_eq!(kept(subject).await, [ending]);
    subject.pass(Duration::from_millis(1));
    assert_eq!(kept(subject).await, []);
    assert_eq!(remove(subject, &filter("orders", None)).await, 0, "it had ended");
}

pub async fn sweep_removes_only_server_subscriptions_that_have_ended(subject: &Subject) {
    let lasting = server_subscription(subject, "lasting", None);
    let ending: Vec<_> =
        [60, 120].map(|end| server_subscription(subject, &format!("e{end}"), after(subject, end))).into();
    for subscription in [&ending[1], &lasting, &ending[0]] {
        keep(subject, subscription).await;
    }
    for end in 0..700 {
        let user = UserId::new(format!("user{end}")).unwrap();
        let subscription = server_subscription(subject, "order-1", after(subject, 60));
        subject.store.keep_subscription(&user, subscription).await.unwrap();
    }
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    assert_eq!(kept(subject).await, [ending[1].clone(), lasting.clone()]);
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    assert_eq!(kept(subject).await, [lasting]);
    assert_eq!(subject.store.subscriptions_of(&UserId::new("user699").unwrap()).await.unwrap(), []);
}
