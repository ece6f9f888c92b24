//! The message for a command that failed.

use realtime_gateway_protocol::{ErrorReply, Subject};

use crate::command_error::CommandError;

/// Returns the message about the error of a command, which names the subject of the command.
pub(super) fn refused(in_reply_to: Option<&'static str>, error: &CommandError, subject: Subject) -> ErrorReply {
    let (mut clan_id, mut topic, mut service, mut method) = (None, None, None, None);
    match subject {
        Subject::Nothing => {}
        Subject::Clan(clan) => clan_id = Some(clan),
        Subject::Topic(of, name) => (service, topic) = (Some(of), Some(name)),
        Subject::Call(of, name) => (service, method) = (Some(of), Some(name)),
    }
    ErrorReply {
        message: error.message.to_string(),
        code: error.code.clone(),
        in_reply_to: in_reply_to.map(str::to_owned),
        clan_id,
        topic,
        service,
        method,
        retry_after_ms: error.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        details: error.details.clone(),
    }
}
