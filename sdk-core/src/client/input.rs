//! Reads a message of the driver: its head and its body.

use std::borrow::Cow;

use realtime_gateway_protocol::{MAX_OFFSET, Outline};

use crate::{Position, machine::Millis};

/// The default number of items that a stream buffers.
const DEFAULT_BUFFER: u64 = 1_000;

/// The error for an input that is not a message of the interface. The driver has a bug then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The head is not a JSON object followed by LF.
    #[error("the head of an input is a JSON object and LF")]
    Head,
    /// The length of the body differs from the field `body` of the head.
    #[error("the body of an input has another length than its head says")]
    Body,
    /// The `type` is unknown in this version.
    #[error("the input has an unknown type")]
    UnknownType,
}

/// A message of the driver.
pub(crate) struct Message<'a> {
    type_name: Cow<'a, str>,
    head: Outline<'a>,
    body: &'a str,
}

impl<'a> Message<'a> {
    /// Splits the input into the head and the body.
    ///
    /// # Errors
    /// [`InputError`] if the input is not a message.
    pub(crate) fn read(input: &'a str) -> Result<Self, InputError> {
        let (head, body) = input.split_once('\n').ok_or(InputError::Head)?;
        let head = Outline::of_object(head).map_err(|_| InputError::Head)?;
        let type_name = head.text("type").ok_or(InputError::Head)?;
        if head.whole("body").unwrap_or(0) != u64::try_from(body.len()).unwrap_or(u64::MAX) {
            return Err(InputError::Body);
        }
        Ok(Self { type_name, head, body })
    }

    pub(crate) fn type_name(&self) -> &str {
        &self.type_name
    }

    pub(crate) fn body(&self) -> &'a str {
        self.body
    }

    /// Returns a string field of the head, or an empty text if it is absent.
    pub(crate) fn text(&self, name: &str) -> String {
        self.head.text(name).unwrap_or_default().into_owned()
    }

    /// Returns a number field of the head, or 0 if it is absent.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.head.whole(name).unwrap_or(0)
    }

    /// Returns a number field of the head with 16 bits, or 0 if it is absent.
    pub(crate) fn small(&self, name: &str) -> u16 {
        u16::try_from(self.number(name)).unwrap_or(0)
    }

    /// Returns the field `position` of the head.
    pub(crate) fn position(&self) -> Option<Position> {
        position(&self.head.object("position")?)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.head.flag(name)
    }

    /// Returns the timeout of a call. Without `timeoutMs` in the head the call waits indefinitely.
    pub(crate) fn timeout(&self) -> Millis {
        self.head.whole("timeoutMs").map_or(MAX_OFFSET, |timeout| timeout.min(MAX_OFFSET))
    }

    /// Returns the number of items that a stream buffers.
    pub(crate) fn buffer(&self) -> usize {
        // 32 bits on every platform, so that what follows from it is the same on every platform.
        let items = self.head.whole("buffer").unwrap_or(DEFAULT_BUFFER).min(u32::MAX.into());
        usize::try_from(items).unwrap_or(usize::MAX)
    }
}

/// Reads a position from its two members.
pub(crate) fn position(members: &Outline<'_>) -> Option<Position> {
    Position::new(members.whole("offset")?, members.text("epoch")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_message_without_unescaping_its_body() {
        let message = Message::read("{\"type\":\"frame\",\"connection\":7,\"body\":5}\n\"\u{e9}\n\"").unwrap();
        assert_eq!((message.type_name(), message.number("connection"), message.body()), ("frame", 7, "\"\u{e9}\n\""));
        assert_eq!(Message::read("{\"type\":\"tick\"}\n").unwrap().body(), "");
    }

    #[test]
    fn refuses_invalid_messages() {
        let refused = |input: &str| Message::read(input).err();
        assert_eq!(refused(""), Some(InputError::Head));
        assert_eq!(refused("{\"type\":\"tick\"}"), Some(InputError::Head));
        assert_eq!(refused("[]\n"), Some(InputError::Head));
        assert_eq!(refused("{\"kind\":\"tick\"}\n"), Some(InputError::Head));
        assert_eq!(refused("{\"type\":\"tick\"}\nx"), Some(InputError::Body));
        assert_eq!(refused("{\"type\":\"tick\",\"body\":2}\nx"), Some(InputError::Body));
    }
}
