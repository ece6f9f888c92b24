//! The OpenAPI 3.1 document: the routes as described by poem-openapi, with the schemas of the types and all problem
//! responses.
#![expect(
    clippy::indexing_slicing,
    reason = "an unknown name reads as null or is inserted; poem-openapi's documents are nested objects"
)]

use http::StatusCode;
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value, json};

use super::{
    key,
    problem::{self, ProblemDetails},
    schema::{self, Direction},
};

/// The description of the API as a whole.
const DESCRIPTION: &str = "For backend services and operators. Clients use the WebSocket protocol of `/docs/protocol` \
    at `/ws`.\n\nErrors are problem details (RFC 9457) whose `code` is an error code of the protocol. Unknown fields \
    and parameters are ignored (`/dev/token` refuses unknown fields), and a field that is `null` counts as absent.";

/// Builds the OpenAPI service of the routes, and the document.
pub(super) fn describe<T: OpenApi>(apis: T) -> (OpenApiService<T, ()>, Value) {
    let service = OpenApiService::new(apis, "Realtime gateway", env!("CARGO_PKG_VERSION"))
        .summary("HTTP API of the realtime gateway")
        .description(DESCRIPTION)
        .license("MIT OR Apache-2.0");
    // Cannot fail: poem-openapi produces valid JSON.
    let mut document = serde_json::from_str(&service.spec()).unwrap_or_default();
    schema::unpack(&mut document);
    complete(&mut document);
    (service, document)
}

fn complete(document: &mut Value) {
    document["openapi"] = json!("3.1.0");
    document["info"]["license"]["identifier"] = json!("MIT OR Apache-2.0");
    document["servers"] = json!([{ "url": "/" }]);
    document["components"]["schemas"]["Problem"] = schema::of::<ProblemDetails<'_>>(Direction::Written);
    let (mut used, mut tags) = (Vec::new(), Vec::new());
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in operations.as_object_mut().into_iter().flat_map(Map::values_mut) {
            describe_scope(operation);
            let problems = problems_of(path, operation);
            tags.extend(operation["tags"].as_array().cloned().unwrap_or_default());
            if let Some(responses) = operation["responses"].as_object_mut() {
                describe_successes(responses);
                for status in &problems {
                    let reference = json!({ "$ref": format!("#/components/responses/Problem{status}") });
                    responses.entry(status.to_string()).or_insert(reference);
                }
            }
            used.extend(problems);
        }
    }
    if let Some(all) = document["tags"].as_array_mut() {
        all.retain(|tag| tags.contains(&tag["name"]));
    }
    used.sort_unstable();
    used.dedup();
    for status in used {
        document["components"]["responses"][format!("Problem{status}")] = described_problem(status);
    }
}

/// Documents the scope that an operation requires of an API key: as a security role (OpenAPI 3.1), and in the
/// description, because most tools show only that.
fn describe_scope(operation: &mut Value) {
    let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let scope = schemes.flat_map(Map::keys).find_map(|name| name.strip_prefix(key::SCHEME)?.strip_prefix(':'));
    let Some(scope) = scope.map(str::to_owned) else { return };
    let description = operation["description"].as_str().map(|text| format!("{text}\n\n")).unwrap_or_default();
    operation["description"] = json!(format!("{description}Needs an API key with the scope `{scope}`."));
    operation["security"] = json!([{ key::SCHEME: [scope] }]);
}

/// Returns the statuses of the problems that an operation can return. They follow from its path, parameters and body.
fn problems_of(path: &str, operation: &Value) -> Vec<u16> {
    let mut statuses = Vec::new();
    let has = |key: &str| operation.get(key).is_some_and(|value| !value.is_null());
    let named = ["{messageId}", "{service}", "{name}", "{webhook}", "/subscriptions"];
    let may_be_missing = named.iter().any(|part| path.contains(part));
    if has("requestBody") {
        statuses.extend([400, 408, 413, 415]);
    }
    if has("parameters") {
        statuses.push(400);
    }
    if has("security") {
        statuses.extend([401, 403]);
    }
    let is_checked = ["/topics/{topic}/events", "/subscriptions"].iter().any(|end| path.ends_with(end));
    if is_checked && has("requestBody") {
        statuses.push(422);
    }
    if matches!(path, "/metrics" | "/contracts.json") {
        statuses.extend([401, 403]);
    }
    if path.starts_with("/dev") {
        statuses.push(403);
    }
    let bounded = ["/block", "/messages", "/notifications", "/events", "/subscriptions"];
    let can_conflict = bounded.iter().any(|end| path.ends_with(end)) && has("requestBody");
    if can_conflict || path.ends_with("/tail") {
        statuses.push(409);
    }
    if may_be_missing {
        statuses.push(404);
    }
    if !matches!(path, "/health/live" | "/health/ready") {
        statuses.push(429);
    }
    if path.starts_with("/api/") || path.starts_with("/dev") {
        statuses.extend([500, 503]);
    }
    statuses
}

/// Adds the reason phrase of the status to responses without a description.
fn describe_successes(responses: &mut Map<String, Value>) {
    for (status, response) in responses {
        if response["description"].as_str().unwrap_or_default().is_empty() {
            response["description"] = json!(reason_phrase(status));
        }
    }
}

fn reason_phrase(status: &str) -> &'static str {
    let status = StatusCode::from_bytes(status.as_bytes()).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("A response")
}

fn described_problem(status: u16) -> Value {
    let description = match status {
        400 => "The body is not JSON, or a field or parameter is missing or outside its bounds; `details` names it.",
        401 => "The API key or token is missing or invalid.",
        403 => "The API key lacks the scope, the page is not allowed to do this, or metrics are not public.",
        404 => "The resource does not exist.",
        408 => "The body did not arrive in time.",
        409 => {
            "The `id` was used before with other content, or the user or the node has the maximum number of what is added."
        }
        413 => "The body, or the message to store, is too large.",
        415 => "The body is not `application/json`, or is compressed.",
        422 => {
            "`data` does not match the schema of the service; `details` has the position and the keyword. Or the topic belongs to another user."
        }
        429 => {
            "The address has too many connections, opens them too often, or sends requests too often \
             (`limits.http_per_ip_per_second`). Requests with a valid API key are exempt from these limits: they count \
             against the rate of their key (`limits.http_per_key_per_second`) only. `retryAfterMs` and `Retry-After` \
             tell when to retry."
        }
        503 => "The request was not confirmed in time. Repeat it with the same `id`.",
        _ => "An internal error of the gateway.",
    };
    let integer = json!({ "schema": { "type": "integer", "minimum": 1 }, "description": "Seconds." });
    let headers = match status {
        401 => json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
        429 | 503 => json!({ "Retry-After": integer }),
        _ => json!({}),
    };
    json!({
        "description": description,
        "headers": headers,
        "content": { problem::CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
