//! Checks the fields of a message against the table of fields.

use std::ops::RangeInclusive;

use super::scan::{Member, Scanner, unescaped};
use crate::{Timestamp, decode::DecodeError, id, json, text};

/// The type of a field.
pub(super) enum Kind {
    /// Any string, including the values of open enumerations.
    Text,
    /// An identifier.
    Id,
    /// The name of a service.
    Service,
    /// The content of a chat message.
    Content,
    /// A type of chat message that a client may send.
    Sendable,
    /// A timestamp.
    Time,
    /// A boolean.
    Flag,
    /// A whole number within bounds.
    Whole(&'static RangeInclusive<u64>),
    /// Any JSON.
    Any,
    /// The `data` of a chat message.
    Data,
    /// A list.
    List(&'static Kind),
    /// An object.
    Object(&'static [Field]),
}

/// One field of a message.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// The problem of a field.
type Fault = DecodeError;

/// Checks the members of an object in the order of the text, and then that no required field is missing.
pub(super) fn fields(fields: &[Field], members: &[Member<'_>]) -> Result<(), Fault> {
    for (at, member) in members.iter().enumerate() {
        let Some(field) = fields.iter().find(|field| field.name == member.name) else { continue };
        if members.iter().take(at).any(|before| before.name == member.name) {
            return Err(fault(field.name, "given twice"));
        }
        let is_absent = member.value == "null" && !field.required;
        if !is_absent {
            value(&field.kind, member.value).map_err(|fault| within(field.name, fault))?;
        }
    }
    let missing = fields.iter().find(|field| field.required && members.iter().all(|member| member.name != field.name));
    missing.map_or(Ok(()), |field| Err(fault(field.name, "missing")))
}

fn value(kind: &Kind, written: &str) -> Result<(), Fault> {
    match kind {
        Kind::Any => Ok(()),
        Kind::Flag if matches!(written, "true" | "false") => Ok(()),
        Kind::Flag => Err(fault("", "a boolean is expected")),
        Kind::Data => json::check_data(written).map_err(|problem| fault("", problem)),
        Kind::Whole(range) => match whole(written) {
            Some(number) if range.contains(&number) => Ok(()),
            _ => {
                let [least, most] = [range.start(), range.end()].map(u64::to_string);
                Err(fault("", &["a whole number from ", &least, " to ", &most, " is expected"].concat()))
            }
        },
        Kind::List(kind) => {
            let items = Scanner::new(written).items().ok_or_else(|| fault("", "a list is expected"))?;
            items.iter().enumerate().try_for_each(|(at, item)| {
                value(kind, item).map_err(|fault| within(&["[", &at.to_string(), "]"].concat(), fault))
            })
        }
        Kind::Object(expected) => match Scanner::new(written).whole() {
            Ok(Some(members)) => fields(expected, &members),
            _ => Err(fault("", "an object is expected")),
        },
        _ => {
            let text_value = unescaped(written).ok_or_else(|| match written.starts_with('"') {
                true => DecodeError::InvalidJson("half a surrogate pair".to_owned()),
                false => fault("", "a string is expected"),
            })?;
            let problem = match kind {
                Kind::Id => id::check_identifier(&text_value).err().map(id::IdError::sentence),
                Kind::Service => id::check_service_name(&text_value).err().map(id::IdError::sentence),
                Kind::Content if !text::is_content(&text_value) => Some(text::CONTENT),
                Kind::Sendable if !matches!(&*text_value, "TEXT" | "IMAGE" | "FILE") => {
                    Some("messageType is TEXT, IMAGE or FILE")
                }
                Kind::Time if Timestamp::read(&text_value).is_none() => Some(crate::timestamp::FORM),
                _ => None,
            };
            problem.map_or(Ok(()), |problem| Err(fault("", problem)))
        }
    }
}

/// Parses a whole number: no sign, no fraction, no exponent.
pub(super) fn whole(written: &str) -> Option<u64> {
    written.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn fault(field: &str, problem: &str) -> Fault {
    DecodeError::InvalidMessage { field: field.to_owned(), problem: problem.to_owned() }
}

/// Prepends the name of the surrounding object or list to the path of a fault.
fn within(outer: &str, fault: Fault) -> Fault {
    match fault {
        DecodeError::InvalidMessage { field, problem } => {
            let point = if field.is_empty() || field.starts_with('[') { "" } else { "." };
            DecodeError::InvalidMessage { field: [outer, point, &field].concat(), problem }
        }
        other => other,
    }
}
