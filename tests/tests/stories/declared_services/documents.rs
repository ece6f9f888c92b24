//! What operators see: errors at the start, commands, documents, and API keys that are limited to services.

use realtime_gateway_tests::{Api, Gateway, Settings, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CONTRACT, Contracts, EVENTS, RELOADED, SCHEMA, comment, reload};

#[tokio::test]
async fn start_and_check_name_file_line_and_nearest_key() {
    let contracts = Contracts::new();
    let settings = || contracts.settings(Settings::default());
    contracts.edit("event = \"OrderEvent\"\nsubscribe", "evnt = \"OrderEvent\"\nsubscribe");
    for command in ["serve", "check", "services"] {
        let output = Gateway::run_once(settings(), command).await;
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {text}");
        let line =
            format!("{}, line 18: `topics.news.evnt`", contracts.0.folder().join("orders.service.toml").display());
        assert!(text.contains(&line) && text.contains("the nearest known one is `event`"), "{command}: {text}");
    }
    contracts.write("orders.service.toml", &CONTRACT.replace("name = \"orders\"", "name = \"order\""));
    let output = Gateway::run_once(settings(), "check").await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("line 2: `name` is \"order\"") && text.contains("[services.orders]"), "{text}");
    contracts.write("orders.service.toml", CONTRACT);
    let output = Gateway::run_once(settings(), "check").await;
    assert!(String::from_utf8(output.stdout).unwrap().contains("ok       services.orders can be served"));
    let output = Gateway::run_once(settings(), "services").await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("\norders: Order tracking (") && text.contains("order-{orderId}  event OrderEvent"),
        "{text}"
    );
}

#[tokio::test]
async fn path_of_contract_is_relative_to_the_configuration_file() {
    let gateway = Gateway::start().await;
    let folder = gateway.dir().join("services");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("orders.service.toml"), CONTRACT).unwrap();
    std::fs::write(folder.join("orders.schema.json"), SCHEMA).unwrap();
    let mut gateway = gateway;
    gateway.rewrite_config(Settings::default().set("services.orders.contract", "\"services/orders.service.toml\""));
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "orders");
}

#[tokio::test]
async fn documents_list_declared_services_for_operators_only() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let documents = ["/openapi.json", "/asyncapi.json", "/docs/protocol", "/contracts.json", "/schema/orders.json"];
    let get = async |address: String, path: &str, key: Option<&str>| {
        let request = http_client().get(format!("http://{address}{path}"));
        let response = key.into_iter().fold(request, |request, key| request.bearer_auth(key)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for path in documents {
        let address = || gateway.address().to_owned();
        let (status, with_key) = get(address(), path, Some(Api::KEY)).await;
        assert_eq!(status, 200, "{path}");
        assert!(with_key.contains("OrderComment"), "{path}");
        for key in [None, Some("unknown")] {
            let (status, public) = get(address(), path, key).await;
            let expected = match path {
                "/contracts.json" => 401,
                "/schema/orders.json" => 404,
                _ => 200,
            };
            assert_eq!(status, expected, "{path}");
            assert!(!public.contains("OrderComment") && !public.contains("order-{orderId}"), "{path}");
        }
    }
    let found = gateway.api().get("/contracts.json").await;
    let orders = &found["contracts"][0];
    assert_eq!((&orders["name"], &orders["title"]), (&json!("orders"), &json!("Order tracking")));
    let last = json!({
        "pattern": "last-{orderId}", "event": "OrderEvent", "publish": { "type": "OrderEvent", "allow": "grants" },
        "subscribe": "grants", "history": { "max_entries": 3 }, "presence": false,
    });
    assert_eq!(orders["topics"]["last"], last);
    assert_eq!(orders["schema"], serde_json::from_str::<Value>(SCHEMA).unwrap());
    // A reload changes the documents.
    contracts.edit("pattern = \"news\"", "pattern = \"headlines\"");
    gateway.rewrite_config(contracts.settings(Settings::default()).set("docs.services", "\"public\""));
    reload(&gateway, RELOADED).await;
    for path in documents {
        let (status, public) = get(gateway.address().to_owned(), path, None).await;
        assert!(status == 200 && public.contains("OrderComment"), "{path}");
        assert!(path == "/schema/orders.json" || public.contains("headlines"), "{path}");
    }
}

#[tokio::test]
async fn built_in_services_are_listed_with_the_declared_ones() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let found = gateway.api().get("/contracts.json").await;
    let listed = |name: &str| {
        let services = found["builtIn"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).unwrap().clone()
    };
    assert_eq!(listed("notifications")["subscribe"], "user");
    let chat = listed("clan_chat");
    assert_eq!(
        (&chat["subscribe"], &chat["presence"], &chat["topic"]),
        (&json!("grants"), &json!(true), &json!("{clanId}"))
    );
    assert!(chat["events"].as_array().unwrap().contains(&json!("chat_deleted")));

    let output = gateway.command(&["services", "--config", "gateway.toml"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines[..2], ["notifications: Notifications (built in)", "clan_chat: Clan chat (built in)"], "{text}");
    assert!(lines[2].starts_with("orders: Order tracking ("), "{text}");
}

#[tokio::test]
async fn api_key_is_limited_to_its_services() {
    let contracts = Contracts::new();
    let key = |services: &str| {
        format!(
            "[{{ name = \"team\", sha256 = \"{}\", scopes = [\"publish\", \"read\", \"admin\"], services = [\"{services}\"] }}]",
            Api::KEY_SHA256
        )
    };
    let settings = |services: &str| contracts.settings(Settings::default()).set("auth.api_keys", &key(services));
    let mut gateway = Gateway::with(settings("orders")).await;
    gateway.api().post(EVENTS, json!({ "data": comment("a") })).await;
    let elsewhere = [
        (Method::POST, "/api/v1/services/rooms/topics/order-42/events", Some(json!({ "data": comment("a") }))),
        (Method::POST, "/api/v1/services/orders%2F/topics/order-42/events", Some(json!({ "data": comment("a") }))),
        (Method::POST, "/api/v1/notifications", Some(json!({ "userId": "a", "title": "t", "message": "m" }))),
        (Method::DELETE, "/api/v1/users/alice/subscriptions?service=orders", None),
        (Method::GET, "/api/v1/nodes", None),
        (Method::GET, "/contracts.json", None),
    ];
    for (method, path, body) in elsewhere {
        let (status, problem) = gateway.api().json(method, path, body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
    }
    gateway.rewrite_config(settings("rooms"));
    reload(&gateway, RELOADED).await;
    assert_eq!(
        gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": comment("a") }))).await.0,
        StatusCode::FORBIDDEN
    );
}
