//! Decodes the JSON text of a frame into a message, or into a refusal with the problem.

mod depth;
mod field;
mod one_pass;
mod problem;
pub(crate) mod strings;

pub(crate) use field::{
    entry_offset, history, object, objects, optional_object, optional_position, position, sendable_message_type,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::value::RawValue;

use crate::{
    ClientMessage, Envelope, ErrorCode, GetChatHistory, GetTopicHistory, MAX_DEPTH, MAX_SERVER_DEPTH,
    NOT_BEFORE_AND_AFTER, RawJson, RequestId, ServerMessage, Unknown,
};
use depth::check_depth;
use problem::from_json_error;
use strings::Broken;

use crate::text_rule::{BLANK, is_blank};

/// The reason why a text is not a valid message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum DecodeError {
    /// It is not JSON, or nests too deeply.
    InvalidJson(String),
    /// The `type` is unknown, or not allowed in this direction.
    UnknownType(String),
    /// A field is missing or outside its bounds.
    InvalidMessage {
        /// The path of the invalid field, such as `recover.offset`.
        field: String,
        /// The problem of the field.
        problem: String,
    },
}

impl DecodeError {
    /// The problem of JSON that is not an object.
    pub const NO_OBJECT: &'static str = "a message is a JSON object";

    /// Returns the code of the `error` reply.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidJson(_) => ErrorCode::InvalidJson,
            Self::UnknownType(_) => ErrorCode::UnknownType,
            Self::InvalidMessage { .. } => ErrorCode::InvalidMessage,
        }
    }

    /// Returns the path of the invalid field, such as `recover.offset`. It is empty if the message as a whole is
    /// invalid.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidMessage { field, .. } => Some(field),
            _ => None,
        }
    }

    /// The text of the error. Unlike `to_string` it needs no formatting code, which a browser would download.
    pub fn sentence(&self) -> String {
        match self {
            Self::InvalidJson(problem) => ["not JSON: ", problem].concat(),
            Self::UnknownType(word) => ["no such type", &problem::named(word)].concat(),
            Self::InvalidMessage { field, problem } => [field, ": ", problem].concat(),
        }
    }

    fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidMessage { field: field.into(), problem: problem.into() }
    }
}

/// An invalid command, with the fields that could be read for the `error` reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// The reason.
    pub error: DecodeError,
    /// The `requestId` of the command, if it could be read.
    pub request_id: Option<RequestId>,
    /// The `type` of the command, if it exists.
    pub in_reply_to: Option<&'static str>,
}

impl Refusal {
    fn early(error: DecodeError) -> Self {
        Self { error, request_id: None, in_reply_to: None }
    }
}

/// The two fields that are read first. They are read as raw text, so that an invalid one does not hide the other.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    type_name: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
}

/// Decodes a command.
///
/// # Errors
/// A [`Refusal`] that distinguishes text that is not JSON, an unknown `type` and an invalid message, and that names the
/// invalid field.
pub fn decode_client(text: &str) -> Result<Envelope<ClientMessage>, Refusal> {
    if let Some(broken) = strings::find_in_command(text) {
        return Err(refuse_broken(broken));
    }
    match one_pass::decode(text) {
        Some(command) => Ok(command),
        None => decode_with_reasons(text),
    }
}

/// Decodes a command whose strings are valid. It reads the head first, so that a refusal names the command.
fn decode_with_reasons(text: &str) -> Result<Envelope<ClientMessage>, Refusal> {
    let head = read_head(text, MAX_DEPTH).map_err(Refusal::early)?;
    let (request_id, request_id_problem) = match read_request_id(&head) {
        Ok(id) => (id, None),
        Err(problem) => (None, Some(problem)),
    };
    let word =
        read_type(&head).map_err(|error| Refusal { error, request_id: request_id.clone(), in_reply_to: None })?;
    let in_reply_to = ClientMessage::TYPES.iter().find(|known| **known == word).copied();
    let message = match request_id_problem {
        Some(problem) => Err(problem),
        None => decode_fields(text, &word).and_then(check_client),
    };
    match message {
        Ok(message) => Ok(Envelope { request_id, message }),
        Err(error) => Err(Refusal { error, request_id, in_reply_to }),
    }
}

/// Returns the refusal of a command with a string that breaks the rules for text. The head is read from the repaired
/// text.
fn refuse_broken(broken: Broken) -> Refusal {
    let Broken { field, problem, repaired } = broken;
    let head = match read_head(&repaired, MAX_DEPTH) {
        Ok(head) => head,
        Err(error) => return Refusal::early(error),
    };
    let request_id = read_request_id(&head).ok().flatten().filter(|_| field != "requestId");
    let word = read_type(&head).ok().filter(|_| field != "type");
    let in_reply_to = word.and_then(|word| ClientMessage::TYPES.iter().find(|known| **known == word).copied());
    Refusal { error: DecodeError::invalid(field, problem), request_id, in_reply_to }
}

/// Decodes a server message. A `type` that this version does not know is [`ServerMessage::Unknown`], not an error.
///
/// # Errors
/// A [`DecodeError`] for text that is not JSON, and for a known message with an invalid field.
pub fn decode_server(text: &str) -> Result<Envelope<ServerMessage>, DecodeError> {
    let head = read_head(text, MAX_SERVER_DEPTH)?;
    let request_id = read_request_id(&head)?;
    let word = read_type(&head)?;
    let message = match decode_fields(text, &word) {
        Err(DecodeError::UnknownType(type_name)) => {
            let raw: RawJson =
                serde_json::from_str(text).map_err(|error| DecodeError::InvalidJson(error.to_string()))?;
            ServerMessage::Unknown(Unknown { type_name, raw })
        }
        other => other?,
    };
    Ok(Envelope { request_id, message })
}

/// Decodes a JSON object that is not a message, such as the body of a backend event, with the same bounds and the same
/// error texts.
///
/// # Errors
/// A [`DecodeError`] for text that is not JSON, and for a field that is missing or outside its bounds.
pub fn decode_object<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    if let Some(Broken { field, problem, repaired }) = strings::find(text) {
        check_object(&repaired)?;
        serde_json::from_str::<de::IgnoredAny>(&repaired).map_err(|error| from_json_error("", &error))?;
        return Err(DecodeError::invalid(field, problem));
    }
    check_object(text)?;
    // Parse the whole text first, so that an invalid field does not hide invalid JSON after it.
    serde_json::from_str::<de::IgnoredAny>(text).map_err(|error| from_json_error("", &error))?;
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    T::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track))
        .map_err(|error| from_json_error(&track.path().to_string(), &error))
}

/// Decodes a JSON object whose members are passed on to clients, such as the answer of a backend service to a call. Other
/// than in [`decode_object`], names of fields have no meaning.
///
/// # Errors
/// A [`DecodeError`] for text that is not JSON or that no message may contain, and for a field that is missing or outside its
/// bounds.
pub fn decode_answer<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    if let Some(Broken { field, problem, .. }) = strings::find_unreadable(text) {
        return Err(DecodeError::invalid(field, problem));
    }
    check_object(text)?;
    serde_json::from_str(text).map_err(|error| from_json_error("", &error))
}

fn read_head(text: &str, max_depth: usize) -> Result<Head<'_>, DecodeError> {
    check_shape(text, max_depth)?;
    serde_json::from_str(text).map_err(|error| from_json_error("", &error))
}

/// Rejects text that nests deeper than [`MAX_DEPTH`] and text that is not an object.
fn check_object(text: &str) -> Result<(), DecodeError> {
    check_shape(text, MAX_DEPTH)
}

/// Rejects text that nests too deeply and text that is not an object.
fn check_shape(text: &str, max_depth: usize) -> Result<(), DecodeError> {
    check_depth(text, max_depth)?;
    // serde also decodes a struct from an array, so the shape is checked first.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<de::IgnoredAny>(text) {
            Ok(_) => DecodeError::invalid("", DecodeError::NO_OBJECT),
            Err(error) => DecodeError::InvalidJson(error.to_string()),
        });
    }
    Ok(())
}

fn read_type(head: &Head<'_>) -> Result<String, DecodeError> {
    let raw = head.type_name.ok_or_else(|| DecodeError::invalid("type", "missing"))?;
    serde_json::from_str(raw.get()).map_err(|_| DecodeError::invalid("type", "not a string"))
}

fn read_request_id(head: &Head<'_>) -> Result<Option<RequestId>, DecodeError> {
    let Some(raw) = head.request_id else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|error| from_json_error("requestId", &error))
}

/// An enumeration of messages that is tagged by `type`.
pub(crate) trait Tagged: Sized {
    /// Decodes the fields of a message with this `type`. Returns `None` when this version does not know the `type`.
    fn decode_fields<'de, D: Deserializer<'de>>(word: &str, fields: D) -> Option<Result<Self, D::Error>>;
}

fn decode_fields<M: Tagged>(text: &str, word: &str) -> Result<M, DecodeError> {
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    match M::decode_fields(word, fields) {
        None => Err(DecodeError::UnknownType(word.to_owned())),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(from_json_error(&track.path().to_string(), &error)),
    }
}

/// Checks the rules that involve several fields of a command.
fn check_client(message: ClientMessage) -> Result<ClientMessage, DecodeError> {
    match &message {
        ClientMessage::NotificationAck(ack) => match (&ack.notification_id, &ack.notification_ids) {
            (None, None) => Err(DecodeError::invalid("notificationId", "notificationId or notificationIds is needed")),
            (_, Some(ids)) if ids.is_empty() || ids.len() > 1_000 => {
                Err(DecodeError::invalid("notificationIds", "1 to 1000 notifications"))
            }
            _ => Ok(message),
        },
        ClientMessage::SendChat(chat) if is_blank(chat.content.as_str()) => Err(DecodeError::invalid("content", BLANK)),
        ClientMessage::GetChatHistory(GetChatHistory { before: Some(_), after: Some(_), .. })
        | ClientMessage::GetTopicHistory(GetTopicHistory { before: Some(_), after: Some(_), .. }) => {
            Err(DecodeError::invalid("before", NOT_BEFORE_AND_AFTER))
        }
        _ => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (ErrorCode, String) {
        let refusal = decode_client(text).unwrap_err();
        (refusal.error.code(), refusal.error.to_string())
    }

    #[test]
    fn names_the_offending_field() {
        assert_eq!(refused(r#"{"type":"chat","clanId":"c"}"#).1, "content: missing");
        assert_eq!(
            refused(r#"{"type":"subscribe_clan_chat","clanId":"c","recover":{"offset":-1,"epoch":"e"}}"#).1,
            "recover.offset: a whole number from 0 is expected"
        );
        assert_eq!(
            refused(r#"{"type":"typing","clanId":"a b","isTyping":true}"#).1,
            "clanId: an identifier has no control characters and no white space"
        );
        assert_eq!(refused(r#"{"type":"chat","clanId":"c","content":"x","data":[]}"#).1, "data: data is a JSON object");
        assert_eq!(refused(r#"{"type":"ping","type":"ping"}"#).1, "type: given twice");
    }

    #[test]
    fn distinguishes_the_three_kinds_of_errors() {
        assert_eq!(refused("{").0, ErrorCode::InvalidJson);
        assert_eq!(refused(r#"["ping"]"#).0, ErrorCode::InvalidMessage);
        assert_eq!(refused(r#"{"type":"pang"}"#).0, ErrorCode::UnknownType);
        assert_eq!(refused(r#"{"kind":"ping"}"#).0, ErrorCode::InvalidMessage);
        // JSON bounds no number (RFC 8259, section 6).
        for number in ["6E5536", "-1e400", "1.0e309", &"9".repeat(400)] {
            let error = refused(&format!(r#"{{"type":"chat_history","clanId":"c","before":{number}}}"#));
            assert_eq!(
                (error.0, &*error.1),
                (ErrorCode::InvalidMessage, "before: a smaller number is expected"),
                "{number}"
            );
        }
        assert_eq!(
            refused(&format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(70), "]".repeat(70))).0,
            ErrorCode::InvalidJson
        );
    }

    #[test]
    fn decodes_objects_within_the_bounds_of_messages() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Request {
            clan_id: crate::ClanId,
        }
        let problem = |text: &str| decode_object::<Request>(text).unwrap_err().to_string();
        assert_eq!(decode_object::<Request>(r#" {"clanId":"c"} "#).unwrap().clan_id.as_str(), "c");
        assert_eq!(problem("{}"), "clanId: missing");
        assert_eq!(problem(r#"{"clanId":"c"} x"#), "not JSON: trailing characters at line 1 column 16");
        assert_eq!(problem(r#"["c"]"#), ": a message is a JSON object");
        let deep = format!(r#"{{"clanId":"c","x":{}{}}}"#, "[".repeat(70), "]".repeat(70));
        assert_eq!(problem(&deep), "not JSON: nests deeper than 64 levels");
    }

    #[test]
    fn rejects_half_a_surrogate_pair_in_every_string() {
        for (text, field, in_reply_to) in [
            (r#"{"type":"chat","requestId":"r","clanId":"c","content":"\ud83d"}"#, "content", Some("chat")),
            (
                r#"{"type":"chat","requestId":"r","clanId":"c","content":"x","data":{"a":["\udc00"]}}"#,
                "data",
                Some("chat"),
            ),
            (r#"{"type":"chat","requestId":"r","clanId":"c","content":"x","data":{"\udc00":1}}"#, "data", Some("chat")),
            (r#"{"type":"chat","requestId":"r","clanId":"\udc00","content":"x"}"#, "clanId", Some("chat")),
            (r#"{"type":"ping","requestId":"r","later":"\udc00"}"#, "later", Some("ping")),
            (r#"{"type":"ping","requestId":"r","\udc00":1}"#, "", Some("ping")),
            (r#"{"type":"ping\udc00","requestId":"r"}"#, "type", None),
        ] {
            let refusal = decode_client(text).unwrap_err();
            assert_eq!(refusal.error, DecodeError::invalid(field, strings::PROBLEM), "{text}");
            assert_eq!(refusal.request_id.unwrap().as_str(), "r", "{text}");
            assert_eq!(refusal.in_reply_to, in_reply_to, "{text}");
        }
        let refusal = decode_client(r#"{"type":"ping","requestId":"\ud83d"}"#).unwrap_err();
        assert_eq!((refusal.error.field(), refusal.request_id), (Some("requestId"), None));
        assert_eq!(refused(r#"{"type":"ping","x":"\ud83d""#).0, ErrorCode::InvalidJson);
        assert_eq!(
            decode_object::<crate::backend::NewServiceEvent>(r#"{"data":"\ud83d"}"#).unwrap_err().field(),
            Some("data")
        );
        assert!(decode_object::<crate::backend::NewServiceEvent>(r#"{"data":"\ud83d\ude00"}"#).is_ok());
    }

    #[test]
    fn keeps_the_request_id_of_a_refused_command() {
        let refusal = decode_client(r#"{"type":"chat","requestId":"r7"}"#).unwrap_err();
        assert_eq!(refusal.request_id.unwrap().as_str(), "r7");
        assert_eq!(refusal.in_reply_to, Some("chat"));
    }
}
