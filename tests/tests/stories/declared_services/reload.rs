//! Contracts are read again on SIGHUP: a change takes effect, and a mistake changes nothing.

use realtime_gateway_tests::{Settings, Socket, Token};
use serde_json::json;

use super::{
    CONTRACT, Contracts, REFUSED, RELOADED, SCHEMA, comment, publish, publish_and_receive, reload, subscribe, token,
};

#[tokio::test]
async fn reload_applies_changed_contract() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    alice.request(subscribe("order-42")).await;
    contracts.write("orders.schema.json", &SCHEMA.replace("\"minLength\": 1", "\"minLength\": 0"));
    assert_eq!(alice.request(publish("order-42", comment(""))).await["code"], "invalid_message");
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "orders");
    // The subscription continues.
    assert_eq!(publish_and_receive(&mut alice, "order-42", comment("")).await["data"], comment(""));
    // Nothing has changed.
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "");
    // A service that is new.
    contracts.write("rooms.service.toml", "name = \"rooms\"\nschema = \"orders.schema.json\"\n[topics.room]\npattern = \"room-{id}\"\nevent = \"OrderEvent\"\nsubscribe = \"user\"\n");
    let rooms = format!("{:?}", contracts.0.folder().join("rooms.service.toml").display().to_string());
    gateway.rewrite_config(contracts.settings(Settings::default()).set("services.rooms.contract", &rooms));
    let fields = reload(&gateway, RELOADED).await;
    assert_eq!((&fields["contracts"], &fields["changed"]), (&json!("rooms"), &json!("services")));
    let subscribe = json!({ "type": "subscribe", "service": "rooms", "topic": "room-1" });
    assert_eq!(alice.request(subscribe).await["status"], "subscribed");
    // A service that is gone.
    gateway.rewrite_config(Settings::default());
    reload(&gateway, RELOADED).await;
    let mut ended: Vec<_> = Vec::new();
    for _ in 0..2 {
        let message = alice.expect("subscription_ended").await;
        assert_eq!(message["code"], "unknown_service");
        ended.push(message["topic"].as_str().unwrap().to_owned());
    }
    ended.sort();
    assert_eq!(ended, ["order-42", "room-1"]);
    assert_eq!(alice.request(publish("order-42", comment("a"))).await["code"], "unknown_service");
    let mut connected = Socket::open(&gateway, "/ws", Some(&Token::for_user("bob").text())).await.unwrap();
    assert_eq!(connected.expect("connected").await["services"], json!(["notifications", "clan_chat"]));
}

#[tokio::test]
async fn reload_ends_subscriptions_that_contract_no_longer_allows() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-1"])).await;
    let mut carol = Socket::connect_with(&gateway, &token("carol", &["news", "order-1"])).await;
    for topic in ["news", "order-1", "user-alice"] {
        assert_eq!(alice.request(subscribe(topic)).await["status"], "subscribed");
    }
    for topic in ["news", "order-1"] {
        assert_eq!(carol.request(subscribe(topic)).await["status"], "subscribed");
    }
    contracts.edit("subscribe = \"user\"", "subscribe = \"grants\"");
    reload(&gateway, RELOADED).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["code"], &ended["topic"]), (&json!("forbidden"), &json!("news")));
    // The others continue.
    for topic in ["order-1", "user-alice", "news"] {
        let path = format!("/api/v1/services/orders/topics/{topic}/events");
        gateway.api().post(&path, json!({ "data": comment("a") })).await;
    }
    for topic in ["order-1", "user-alice"] {
        assert_eq!(alice.expect("event").await["topic"], topic);
    }
    for topic in ["order-1", "news"] {
        assert_eq!(carol.expect("event").await["topic"], topic);
    }
    assert_eq!(alice.request(subscribe("news")).await["code"], "forbidden");
    // A kind of topics that is gone.
    contracts.edit("[topics.order]\npattern = \"order-{orderId}\"", "[topics.order]\npattern = \"purchase-{orderId}\"");
    reload(&gateway, RELOADED).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["code"], &ended["topic"]), (&json!("unknown_service"), &json!("order-1")));
    assert_eq!(carol.expect("subscription_ended").await["code"], "unknown_service");
}

#[tokio::test]
async fn contract_that_cannot_be_served_changes_nothing() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    alice.request(subscribe("order-42")).await;
    let path = |name: &str| contracts.0.folder().join(name);
    let file = path("orders.service.toml").display().to_string();
    let schema = path("orders.schema.json").display().to_string();
    let restore = || {
        let _ = std::fs::remove_dir(path("orders.service.toml"));
        contracts.write("orders.service.toml", CONTRACT);
        contracts.write("orders.schema.json", SCHEMA);
    };
    let remove = || std::fs::remove_file(path("orders.service.toml")).unwrap();
    let breaks: [(&str, &dyn Fn(), String); 7] = [
        ("missing", &remove, format!("services.orders.contract is {file}, which cannot be read")),
        (
            "a folder",
            &|| {
                remove();
                std::fs::create_dir(path("orders.service.toml")).unwrap()
            },
            format!("services.orders.contract is {file}, which cannot be read"),
        ),
        (
            "schema of 300 KiB",
            &|| contracts.write("orders.schema.json", &format!("{SCHEMA}{}", " ".repeat(300 * 1024))),
            format!("{schema}, which is over 256 KiB"),
        ),
        (
            "another key",
            &|| contracts.edit("title =", "titel ="),
            format!("{file}, line 3: `titel` is an unknown key; the nearest known one is `title`"),
        ),
        (
            "backend",
            &|| contracts.edit("subscribe = \"user\"", "subscribe = \"backend\""),
            format!("{file}, line 19: `topics.news.subscribe` needs a backend"),
        ),
        (
            "calls",
            &|| {
                contracts.write(
                    "orders.service.toml",
                    &format!("{CONTRACT}\n[calls.cancel]\nrequest = \"Item\"\nresponse = \"Item\"\n"),
                )
            },
            "`calls.cancel` needs a backend".into(),
        ),
        (
            "retention",
            &|| contracts.edit("max_entries = 3", "max_entries = 10001"),
            "is 10001, over the limit of this gateway, history.limit_entries (10000)".into(),
        ),
    ];
    for (what, break_it, error) in breaks {
        break_it();
        let fields = reload(&gateway, REFUSED).await;
        let text = fields["error"].as_str().unwrap();
        assert!(text.contains(&error), "{what}: {text}");
        // The earlier contract stays in force.
        assert_eq!(alice.request(publish("order-42", comment(""))).await["code"], "invalid_message", "{what}");
        assert_eq!(publish_and_receive(&mut alice, "order-42", comment(what)).await["data"], comment(what));
        restore();
    }
    // The rest of the configuration is not applied either.
    contracts.edit("title =", "titel =");
    gateway.rewrite_config(contracts.settings(Settings::default()).set("limits.subscriptions", "1"));
    reload(&gateway, REFUSED).await;
    assert_eq!(alice.request(subscribe("order-43")).await["status"], "subscribed");
    restore();
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "");
}

#[tokio::test]
async fn nodes_report_the_fingerprint_of_each_contract() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let fingerprint = async || gateway.api().get("/api/v1/nodes").await["nodes"][0]["contracts"]["orders"].clone();
    let first = fingerprint().await;
    assert_eq!(first.as_str().unwrap().len(), 16);
    contracts.write("orders.service.toml", &format!("# A comment changes nothing.\n{CONTRACT}"));
    reload(&gateway, RELOADED).await;
    assert_eq!(fingerprint().await, first);
    contracts.write("orders.schema.json", &SCHEMA.replace("\"minimum\": 1", "\"minimum\": 2"));
    reload(&gateway, RELOADED).await;
    let second = fingerprint().await;
    assert!(second.is_string() && second != first, "the schema counts too");
}
