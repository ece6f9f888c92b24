//! Errors as problem details (RFC 9457) with an error code of the protocol.

use std::{borrow::Cow, time::Duration};

use http::{HeaderValue, StatusCode, header};
use poem::{Error, IntoResponse, Response, error::ResponseError};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
};
use realtime_gateway_protocol::{DecodeError, ErrorCode, RawJson};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    command_error::CommandError,
    commands::{OTHER_USERS_TOPIC, TAIL_LIMIT},
    session::BLOCK_LIMIT,
    telemetry::log_limited,
};

/// The media type of problem details.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// The reason why a request failed, with its HTTP status.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {detail}")]
pub(super) struct Problem {
    status: StatusCode,
    code: ErrorCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    details: Option<RawJson>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// The reason why a request failed (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Problem")]
pub(super) struct ProblemDetails<'a> {
    /// The URL of the explanation of the code, or `about:blank`.
    #[schemars(extend("format" = "uri-reference"))]
    r#type: String,
    /// The reason phrase of the HTTP status.
    title: &'a str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong with this request, for people.
    detail: &'a str,
    /// An error code for programs: one of the protocol, `not_found`, `method_not_allowed`, `unsupported_media_type`,
    /// `block_limit`, `tail_limit` or `other_users_topic`.
    code: &'a ErrorCode,
    /// The time to wait before a retry, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// Additional data for programs, such as the name of an invalid field.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawJson>,
}

impl Problem {
    /// Creates a problem.
    pub(super) fn new(status: StatusCode, code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, details: None, headers: Vec::new() }
    }

    /// The requested resource does not exist.
    pub(super) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::from("not_found"), detail)
    }

    /// A parameter or field is invalid.
    pub(super) fn field(field: &str, problem: &str) -> Self {
        CommandError::field(field, problem).into()
    }

    /// The API key or token is missing or invalid.
    pub(super) fn unauthorized(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// Adds a header to the response.
    pub(super) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Converts an error of the routes.
    pub(super) fn of_error(error: &Error) -> Self {
        if let Some(problem) = error.downcast_ref::<Self>() {
            return problem.clone();
        }
        let status = error.status();
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => (ErrorCode::from("not_found"), "nothing is served at this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (ErrorCode::from("method_not_allowed"), "this path does not support the method; see the Allow header")
            }
            _ if status.is_client_error() => (ErrorCode::InvalidMessage, "the request could not be read"),
            _ => {
                log_limited!(ERROR, { %error }, "a request failed");
                (ErrorCode::Internal, "internal error")
            }
        };
        Self::new(status, code, detail)
    }

    /// Returns whether the path does not support the method.
    pub(super) fn is_method_not_allowed(&self) -> bool {
        self.status == StatusCode::METHOD_NOT_ALLOWED
    }

    /// Returns the response.
    pub(super) fn response(&self) -> Response {
        let known = ErrorCode::KNOWN.contains(&self.code);
        let body = ProblemDetails {
            r#type: if known { format!("/docs/protocol#error-{}", self.code) } else { "about:blank".to_owned() },
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: &self.code,
            retry_after_ms: self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            details: self.details.as_ref(),
        };
        // Serializing a struct of texts and numbers cannot fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::builder().status(self.status).content_type(CONTENT_TYPE).body(body);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let status = match error.code {
            ErrorCode::UnknownService => StatusCode::NOT_FOUND,
            ErrorCode::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::Unauthorized | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::Conflict | ErrorCode::SubscriptionLimit | ErrorCode::SessionLimit => StatusCode::CONFLICT,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Other(ref code) if **code == *BLOCK_LIMIT || **code == *TAIL_LIMIT => StatusCode::CONFLICT,
            ErrorCode::Other(ref code) if **code == *OTHER_USERS_TOPIC => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Other(ref code) if **code == *"not_found" => StatusCode::NOT_FOUND,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ if error.invalid_data.is_some() => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_REQUEST,
        };
        let CommandError { code, message, retry_after, details, .. } = error;
        Self { status, code, detail: message, retry_after, details, headers: Vec::new() }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        match error.field() {
            Some("") => {
                let text = error.to_string();
                let problem = text.trim_start_matches(": ");
                let is_no_object = problem == DecodeError::NO_OBJECT;
                let detail = if is_no_object { "the body is not a JSON object" } else { problem };
                Self::new(StatusCode::BAD_REQUEST, error.code(), detail.to_owned())
            }
            Some(field) => {
                let text = error.to_string();
                let problem = text.strip_prefix(field).and_then(|text| text.strip_prefix(": "));
                Self::field(field, problem.unwrap_or(&text))
            }
            None => Self::new(StatusCode::BAD_REQUEST, error.code(), error.to_string()),
        }
    }
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response()
    }
}

/// Declares no responses: `document.rs` adds the problems that follow from what an operation accepts.
impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_: &mut Registry) {}
}
