//! Pages and documents: `/docs`, `/openapi.json`, `/docs/protocol`, `/asyncapi.json`, `/schema/{name}`.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse, OpenApi, OpenApiService,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::ServiceName;
use serde_json::{Value, json};

use super::{
    documents::{Documents, OperatorDocuments},
    parameter::{Parameter, Path},
    problem::Problem,
    schema,
    tags::Tag,
};

/// The page that contains Swagger UI. It loads nothing from other hosts, which `DOCS_POLICY` enforces.
const DOCS: &str = include_str!("pages/docs.html");
/// Starts Swagger UI. Without `validatorUrl: null` it would send the document to an external validator.
const START: &str = r##"SwaggerUIBundle({ url: "openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null });
"##;
/// Swagger UI sets styles from its script, and uses data URLs for images.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The protocol page contains a style sheet and nothing else.
const PROTOCOL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                               frame-ancestors 'none'";

/// The script and the style sheet of Swagger UI, extracted from the page that poem-openapi embeds.
static SWAGGER_UI: LazyLock<(Bytes, Bytes)> = LazyLock::new(|| {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    let between = |start: &str, end: &str| {
        let rest = page.split_once(start).map_or("", |(_, rest)| rest);
        Bytes::from(rest.split_once(end).map_or("", |(text, _)| text).to_owned())
    };
    (between("<script charset=\"UTF-8\">", "</script>"), between("<style charset=\"UTF-8\">", "</style>"))
});

/// A JSON document.
pub(super) struct Document(Bytes);

/// An HTML page with its content security policy.
pub(super) struct Page {
    html: Bytes,
    policy: &'static str,
}

/// A script or style sheet, with its media type.
pub(super) struct Asset(Bytes, &'static str);

/// The JSON Schemas that are served.
enum Schema {
    Client,
    Server,
    Inbound,
    Outbound,
    /// The schema of a declared service.
    Service(ServiceName),
}

impl Schema {
    const NAMES: [&str; 4] = ["client.json", "server.json", "inbound.json", "outbound.json"];
}

impl Parameter for Schema {
    const NAME: &'static str = "name";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "client.json" => Ok(Self::Client),
            "server.json" => Ok(Self::Server),
            "inbound.json" => Ok(Self::Inbound),
            "outbound.json" => Ok(Self::Outbound),
            _ => {
                let service = text.strip_suffix(".json").and_then(|name| ServiceName::new(name).ok());
                service.map(Self::Service).ok_or_else(|| Self::NAMES.join(", "))
            }
        }
    }

    fn invalid(problem: &str) -> Problem {
        Problem::not_found(format!("the available schemas are {problem}"))
    }

    fn schema() -> Value {
        json!({ "type": "string", "enum": Self::NAMES })
    }
}

/// The routes of pages and documents.
pub(super) struct Pages;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Pages {
    /// This page.
    #[oai(path = "/docs", method = "get", tag = "Tag::Documents")]
    async fn docs(&self) -> Page {
        Page { html: Bytes::from_static(DOCS.as_bytes()), policy: DOCS_POLICY }
    }

    /// This document: OpenAPI 3.1.
    #[oai(path = "/openapi.json", method = "get", tag = "Tag::Documents")]
    async fn openapi(&self, documents: Documents) -> Document {
        Document(documents.0.openapi.clone())
    }

    /// The WebSocket protocol, as a page.
    #[oai(path = "/docs/protocol", method = "get", tag = "Tag::Documents")]
    async fn protocol(&self, documents: Documents) -> Page {
        Page { html: documents.0.protocol.clone(), policy: PROTOCOL_POLICY }
    }

    /// The WebSocket protocol and the AMQP events, as AsyncAPI 3.0.
    #[oai(path = "/asyncapi.json", method = "get", tag = "Tag::Documents")]
    async fn asyncapi(&self, documents: Documents) -> Document {
        Document(documents.0.asyncapi.clone())
    }

    /// The JSON Schemas of the messages of clients and backend services.
    ///
    /// `client.json` contains every command, `server.json` every message of the gateway, and `inbound.json` and
    /// `outbound.json` the bodies of AMQP events (JSON Schema 2020-12). The types of a declared service are in
    /// `<service>.json`, for requests that see declared services (see `/contracts.json`).
    #[oai(path = "/schema/:name", method = "get", tag = "Tag::Documents")]
    async fn schema(&self, name: Path<Schema>, documents: Documents) -> Result<Document, Problem> {
        Ok(match name.0 {
            Schema::Client => Document(documents.0.client.clone()),
            Schema::Server => Document(documents.0.server.clone()),
            Schema::Inbound => Document(documents.0.inbound.clone()),
            Schema::Outbound => Document(documents.0.outbound.clone()),
            Schema::Service(name) => match documents.0.services.get(&name) {
                Some(schema) => Document(schema.clone()),
                None => return Err(Schema::invalid(&Schema::NAMES.join(", "))),
            },
        })
    }

    /// The contracts of the declared services, and in `builtIn` the built-in services.
    ///
    /// Each contract has the keys of its file, with the schema in place of its path. They are served to everyone with
    /// `--dev` or `docs.services = "public"`, and on `internal.listen`; otherwise an API key with the scope `read` is
    /// required. The other documents list declared services under the same conditions.
    #[oai(path = "/contracts.json", method = "get", tag = "Tag::Documents")]
    async fn contracts(&self, documents: OperatorDocuments) -> Document {
        Document(documents.0.contracts.clone())
    }

    #[oai(path = "/docs/swagger-ui.js", method = "get", hidden)]
    async fn script(&self) -> Asset {
        Asset(SWAGGER_UI.0.clone(), "text/javascript; charset=utf-8")
    }

    #[oai(path = "/docs/swagger-ui.css", method = "get", hidden)]
    async fn style(&self) -> Asset {
        Asset(SWAGGER_UI.1.clone(), "text/css; charset=utf-8")
    }

    #[oai(path = "/docs/start.js", method = "get", hidden)]
    async fn start(&self) -> Asset {
        Asset(Bytes::from_static(START.as_bytes()), "text/javascript; charset=utf-8")
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).content_type("application/json").body(self.0)
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type("text/html; charset=utf-8").body(self.html);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        response
    }
}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type(self.1).body(self.0);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        response
    }
}

fn described(content_type: &'static str, schema: Value) -> MetaResponses {
    let content = vec![MetaMediaType { content_type, schema: schema::inline(schema) }];
    let response = MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] };
    MetaResponses { responses: vec![response] }
}

impl ApiResponse for Document {
    fn meta() -> MetaResponses {
        described("application/json", json!({ "type": "object" }))
    }

    fn register(_: &mut Registry) {}
}

impl ApiResponse for Page {
    fn meta() -> MetaResponses {
        described("text/html; charset=utf-8", json!({ "type": "string" }))
    }

    fn register(_: &mut Registry) {}
}

impl ApiResponse for Asset {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_: &mut Registry) {}
}
