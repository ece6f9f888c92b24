//! JSON bodies: requests are read within limits, and numbers keep every digit.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, RequestBody, Response, Result, error::ReadBodyError};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::{ErrorCode, decode_object};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    NodeView,
    problem::Problem,
    request_part,
    schema::{self, Direction},
};
use crate::telemetry::log_limited;

const JSON: &str = "application/json";
/// The time limit for receiving the whole body of a request.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Extracts the JSON object in the body of a request.
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
        if is_encoded(request.headers()) {
            // Tells the client what to send instead (RFC 9110, section 12.5.3).
            let code = ErrorCode::from("unsupported_media_type");
            let detail = "send the body without compression: Content-Encoding is not supported";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail);
            return Err(problem.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")).into());
        }
        let limit = request_part::<NodeView>(request)?.config().limits.http_body;
        let body = match tokio::time::timeout(READ_TIMEOUT, body.take()?.into_bytes_limit(limit)).await {
            Ok(Ok(body)) => body,
            Ok(Err(ReadBodyError::PayloadTooLarge)) => {
                let detail = "the body is over limits.http_body";
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge, detail).into());
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                let detail = "the body did not arrive in time";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidMessage, detail).into());
            }
        };
        let text = std::str::from_utf8(&body)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidJson, "the body is not UTF-8"))?;
        Ok(Self(decode_object(text).map_err(Problem::from)?))
    }
}

/// Returns whether a media type is JSON. Parameters are ignored (RFC 8259, section 11).
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(JSON))
}

/// Returns whether a body is compressed or otherwise encoded. Decoding is deliberately not supported: bodies are small,
/// and a compressed body would need a second limit for its decompressed size.
fn is_encoded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let is_plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).any(|coding| !is_plain(coding))
}

/// A response with a JSON body.
pub(super) struct JsonResponse<T, const STATUS: u16 = 200>(pub(super) T);

/// A response that confirms that the request is stored and will be delivered.
pub(super) type Accepted<T> = JsonResponse<T, 202>;

impl<T: Serialize + Send, const STATUS: u16> IntoResponse for JsonResponse<T, STATUS> {
    fn into_response(self) -> Response {
        json(StatusCode::from_u16(STATUS).unwrap_or_default(), &self.0)
    }
}

impl<T: JsonSchema, const STATUS: u16> ApiResponse for JsonResponse<T, STATUS> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![response_meta::<T>(STATUS)] }
    }

    fn register(registry: &mut Registry) {
        schema::register::<T>(registry, Direction::Written);
    }
}

/// A response with the same body whether the node is serving (200) or not (503).
pub(super) struct HealthResponse<T> {
    pub(super) is_serving: bool,
    pub(super) body: T,
}

impl<T: Serialize + Send> IntoResponse for HealthResponse<T> {
    fn into_response(self) -> Response {
        json(if self.is_serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &self.body)
    }
}

impl<T: JsonSchema> ApiResponse for HealthResponse<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![response_meta::<T>(200), response_meta::<T>(503)] }
    }

    fn register(registry: &mut Registry) {
        schema::register::<T>(registry, Direction::Written);
    }
}

/// A response without a body.
pub(super) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        let done =
            MetaResponse { description: "", status: Some(204), status_range: None, content: vec![], headers: vec![] };
        MetaResponses { responses: vec![done] }
    }

    fn register(_: &mut Registry) {}
}

fn response_meta<T: JsonSchema>(status: u16) -> MetaResponse {
    let content = vec![MetaMediaType { content_type: JSON, schema: schema::reference::<T>() }];
    MetaResponse { description: "", status: Some(status), status_range: None, content, headers: vec![] }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => Response::builder().status(status).content_type(JSON).body(body),
        Err(error) => {
            log_limited!(ERROR, { %error }, "failed to encode a response");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, "internal error").response()
        }
    }
}
