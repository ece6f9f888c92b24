//! Handshakes: each thing that can be wrong with one, and its HTTP answer.

use realtime_gateway_protocol::{ErrorCode, SUBPROTOCOL};

use crate::{
    house::House,
    raw::{Answer, HANDSHAKE, Raw, text},
};

async fn ask(house: &House, method: &str, target: &str, headers: &str) -> Answer {
    house.connect().await.ask(method, target, headers).await
}

fn without(header: &str) -> String {
    HANDSHAKE.split_inclusive("\r\n").filter(|line| !line.starts_with(header)).collect()
}

#[tokio::test]
async fn the_key_is_answered_as_the_rfc_says() {
    let house = House::open(|_| {});
    let answer = ask(&house, "GET", "/ws", HANDSHAKE).await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn the_subprotocol_is_named_when_it_is_offered() {
    let house = House::open(|_| {});
    for (offered, named) in [
        (SUBPROTOCOL, Some(SUBPROTOCOL)),
        ("other, gateway.v1.json", Some(SUBPROTOCOL)),
        ("other\r\nSec-WebSocket-Protocol: gateway.v1.json", Some(SUBPROTOCOL)),
        ("other", None),
    ] {
        let answer = ask(&house, "GET", "/ws", &format!("{HANDSHAKE}Sec-WebSocket-Protocol: {offered}\r\n")).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, named), "{offered}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_told_why() {
    let house = House::open(|_| {});
    for (method, headers, status) in [
        ("POST", HANDSHAKE.to_owned(), 405),
        ("GET", without("Upgrade"), 400),
        ("GET", without("Upgrade") + "Upgrade: h2c\r\n", 400),
        ("GET", without("Connection"), 400),
        ("GET", without("Sec-WebSocket-Key"), 400),
        ("GET", without("Sec-WebSocket-Key") + "Sec-WebSocket-Key: c2hvcnQ=\r\n", 400),
        ("GET", HANDSHAKE.to_owned() + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("GET", without("Sec-WebSocket-Version"), 426),
        ("GET", without("Sec-WebSocket-Version") + "Sec-WebSocket-Version: 8\r\n", 426),
        ("GET", without("Host"), 400),
    ] {
        let answer = ask(&house, method, "/ws", &headers).await;
        assert_eq!(answer.status, status, "{method} {headers}");
        assert_eq!(answer.code(), ErrorCode::InvalidMessage.as_str());
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET"));
        assert_eq!(answer.header("sec-websocket-version"), (status == 426).then_some("13"));
    }
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn http_1_0_has_no_upgrade() {
    let house = House::open(|_| {});
    let mut raw = house.connect().await;
    raw.send(format!("GET /ws HTTP/1.0\r\n{HANDSHAKE}\r\n")).await;
    assert_eq!(raw.answer().await.status, 400);
    raw.ended().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let house = House::open(|config| config.origins_allowed = vec!["https://*.example.com".into()]);
    for (origin, status) in [
        ("https://gateway.test", 101),
        ("https://app.example.com", 101),
        ("https://evil.test", 403),
        ("null", 403),
        ("http://localhost:3000", 403),
    ] {
        let answer = ask(&house, "GET", "/ws", &format!("{HANDSHAKE}Origin: {origin}\r\n")).await;
        assert_eq!(answer.status, status, "{origin}");
        if status == 403 {
            assert_eq!(answer.code(), "forbidden");
        }
    }
}

#[tokio::test]
async fn origins_are_compared_by_scheme_host_and_port() {
    let house = House::open(|config| config.origins_allowed = vec!["https://App.example.com:443".into()]);
    for (host, origin, status) in [
        ("gateway.test", "https://gateway.test:443", 101),
        ("gateway.test:443", "https://gateway.test", 101),
        ("gateway.test:80", "http://gateway.test", 101),
        ("Gateway.Test.", "https://gateway.test", 101),
        ("[::1]:4000", "http://[::1]:4000", 101),
        ("gateway.test", "https://app.example.com", 101),
        ("gateway.test", "HTTPS://APP.EXAMPLE.COM", 101),
        ("gateway.test:4000", "https://gateway.test", 403),
        ("gateway.test", "https://gateway.test:4000", 403),
        ("gateway.test", "http://app.example.com", 403),
        ("gateway.test", "https://app.example.com:444", 403),
        ("gateway.test", "https://gateway.test@evil.test", 403),
    ] {
        let headers = HANDSHAKE.replace("gateway.test", host) + &format!("Origin: {origin}\r\n");
        assert_eq!(ask(&house, "GET", "/ws", &headers).await.status, status, "{host} {origin}");
    }
}

#[tokio::test]
async fn more_than_one_origin_is_refused() {
    let house = House::open(|config| config.origins_allowed = vec!["https://app.example.com".into()]);
    for other in ["https://gateway.test", "https://app.example.com", "https://evil.test", ""] {
        let origins = format!("Origin: https://gateway.test\r\nOrigin: {other}\r\n");
        let answer = ask(&house, "GET", "/ws", &(HANDSHAKE.to_owned() + &origins)).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{other}");
    }
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn a_page_that_came_in_clear_may_not_use_a_secure_connection() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.origins_allowed = vec!["http://allowed.example".into()];
    });
    let with = |origin: &str, proxy: &str| format!("{HANDSHAKE}Origin: {origin}\r\n{proxy}\r\n");
    for proxy in [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: HTTPS, http",
        "Forwarded: for=192.0.2.1;proto=https",
        "Forwarded: for=192.0.2.1;proto=http, for=192.0.2.2;Proto=\"https\"",
    ] {
        for (origin, status) in
            [("http://gateway.test", 403), ("https://gateway.test", 101), ("http://allowed.example", 101)]
        {
            let answer = ask(&house, "GET", "/ws", &with(origin, proxy)).await;
            assert_eq!(answer.status, status, "{origin} {proxy}");
        }
    }
    // What a client says that is no proxy means nothing.
    let open = House::open(|_| {});
    assert_eq!(ask(&open, "GET", "/ws", &with("http://gateway.test", "X-Forwarded-Proto: https")).await.status, 101);
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_refused() {
    let house = House::open(|_| {});
    for (header, body, status) in [
        ("Content-Length: 5", "hello", 400),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Content-Length: 0", "", 101),
    ] {
        let mut raw = house.connect().await;
        raw.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}{header}\r\n\r\n{body}")).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, status, "{header}");
        if status == 400 {
            assert_eq!(answer.code(), "invalid_message");
        }
    }
}

#[tokio::test]
async fn other_schemes_than_bearer_are_those_of_a_proxy() {
    let house = House::open(|_| {});
    for authorization in ["Basic YWxpY2U=", "Digest username=\"alice\"", "Negotiate", "", "Bearerx alice"] {
        let headers = format!("{HANDSHAKE}Authorization: {authorization}\r\n");
        assert_eq!(ask(&house, "GET", "/ws", &headers).await.status, 101, "{authorization}");
        assert!(house.opened().await.0.identity.is_none(), "{authorization}");
    }
    let both = format!("{HANDSHAKE}Authorization: Basic YWxpY2U=\r\nAuthorization: Bearer alice\r\n");
    assert_eq!(ask(&house, "GET", "/ws", &both).await.status, 101);
    assert_eq!(house.opened().await.0.identity.unwrap().user.as_str(), "alice");
}

#[tokio::test]
async fn a_token_in_the_header_is_verified_before_the_upgrade() {
    let house = House::open(|_| {});
    let with = |authorization: &str| format!("{HANDSHAKE}Authorization: {authorization}\r\n");
    for (authorization, status, code) in [
        ("Bearer mallory", 401, "unauthorized"),
        ("Bearer old", 401, "token_expired"),
        ("Bearer later", 503, "unavailable"),
        ("Bearer", 401, "unauthorized"),
        ("Basic YWxpY2U=\r\nAuthorization: Bearer mallory", 401, "unauthorized"),
    ] {
        let answer = ask(&house, "GET", "/ws", &with(authorization)).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{authorization}");
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
        assert!(!answer.body.contains("mallory"), "a token was repeated");
    }
    assert!(house.is_quiet().await);
    assert_eq!(ask(&house, "GET", "/ws", &with("bearer alice")).await.status, 101);
    assert_eq!(house.opened().await.0.identity.unwrap().user.as_str(), "alice");
}

#[tokio::test]
async fn a_request_tells_token_device_and_instance() {
    let house = House::open(|_| {});
    let target = "/ws?token=t.0%2D&deviceId=d1&instance=i&attempt=7&other=1";
    assert_eq!(ask(&house, "GET", target, HANDSHAKE).await.status, 101);
    let opening = house.opened().await.0;
    assert_eq!(opening.query_token.as_deref(), Some("t.0-"));
    assert_eq!(opening.device.unwrap().as_str(), "d1");
    let client = opening.client.unwrap();
    assert_eq!((client.instance.as_deref(), client.attempt), (Some("i"), Some(7)));

    assert_eq!(ask(&house, "GET", "/ws", &format!("{HANDSHAKE}X-Device-Id: d2\r\n")).await.status, 101);
    assert_eq!(house.opened().await.0.device.unwrap().as_str(), "d2");
    // An identifier is the same in a header, in the query and in a message.
    assert_eq!(ask(&house, "GET", "/ws", &format!("{HANDSHAKE}X-Device-Id: gr\u{fc}n\r\n")).await.status, 101);
    assert_eq!(house.opened().await.0.device.unwrap().as_str(), "gr\u{fc}n");
    for target in ["/ws?deviceId=a%20b", "/ws?attempt=x&instance=i", "/ws?instance=%00"] {
        assert_eq!(ask(&house, "GET", target, HANDSHAKE).await.status, 400, "{target}");
    }
}

#[tokio::test]
async fn what_comes_right_behind_the_request_is_not_lost() {
    let house = House::open(|_| {});
    let mut raw = house.connect().await;
    let mut bytes = format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n").into_bytes();
    bytes.extend(text("one"));
    bytes.extend(text("two"));
    raw.send(bytes).await;
    assert_eq!(raw.answer().await.status, 101);
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), ("one", "two"));
}

#[tokio::test]
async fn other_requests_are_for_the_endpoint_and_may_come_first() {
    let house = House::open(|_| {});
    let mut raw = house.connect().await;
    let hello = raw.ask("GET", "/hello", "Host: gateway.test\r\n").await;
    assert_eq!((hello.status, hello.body.as_str()), (200, "hello "));
    assert_eq!(raw.ask("GET", "/nothing", "Host: gateway.test\r\n").await.status, 404);
    raw.upgrade().await;
    raw.send(text("after")).await;
    assert_eq!(raw.text().await, "after");
}

#[tokio::test]
async fn the_operators_port_has_no_websocket() {
    let house = House::open(|config| config.internal_listen = Some(([127, 0, 0, 1], 0).into()));
    let mut raw = Raw::connect(house.internal.unwrap()).await;
    assert_eq!(raw.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    assert_eq!(raw.ask("GET", "/ws", HANDSHAKE).await.status, 404);
}
