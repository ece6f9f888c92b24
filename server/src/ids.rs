//! Identifiers that the gateway makes.

use realtime_gateway_protocol::IdError;
use uuid::{Uuid, fmt::Hyphenated};

use crate::command_error::CommandError;

/// Returns a new identifier (UUIDv7, RFC 9562 section 5.7).
///
/// # Errors
/// `internal` when the type does not take a UUID, which none does.
pub(crate) fn new_id<T: for<'a> TryFrom<&'a str, Error = IdError>>() -> Result<T, CommandError> {
    let mut text = [0; Hyphenated::LENGTH];
    let id = T::try_from(Uuid::now_v7().hyphenated().encode_lower(&mut text));
    id.map_err(CommandError::internal)
}
