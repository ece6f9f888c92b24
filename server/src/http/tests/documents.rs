//! Pages load nothing from other hosts, and the documents are consistent.

use serde_json::Value;

use super::start_gateway;

/// Returns the URLs in the `src` and `href` attributes of a page.
fn targets(page: &str) -> Vec<&str> {
    let of = |attribute| page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
    of("src=\"").chain(of("href=\"")).collect()
}

#[tokio::test]
async fn pages_load_only_what_the_gateway_serves() {
    let gateway = start_gateway(|_| ()).await;
    for path in ["/docs", "/docs/protocol"] {
        let page = gateway.get(path).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(!page.text.contains("@import"), "{path}");
        for target in targets(&page.text).into_iter().filter(|target| !target.starts_with(['#', 'd'])) {
            assert!(
                !target.contains("//") && gateway.get(&format!("/{target}")).await.status == 200,
                "{path}: {target}"
            );
        }
    }
    let page = gateway.get("/docs").await;
    // Without these the policy would block the page's own script and document.
    for allowed in ["script-src 'self'", "style-src 'self'", "connect-src 'self'"] {
        assert!(page.header("content-security-policy").contains(allowed), "{allowed}");
    }
    for target in targets(&page.text).into_iter().filter(|target| target.starts_with("docs/")) {
        assert!(gateway.get(&format!("/{target}")).await.status == 200, "{target}");
    }
}

#[tokio::test]
async fn swagger_ui_is_complete_and_its_style_loads_nothing() {
    let gateway = start_gateway(|_| ()).await;
    let script = gateway.get("/docs/swagger-ui.js").await;
    assert!(script.text.contains("SwaggerUIBundle") && script.text.len() > 500_000, "{}", script.text.len());
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let style = gateway.get("/docs/swagger-ui.css").await;
    assert!(style.text.contains(".swagger-ui") && style.text.len() > 50_000);
    assert!(!style.text.contains("@import") && !style.text.contains("url(http") && !style.text.contains("url(//"));
}

#[tokio::test]
async fn serves_the_documents_that_the_command_prints() {
    let gateway = start_gateway(|_| ()).await;
    for path in
        ["/openapi.json", "/asyncapi.json", "/schema/client.json", "/schema/server.json", "/schema/inbound.json"]
    {
        let document = gateway.get(path).await;
        assert!(document.ok(200).is_object() && document.header("content-type") == "application/json", "{path}");
    }
    assert_eq!(gateway.get("/openapi.json").await.json(), crate::http::openapi_document());
    assert!(crate::http::openapi_document()["paths"].get("/dev/token").is_none());
}

/// Calls a function for every object in a document.
fn visit(value: &Value, seen: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            seen(object);
            object.values().for_each(|value| visit(value, seen));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, seen)),
        _ => {}
    }
}

/// Client generators drop operations with alternatives in their schemas, or generate code that does not compile.
#[test]
fn openapi_document_has_no_alternatives() {
    visit(&crate::http::openapi_document(), &mut |object| {
        for key in ["oneOf", "anyOf", "allOf", "not", "if", "dependentSchemas"] {
            assert!(!object.contains_key(key), "{key} in {object:?}");
        }
    });
    let status = &crate::http::openapi_document()["components"]["schemas"]["StatusWord"]["properties"]["status"];
    assert_eq!(status["enum"], serde_json::json!(["ok", "degraded", "draining", "unavailable"]));
    assert!(
        status["description"].as_str().unwrap().contains("`degraded`: It serves, but with restrictions."),
        "{status}"
    );
}

#[test]
fn every_operation_documents_its_scope_and_limits() {
    let document = crate::http::openapi_document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_probe = matches!(path.as_str(), "/health/live" | "/health/ready");
            assert_eq!(operation["responses"].get("429").is_none(), is_probe, "{path}");
            if path.starts_with("/api/") {
                let scope = operation["security"][0]["apiKey"][0].as_str().unwrap();
                let expected = match method.as_str() {
                    "post" if path.ends_with("/block") || path.ends_with("/subscriptions") => "admin",
                    "post" if path.ends_with("/replay") => "admin",
                    "get" if path.ends_with("/tail") => "admin",
                    "post" => "publish",
                    "delete" => "admin",
                    _ => "read",
                };
                assert_eq!(scope, expected, "{method} {path}");
                let description = operation["description"].as_str().unwrap();
                assert!(description.contains(&format!("the scope `{scope}`")), "{description}");
            }
        }
    }
    let limited = &document["components"]["responses"]["Problem429"];
    assert!(limited["headers"]["Retry-After"].is_object(), "{limited}");
}

#[test]
fn openapi_document_is_consistent() {
    let document = crate::http::openapi_document();
    assert_eq!(document["openapi"], "3.1.0");
    visit(&document, &mut |object| {
        if let Some(Value::String(reference)) = object.get("$ref") {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            assert!(target.is_some_and(Value::is_object), "{reference}");
        }
        assert!(!object.get("title").is_some_and(|title| title.to_string().contains("carries")), "{object:?}");
        assert!(!object.contains_key("nullable"), "a keyword of OpenAPI 3.0: {object:?}");
    });
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let statuses: Vec<&str> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let needs = |status: &str| assert!(statuses.contains(&status), "{method} {path} lacks {status}");
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{method} {path}");
            if (path.ends_with("/block") || path.ends_with("/subscriptions")) && method == "post" {
                needs("409");
            }
            if operation["requestBody"].is_object() {
                ["400", "413", "415"].into_iter().for_each(needs);
            }
            if path.starts_with("/api/") {
                ["401", "403", "503"].into_iter().for_each(needs);
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = parameter["schema"].as_object().unwrap();
                let bounds = ["pattern", "enum", "maximum"].into_iter().any(|bound| schema.contains_key(bound));
                assert!(bounds || schema["type"] == "boolean", "{method} {path}: {parameter}");
            }
        }
    }
}
