//! Tests of topic patterns.

use super::*;

fn values(pattern: &str, topic: &str) -> Option<Vec<String>> {
    let pattern = TopicPattern::parse(pattern).unwrap();
    let values = pattern.values(topic)?;
    Some(values.iter().map(|(name, value)| format!("{name}={value}")).collect())
}

#[test]
fn reads_values_up_to_the_literal_that_follows() {
    for (pattern, topic, expected) in [
        ("order-{orderId}", "order-42", Some(vec!["orderId=42"])),
        ("order-{orderId}", "order-4-2", Some(vec!["orderId=4-2"])),
        ("order-{orderId}", "order-", None),
        ("order-{orderId}", "orders-42", None),
        ("room-{room}-{userId}", "room-a-b-c", Some(vec!["room=a", "userId=b-c"])),
        ("room-{room}-{userId}", "room--b", None),
        ("room-{room}-{userId}", "room-a-", None),
        ("room-{room}-{userId}", "room-a", None),
        ("news", "news", Some(vec![])),
        ("news", "news-2", None),
        ("été-{x}", "été-é", Some(vec!["x=é"])),
    ] {
        let expected = expected.map(|values| values.into_iter().map(str::to_owned).collect());
        assert_eq!(values(pattern, topic), expected, "{pattern} {topic}");
    }
}

#[test]
fn writes_only_topics_that_are_read_back() {
    let pattern = TopicPattern::parse("x-{room}--{userId}").unwrap();
    assert_eq!(pattern.topic(&["a-b", "anna"]).unwrap().as_str(), "x-a-b--anna");
    let separator = |room| matches!(pattern.topic(&[room, "anna"]), Err(ValueError::Separator { .. }));
    assert!(separator("a--b"));
    assert!(separator("a-"), "would be the room `a` of the user `-anna`");
    assert_eq!(pattern.topic(&["", "anna"]), Err(ValueError::Empty(MemberName::new("room").unwrap())));
    assert_eq!(pattern.topic(&["a"]), Err(ValueError::Count { expected: 2, given: 1 }));
    assert!(matches!(pattern.topic(&["a", "b c"]), Err(ValueError::Topic(_))));
    for (room, user) in [("a", "b"), ("-a", "-"), ("a-b", "--b"), ("é", "a--b")] {
        let topic = pattern.topic(&[room, user]).unwrap();
        let values = pattern.values(topic.as_str()).unwrap();
        assert_eq!(values.iter().map(|(_, value)| value).collect::<Vec<_>>(), [room, user]);
        assert_eq!(values.user_id(), Some(user));
    }
}

#[test]
fn is_displayed_as_written() {
    for text in ["news", "order-{orderId}", "x-{room}--{userId}"] {
        assert_eq!(TopicPattern::parse(text).unwrap().to_string(), text);
    }
    assert!(TopicPattern::parse("x-{room}--{userId}").unwrap().is_of_user());
    assert!(!TopicPattern::parse("x-{userid}").unwrap().is_of_user());
}
