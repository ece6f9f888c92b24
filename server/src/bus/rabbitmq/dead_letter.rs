//! The AMQP properties of a dead letter: those of its event that no broker checks or acts on. The others are kept in a
//! header, because `user_id` of another broker user, a `CC` that is no list or a direct reply address make a broker refuse
//! the publication, and `expiration` makes a dead letter vanish.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{properties::Unreadable, topology::text};
use crate::bus::broker::{DeadLetter, DeadLetterForm};

/// The delivery mode of a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;
/// How long the sentence about the reason may be, in bytes.
const DETAIL: usize = 1_024;

/// What is kept of an event for its dead letter.
#[derive(Debug, Clone)]
pub(in crate::bus) struct Original {
    pub(super) properties: BasicProperties,
    /// What lapin could not have read of it.
    pub(super) unreadable: Option<Unreadable>,
}

/// Returns the properties to publish a dead letter with, in at most `limit` bytes for what the event carried.
pub(super) fn dead_letter_properties(letter: &DeadLetter<Original>, limit: usize) -> BasicProperties {
    let mut headers = FieldTable::default();
    let (mut properties, mut original) = letter.original.split();
    let originals = table_size(&original) + table_size(properties.headers().as_ref().unwrap_or(&headers));
    let is_plain = letter.form == DeadLetterForm::Plain;
    if is_plain || originals > limit {
        original = FieldTable::default();
        properties = properties.with_headers(FieldTable::default());
        headers.insert("x-gateway-original-omitted".into(), AMQPValue::Boolean(true));
    }
    if is_plain {
        properties = BasicProperties::default();
    }
    for (name, value) in properties.headers().iter().flat_map(|headers| headers.inner()) {
        headers.insert(name.clone(), value.clone());
    }
    if !original.inner().is_empty() {
        headers.insert("x-gateway-original".into(), AMQPValue::FieldTable(original));
    }
    headers.insert("x-gateway-reason".into(), text(letter.reason));
    headers.insert("x-gateway-detail".into(), text(cut(&letter.detail)));
    properties.with_headers(headers).with_delivery_mode(PERSISTENT)
}

impl Original {
    /// Returns the properties that may stay, and the others.
    fn split(&self) -> (BasicProperties, FieldTable) {
        let from = &self.properties;
        let (mut kept, mut original) = (BasicProperties::default(), FieldTable::default());
        macro_rules! keep {
            ($($get:ident $set:ident),*) => { $(if let Some(value) = from.$get() { kept = kept.$set(value.clone()); })* };
        }
        keep!(
            content_type with_content_type,
            content_encoding with_content_encoding,
            correlation_id with_correlation_id,
            message_id with_message_id,
            timestamp with_timestamp,
            kind with_type,
            app_id with_app_id
        );
        let mut put = |name: &str, value: Option<AMQPValue>| {
            if let Some(value) = value {
                original.insert(name.into(), value);
            }
        };
        let string = |value: &Option<ShortString>| value.as_ref().map(|value| text(value.as_str()));
        put("user_id", string(from.user_id()));
        put("expiration", string(from.expiration()));
        put("reply_to", string(from.reply_to()));
        put("cluster_id", string(from.cluster_id()));
        put("priority", from.priority().map(AMQPValue::ShortShortUInt));
        put("delivery_mode", from.delivery_mode().map(AMQPValue::ShortShortUInt));
        let (mut plain, mut special) = (FieldTable::default(), FieldTable::default());
        for (name, value) in from.headers().iter().flat_map(|headers| headers.inner()) {
            let headers = if is_special(name.as_str()) { &mut special } else { &mut plain };
            headers.insert(name.clone(), value.clone());
        }
        put("headers", Some(special).filter(|special| !special.inner().is_empty()).map(AMQPValue::FieldTable));
        for unreadable in self.unreadable.iter().flat_map(|unreadable| &unreadable.originals) {
            // The bytes as they were: a long string may hold any.
            put(unreadable.field, Some(AMQPValue::LongString(unreadable.bytes.clone().into())));
        }
        (kept.with_headers(plain), original)
    }
}

/// Whether a broker or one of its plugins may act on a header: more recipients, delays, deduplication, counts.
fn is_special(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "cc" || name == "bcc" || name.starts_with("x-")
}

/// Returns the first bytes of a text.
fn cut(detail: &str) -> &str {
    let end = (0..=DETAIL.min(detail.len())).rev().find(|end| detail.is_char_boundary(*end)).unwrap_or(0);
    detail.get(..end).unwrap_or(detail)
}

/// Returns how many bytes a table takes at least. `properties.rs` has limited its depth.
fn table_size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| 2 + name.as_str().len() + size(value)).sum()
}

fn size(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => 4 + text.as_bytes().len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.as_slice().len(),
        AMQPValue::FieldTable(table) => 4 + table_size(table),
        AMQPValue::FieldArray(array) => 4 + array.as_slice().iter().map(|value| 1 + size(value)).sum::<usize>(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::bus::rabbitmq::properties;

    fn letter(properties: BasicProperties) -> DeadLetter<Original> {
        DeadLetter {
            key: "k".into(),
            body: Bytes::new(),
            reason: "invalid_json",
            detail: "not JSON".into(),
            original: Original { properties, unreadable: None },
            form: DeadLetterForm::Complete,
        }
    }

    fn properties(letter: &DeadLetter<Original>) -> BasicProperties {
        dead_letter_properties(letter, 60_000)
    }

    fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
        properties.headers().as_ref()?.inner().get(name)
    }

    fn original(properties: &BasicProperties) -> FieldTable {
        match header(properties, "x-gateway-original") {
            Some(AMQPValue::FieldTable(table)) => table.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keeps_only_properties_that_no_broker_acts_on() {
        let mut headers = FieldTable::default();
        for name in ["traceparent", "CC", "bcc", "x-death", "X-Delay"] {
            headers.insert(name.into(), text(name));
        }
        let event = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id("m".into())
            .with_app_id("app".into())
            .with_user_id("another".into())
            .with_expiration("1".into())
            .with_reply_to("amq.rabbitmq.reply-to".into())
            .with_priority(9)
            .with_delivery_mode(1)
            .with_cluster_id("c".into())
            .with_headers(headers);
        let published = properties(&letter(event));
        let expected = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id("m".into())
            .with_app_id("app".into())
            .with_delivery_mode(2);
        assert_eq!(published.clone().with_headers(FieldTable::default()), expected.with_headers(FieldTable::default()));
        assert_eq!(header(&published, "traceparent"), Some(&text("traceparent")));
        let names: Vec<_> = published.headers().as_ref().unwrap().inner().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["traceparent", "x-gateway-detail", "x-gateway-original", "x-gateway-reason"]);
        let original = original(&published);
        assert_eq!(original.inner().get("user_id"), Some(&text("another")));
        assert_eq!(original.inner().get("expiration"), Some(&text("1")));
        assert_eq!(original.inner().get("priority"), Some(&AMQPValue::ShortShortUInt(9)));
        let Some(AMQPValue::FieldTable(special)) = original.inner().get("headers") else { panic!("{original:?}") };
        assert_eq!(special.inner().len(), 4);
    }

    #[test]
    fn keeps_the_bytes_of_what_was_unreadable() {
        let originals = vec![properties::Original { field: "routing_key", bytes: b"\xf6".to_vec() }];
        let mut letter = letter(BasicProperties::default());
        letter.original.unreadable = Some(Unreadable { originals, broken: None });
        let published = properties(&letter);
        let bytes = AMQPValue::LongString(b"\xf6".to_vec().into());
        assert_eq!(original(&published).inner().get("routing_key"), Some(&bytes));
    }

    #[test]
    fn omits_what_does_not_fit_or_was_refused() {
        let mut headers = FieldTable::default();
        headers.insert("a".into(), text(&"x".repeat(70_000)));
        let event = BasicProperties::default().with_message_id("m".into()).with_headers(headers);
        let mut letter = letter(event);
        letter.detail = "é".repeat(2_000);
        let published = properties(&letter);
        assert_eq!(published.message_id().as_ref().map(ShortString::as_str), Some("m"));
        assert_eq!(header(&published, "a"), None);
        assert_eq!(header(&published, "x-gateway-original-omitted"), Some(&AMQPValue::Boolean(true)));
        assert!(size(header(&published, "x-gateway-detail").unwrap()) <= DETAIL + 4);
        assert!(header(&dead_letter_properties(&letter, 80_000), "a").is_some());
        letter.form = DeadLetterForm::Plain;
        let published = dead_letter_properties(&letter, 80_000);
        assert_eq!((published.message_id(), header(&published, "a")), (&None, None));
        assert_eq!(header(&published, "x-gateway-reason"), Some(&text("invalid_json")));
    }
}
