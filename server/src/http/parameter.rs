//! Parameters in the path and the query, as validated types.

use std::{sync::Arc, time::Duration};

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchemaRef},
};
use realtime_gateway_protocol::{ClanId, HistoryLimit, MAX_OFFSET, MessageId, ServiceName, TopicName, UserId};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::{problem::Problem, schema};
use crate::{store::WebhookName, topic::Topic};

/// A value that can be used as a parameter.
pub(super) trait Parameter: Sized + Send {
    /// The name of the parameter in problems.
    const NAME: &'static str;

    /// Parses the text of the parameter. An error says which values are valid.
    fn parse(text: &str) -> Result<Self, String>;

    /// Returns the JSON Schema of the parameter.
    fn schema() -> Value;

    /// Returns the problem for an invalid value.
    fn invalid(problem: &str) -> Problem {
        Problem::field(Self::NAME, problem)
    }
}

/// A path parameter.
pub(super) struct Path<T>(pub(super) T);

/// A required query parameter.
pub(super) struct Query<T>(pub(super) T);

/// An optional query parameter.
pub(super) struct Optional<T>(pub(super) Option<T>);

fn parse<T: Parameter>(text: &str) -> Result<T> {
    T::parse(text).map_err(|problem| T::invalid(&problem).into())
}

fn parse_query<T: Parameter>(request: &Request, name: &str) -> Result<Option<T>> {
    let query = request.uri().query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| parse(&value)).transpose()
}

macro_rules! extractor {
    ($name:ident, $location:ident, $required:literal, |$request:ident, $key:ident| $extract:expr) => {
        impl<'a, T: Parameter> ApiExtractor<'a> for $name<T> {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            const PARAM_IS_REQUIRED: bool = $required;

            type ParamType = ();
            type ParamRawType = ();

            fn param_in() -> Option<MetaParamIn> {
                Some(MetaParamIn::$location)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(schema::inline(T::schema()))
            }

            async fn from_request(
                $request: &'a Request,
                _: &mut RequestBody,
                options: ExtractParamOptions<()>,
            ) -> Result<Self> {
                let $key = options.name;
                $extract
            }
        }
    };
}

extractor!(Path, Path, true, |request, name| match request.raw_path_param(name) {
    Some(text) => parse(text).map(Self),
    // poem omits path parameters whose percent-decoded text is not UTF-8.
    None => Err(Problem::field(T::NAME, "not UTF-8").into()),
});
extractor!(Query, Query, true, |request, name| match parse_query(request, name)? {
    Some(value) => Ok(Self(value)),
    None => Err(Problem::field(T::NAME, "missing").into()),
});
extractor!(Optional, Query, false, |request, name| parse_query(request, name).map(Self));

macro_rules! protocol_parameters {
    ($($type:ty = $name:literal,)+) => {
        $(impl Parameter for $type {
            const NAME: &'static str = $name;

            fn parse(text: &str) -> Result<Self, String> {
                Self::new(text).map_err(|error| error.to_string())
            }

            fn schema() -> Value {
                Self::json_schema(&mut SchemaGenerator::default()).to_value()
            }
        })+
    };
}

protocol_parameters! {
    UserId = "userId",
    ClanId = "clanId",
    MessageId = "messageId",
    ServiceName = "service",
    TopicName = "topic",
}

/// An offset in a log.
pub(super) struct Position(pub(super) u64);

impl Parameter for Position {
    const NAME: &'static str = "position";

    fn parse(text: &str) -> Result<Self, String> {
        let position = text.parse().ok().filter(|position| *position <= MAX_OFFSET);
        position.map(Self).ok_or_else(|| "before and after must be whole numbers from 0 to 2^53-1".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": MAX_OFFSET })
    }
}

/// A topic, as `clan:<clanId>` or `service:<service>:<topic>`.
impl Parameter for Topic {
    const NAME: &'static str = "topic";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "clan:<clanId> or service:<service>:<topic>".to_owned())
    }

    fn schema() -> Value {
        let id = r"[^\u0000-\u0020\u007f]{1,128}";
        let pattern = format!("^(clan:{id}|service:[a-z][a-z0-9_]{{0,31}}:{id})$");
        json!({ "type": "string", "pattern": pattern, "examples": ["clan:clan123"] })
    }
}

/// A time that has passed, such as `10m`.
pub(super) struct Ago(pub(super) Duration);

impl Parameter for Ago {
    const NAME: &'static str = "since";

    fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|_| "a duration such as 30s, 10m or 2h".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^([0-9]+ *[a-zA-Z]+ *)+$", "examples": ["10m"] })
    }
}

impl Parameter for WebhookName {
    const NAME: &'static str = "webhook";

    fn parse(text: &str) -> Result<Self, String> {
        Self::new(text).ok_or_else(|| "a name that matches [a-z][a-z0-9_]{0,31} and has no `__`".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z](_?[a-z0-9])*_?$", "maxLength": 32 })
    }
}

/// The id of an event.
pub(super) struct EventId(pub(super) Arc<str>);

impl Parameter for EventId {
    const NAME: &'static str = "after";

    fn parse(text: &str) -> Result<Self, String> {
        let is_id = !text.is_empty() && text.len() <= 512;
        is_id.then(|| Self(text.into())).ok_or_else(|| "1 to 512 bytes".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^.{1,512}$" })
    }
}

impl Parameter for HistoryLimit {
    const NAME: &'static str = "limit";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| "a whole number from 1 to 100".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 50 })
    }
}

impl Parameter for bool {
    const NAME: &'static str = "reconnect";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "true or false".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "boolean", "default": false })
    }
}
