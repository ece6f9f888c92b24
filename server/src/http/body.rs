//! JSON bodies: read within bounds, and written as the type says, with no number losing a digit on the way.

use std::time::Duration;

use http::StatusCode;
use poem::{IntoResponse, Request, RequestBody, Response, Result, error::ReadBodyError};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::{ErrorCode, decode_object};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    problem::Problem,
    request_node,
    schema::{self, Direction},
};
use crate::telemetry::log_limited;

const JSON: &str = "application/json";
/// How long the whole body of a request may take to come.
const WITHIN: Duration = Duration::from_secs(10);

/// The JSON object that a request carries.
pub(super) struct Body<T>(pub(super) T);

impl<'a, T: DeserializeOwned + JsonSchema + Send> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        schema::register::<T>(registry, Direction::Read);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: JSON, schema: schema::reference::<T>() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        if !is_json(request.content_type().unwrap_or_default()) {
            let code = ErrorCode::from("unsupported_media_type");
            let detail = "send JSON, with Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail).into());
        }
        let limit = request_node(request)?.config().limits.http_body;
        let body = match tokio::time::timeout(WITHIN, body.take()?.into_bytes_limit(limit)).await {
            Ok(Ok(body)) => body,
            Ok(Err(ReadBodyError::PayloadTooLarge)) => {
                let detail = "the body is over limits.http_body";
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge, detail).into());
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                let detail = "the body took too long";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidMessage, detail).into());
            }
        };
        let text = std::str::from_utf8(&body)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidJson, "the body is not UTF-8"))?;
        Ok(Self(decode_object(text).map_err(Problem::from)?))
    }
}

/// Whether a media type is JSON; its parameters mean nothing (RFC 8259, section 11).
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(JSON))
}

/// An answer with a JSON body.
pub(super) struct Answer<T, const STATUS: u16 = 200>(pub(super) T);

/// What was asked for is stored and will be delivered.
pub(super) type Accepted<T> = Answer<T, 202>;

impl<T: Serialize + Send, const STATUS: u16> IntoResponse for Answer<T, STATUS> {
    fn into_response(self) -> Response {
        json(StatusCode::from_u16(STATUS).unwrap_or_default(), &self.0)
    }
}

impl<T: JsonSchema, const STATUS: u16> ApiResponse for Answer<T, STATUS> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(STATUS)] }
    }

    fn register(registry: &mut Registry) {
        schema::register::<T>(registry, Direction::Written);
    }
}

/// An answer that is the same whether the gateway can serve (200) or not (503).
pub(super) struct Serving<T> {
    pub(super) serves: bool,
    pub(super) body: T,
}

impl<T: Serialize + Send> IntoResponse for Serving<T> {
    fn into_response(self) -> Response {
        json(if self.serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &self.body)
    }
}

impl<T: JsonSchema> ApiResponse for Serving<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(200), described::<T>(503)] }
    }

    fn register(registry: &mut Registry) {
        schema::register::<T>(registry, Direction::Written);
    }
}

/// Done, and there is nothing to say of it.
pub(super) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        let done =
            MetaResponse { description: "", status: Some(204), status_range: None, content: vec![], headers: vec![] };
        MetaResponses { responses: vec![done] }
    }

    fn register(_: &mut Registry) {}
}

fn described<T: JsonSchema>(status: u16) -> MetaResponse {
    let content = vec![MetaMediaType { content_type: JSON, schema: schema::reference::<T>() }];
    MetaResponse { description: "", status: Some(status), status_range: None, content, headers: vec![] }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => Response::builder().status(status).content_type(JSON).body(body),
        Err(error) => {
            log_limited!(ERROR, { %error }, "an answer could not be encoded");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, "internal error").response()
        }
    }
}
