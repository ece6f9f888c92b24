//! Deserializers of single fields whose bounds the type does not express.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de, de::value::MapAccessDeserializer};

use crate::{MAX_OFFSET, MessageType};

/// Reads a position: 0 to 2^53-1.
pub(crate) fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let position = u64::deserialize(deserializer)?;
    if position > MAX_OFFSET { Err(de::Error::custom("a position is 0 to 2^53-1")) } else { Ok(position) }
}

/// Reads a position that may be absent.
pub(crate) fn optional_position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(position) if position > MAX_OFFSET => Err(de::Error::custom("a position is 0 to 2^53-1")),
        other => Ok(other),
    }
}

/// Reads the offset of an entry: 1 to 2^53-1.
pub(crate) fn entry_offset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        offset @ 1..=MAX_OFFSET => Ok(offset),
        _ => Err(de::Error::custom("an offset is 1 to 2^53-1")),
    }
}

/// Reads the requested amount of history: 0 to 100.
pub(crate) fn history<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(deserializer)? {
        Some(history) if history > 100 => Err(de::Error::custom("history is 0 to 100")),
        other => Ok(other),
    }
}

/// Reads a message type that a client may send.
pub(crate) fn sendable_message_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MessageType>, D::Error> {
    match Option::<MessageType>::deserialize(deserializer)? {
        Some(MessageType::System | MessageType::Other(_)) => {
            Err(de::Error::custom("messageType is TEXT, IMAGE or FILE"))
        }
        other => Ok(other),
    }
}

/// Reads a struct from an object only. serde alone also accepts an array of the fields.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// Reads an object that may be absent.
pub(crate) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// Reads a list of objects.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<Object<T>>::deserialize(deserializer)?.into_iter().map(|Object(value)| value).collect())
}

/// A struct that is read from an object only.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
