//! What an address or a slow hand can take: connections, connects, and time.

use std::time::Duration;

use crate::{
    house::House,
    raw::{HANDSHAKE, text},
};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_full_node_says_when_to_try_again_and_has_room_when_somebody_goes() {
    let house = House::open(|config| config.limits.connections = 1);
    let (first, _) = house.join().await;
    let mut second = house.connect().await;
    let answer = second.ask("GET", "/ws", HANDSHAKE).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    // Health checks are answered all the same.
    assert_eq!(house.connect().await.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    drop(first);
    house.ended().await;
    while house.connect().await.ask("GET", "/ws", HANDSHAKE).await.status != 101 {}
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let house = House::open(|config| config.limits.connections_per_ip = 2);
    let (_first, _second) = (house.join().await, house.join().await);
    // Also when it says nothing.
    let mut silent = house.connect().await;
    let answer = silent.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limited"));
    silent.ended().await;
    let mut third = house.connect().await;
    let answer = third.ask("GET", "/ws", HANDSHAKE).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limited"));
    assert!(answer.header("retry-after").is_some());
    third.ended().await;
}

#[tokio::test]
async fn a_place_goes_to_a_websocket_and_is_given_back_with_it() {
    let house = House::open(|config| config.limits.connections_per_ip = 1);
    let mut first = house.connect().await;
    assert_eq!(first.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    first.upgrade().await;
    assert_eq!(house.connect().await.ask("GET", "/hello", "Host: x\r\n").await.status, 429);
    drop(first);
    house.ended().await;
    while house.connect().await.ask("GET", "/ws", HANDSHAKE).await.status != 101 {}
}

#[tokio::test]
async fn an_address_connects_so_often_in_a_minute() {
    let house = House::open(|config| config.limits.connects_per_ip_per_minute = 3);
    for _ in 0..3 {
        assert_eq!(house.connect().await.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    }
    let mut fourth = house.connect().await;
    // What was sent and never read does not take the answer away.
    fourth.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n")).await;
    let answer = fourth.answer().await;
    assert_eq!(answer.status, 429);
    assert!((1..=20).contains(&answer.header("retry-after").unwrap().parse::<u32>().unwrap()));
    fourth.ended().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let ask = async |client: &str| {
        let mut raw = house.connect().await;
        let answer = raw.ask("GET", "/ws", &format!("{HANDSHAKE}X-Forwarded-For: {client}\r\n")).await;
        (raw, answer.status)
    };
    let (_first, status) = ask("203.0.113.1").await;
    assert_eq!(status, 101);
    assert_eq!(house.opened().await.0.peer.to_string(), "203.0.113.1");
    assert_eq!(ask("203.0.113.1").await.1, 429);
    assert_eq!(ask("203.0.113.2").await.1, 101);
}

#[tokio::test]
async fn clients_whose_address_a_proxy_does_not_tell_share_its_own() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let ask = async |headers: &str| {
        let mut raw = house.connect().await;
        let answer = raw.ask("GET", "/ws", &format!("{HANDSHAKE}{headers}")).await;
        (raw, answer.status)
    };
    let (_first, status) = ask("X-Forwarded-For: unknown\r\n").await;
    assert_eq!(status, 101);
    assert_eq!(house.opened().await.0.peer.to_string(), "127.0.0.1");
    for headers in [
        "X-Forwarded-For: 203.0.113.1, not an address\r\n",
        "Forwarded: for=_hidden\r\n",
        "Forwarded: for=203.0.113.1\r\nX-Forwarded-For: 203.0.113.2\r\n",
        "X-Forwarded-For: ,\r\n",
        "",
    ] {
        assert_eq!(ask(headers).await.1, 429, "{headers}");
    }
    for headers in ["X-Forwarded-For: 203.0.113.3:4711\r\n", "Forwarded: for=\"[2001:db8::3]:4711\"\r\n"] {
        let (_open, status) = ask(headers).await;
        assert_eq!(status, 101, "{headers}");
        assert_eq!(ask(headers).await.1, 429, "{headers}");
    }
}

#[tokio::test]
async fn a_connection_waits_for_its_next_request_as_long_as_configured() {
    let house = House::open(|config| config.limits.http_idle_timeout = SHORT);
    let mut short = house.connect().await;
    assert_eq!(short.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    short.ended().await;
    let house = House::open(|config| config.limits.handshake_timeout = SHORT);
    let mut long = house.connect().await;
    assert_eq!(long.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(long.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_not_believed() {
    let house = House::open(|_| {});
    let mut raw = house.connect().await;
    raw.ask("GET", "/ws", &format!("{HANDSHAKE}X-Forwarded-For: 203.0.113.1\r\n")).await;
    assert!(house.opened().await.0.peer.is_loopback());
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let house = House::open(|config| config.limits.handshake_timeout = SHORT);
    house.connect().await.ended().await;
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_in_time() {
    let house = House::open(|config| config.limits.handshake_timeout = SHORT);
    let mut raw = house.connect().await;
    raw.send("GET /ws HTTP/1.1\r\nHost: gateway.test\r\nX-Slow: ").await;
    let began = std::time::Instant::now();
    // A byte for each time that nothing came: until the socket is closed under our hands.
    loop {
        let mut byte = [0];
        tokio::select! {
            read = tokio::io::AsyncReadExt::read(&mut raw.stream, &mut byte) => {
                assert!(matches!(read, Ok(0) | Err(_)), "no answer was due");
                break;
            }
            () = tokio::time::sleep(SHORT / 10) => {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.stream, b"x").await;
            }
        }
    }
    assert!(began.elapsed() < SHORT * 10, "dripping kept the socket open");
}

#[tokio::test]
async fn a_head_is_bounded() {
    let house = House::open(|_| {});
    let many: String = (0..80).map(|number| format!("X-{number}: x\r\n")).collect();
    let answer = house.connect().await.ask("GET", "/ws", &format!("{HANDSHAKE}{many}")).await;
    assert_eq!(answer.status, 431);
    let long = format!("{HANDSHAKE}X-Long: {}\r\n", "x".repeat(20 * 1024));
    assert_eq!(house.connect().await.ask("GET", "/ws", &long).await.status, 431);
}

#[tokio::test]
async fn a_node_that_stops_accepts_nothing_and_keeps_its_websockets() {
    let house = House::open(|_| {});
    let (mut raw, _) = house.join().await;
    let mut idle = house.connect().await;
    assert_eq!(idle.ask("GET", "/hello", "Host: x\r\n").await.status, 200);
    house.listening.stop();
    idle.ended().await;
    while tokio::net::TcpStream::connect(house.address).await.is_ok() {}
    raw.send(text("still here")).await;
    assert_eq!(raw.text().await, "still here");
}
