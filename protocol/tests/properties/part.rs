//! The parts that messages are made of.

use std::fmt::Debug;

use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
};
use realtime_gateway_protocol::{
    ChatContent, ChatData, Envelope, MAX_OFFSET, RawJson, RequestId, ServiceName, Timestamp,
};
use serde_json::Value;

/// An identifier: few characters, but of any kind.
pub(crate) fn id<T: Debug + for<'a> TryFrom<&'a str>>() -> BoxedStrategy<T> {
    "\\PC{1,16}".prop_filter_map("white space", |text| T::try_from(text.as_str()).ok()).boxed()
}

pub(crate) fn service() -> BoxedStrategy<ServiceName> {
    "[a-z][a-z0-9_]{0,31}".prop_filter_map("a service name", |text| ServiceName::new(text).ok()).boxed()
}

pub(crate) fn text() -> BoxedStrategy<String> {
    "(?s).{0,20}".prop_map(|text| text.replace('\0', "")).boxed()
}

pub(crate) fn content() -> BoxedStrategy<ChatContent> {
    "(?s).{1,40}".prop_filter_map("content", |text| ChatContent::new(text).ok()).boxed()
}

/// The offset of an entry, small or large.
pub(crate) fn offset() -> BoxedStrategy<u64> {
    prop_oneof![1..100_u64, 1..=MAX_OFFSET, Just(MAX_OFFSET)].boxed()
}

/// The offset of an entry, or 0.
pub(crate) fn position() -> BoxedStrategy<u64> {
    prop_oneof![Just(0), offset()].boxed()
}

pub(crate) fn time() -> BoxedStrategy<Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis).boxed()
}

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object_of(inner)])
        .boxed()
}

fn object_of(inner: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

fn raw(value: &Value) -> RawJson {
    RawJson::encode(value).expect("a value is JSON")
}

/// Any JSON.
pub(crate) fn json() -> BoxedStrategy<RawJson> {
    value().prop_map(|value| raw(&value)).boxed()
}

/// JSON for an optional field, where `null` is like an absent one.
pub(crate) fn optional_json() -> BoxedStrategy<Option<RawJson>> {
    of(value()).prop_map(|value| value.filter(|value| !value.is_null()).as_ref().map(raw)).boxed()
}

pub(crate) fn object() -> BoxedStrategy<Value> {
    object_of(value())
}

pub(crate) fn chat_data() -> BoxedStrategy<ChatData> {
    object().prop_filter_map("chat data", |value| ChatData::new(raw(&value)).ok()).boxed()
}

/// With or without a `requestId`.
pub(crate) fn envelope<M: Debug>(message: impl Strategy<Value = M>) -> impl Strategy<Value = Envelope<M>> {
    (of(id::<RequestId>()), message).prop_map(|(request_id, message)| Envelope { request_id, message })
}
