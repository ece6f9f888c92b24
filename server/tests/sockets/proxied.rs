//! The PROXY protocol over real sockets: who is believed, and what becomes of the rest.

use std::time::Duration;

use crate::{
    house::House,
    raw::{HANDSHAKE, Raw},
};

/// The client 203.0.113.5:12345.
pub(crate) const V4: [u8; 12] = [203, 0, 113, 5, 10, 0, 0, 1, 0x30, 0x39, 0x0f, 0xa0];

/// A header of version 2.
pub(crate) fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

fn trusting() -> House {
    House::open(|config| config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()])
}

/// The address of the client that connects with this before its request.
async fn peer(house: &House, header: &[u8], headers: &str) -> String {
    let mut raw = house.connect().await;
    raw.send(header).await;
    let answer = raw.ask("GET", "/ws", &format!("{HANDSHAKE}{headers}")).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    house.opened().await.0.peer.to_string()
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_connection_it_is() {
    let house = trusting();
    assert_eq!(peer(&house, &header(0x21, 0x11, &V4), "").await, "203.0.113.5");
    let with_extensions = [V4.as_slice(), &[0x20; 700]].concat();
    assert_eq!(peer(&house, &header(0x21, 0x11, &with_extensions), "").await, "203.0.113.5");
    assert_eq!(peer(&house, b"PROXY TCP6 2001:db8::7 ::1 12345 4000\r\n", "").await, "2001:db8::7");
    // Its own connections, and those that come without.
    assert_eq!(peer(&house, &header(0x20, 0, &[]), "").await, "127.0.0.1");
    assert_eq!(peer(&house, &header(0x21, 0, &[]), "").await, "127.0.0.1");
    assert_eq!(peer(&house, b"PROXY UNKNOWN\r\n", "").await, "127.0.0.1");
    assert_eq!(peer(&house, b"", "").await, "127.0.0.1");
    // An empty line before a request is passed over (RFC 9112, section 2.2).
    assert_eq!(peer(&house, b"\r\n", "").await, "127.0.0.1");
}

#[tokio::test]
async fn a_header_is_believed_as_far_as_the_address_that_it_names() {
    let house = trusting();
    // The client may write into its request what it likes.
    assert_eq!(peer(&house, &header(0x21, 0x11, &V4), "X-Forwarded-For: 192.0.2.1\r\n").await, "203.0.113.5");
    // A proxy behind another.
    let inner = header(0x21, 0x11, &[127, 0, 0, 9, 127, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(peer(&house, &inner, "X-Forwarded-For: 192.0.2.1\r\n").await, "192.0.2.1");
    assert_eq!(peer(&house, &header(0x20, 0, &[]), "X-Forwarded-For: 192.0.2.1\r\n").await, "192.0.2.1");
}

#[tokio::test]
async fn plain_requests_and_small_pieces_go_through() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    });
    let mut raw = house.connect().await;
    for byte in header(0x21, 0x11, &V4) {
        raw.send([byte]).await;
    }
    let answer = raw.ask("GET", "/hello", "Host: gateway.test\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello "));
    let mut operator = Raw::connect(house.internal.unwrap()).await;
    operator.send(header(0x21, 0x11, &V4)).await;
    assert_eq!(operator.ask("GET", "/hello", "Host: gateway.test\r\n").await.status, 200);
}

#[tokio::test]
async fn the_limits_of_an_address_are_those_of_the_client() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let mut first = house.connect().await;
    first.send(header(0x21, 0x11, &V4)).await;
    first.upgrade().await;
    let mut second = house.connect().await;
    second.send(header(0x21, 0x11, &V4)).await;
    let refused = second.answer().await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let mut other = house.connect().await;
    other.send(header(0x21, 0x11, &[203, 0, 113, 6, 10, 0, 0, 1, 0, 1, 0, 1])).await;
    other.upgrade().await;
}

#[tokio::test]
async fn a_header_that_nobody_understands_is_a_bad_request() {
    let house = trusting();
    let unknown_family = header(0x21, 0x41, &V4);
    for bad in [unknown_family.as_slice(), &header(0x21, 0x11, &V4[..8]), b"PROXY TCP4 me you\r\n"] {
        let mut raw = house.connect().await;
        raw.send([bad, b"GET /hello HTTP/1.1\r\nHost: gateway.test\r\n\r\n"].concat()).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_message"));
        raw.ended().await;
    }
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn from_others_it_is_a_bad_request_and_changes_nothing() {
    let house = House::open(|config| config.proxies_trusted = vec!["192.0.2.0/24".parse().unwrap()]);
    for header in [header(0x21, 0x11, &V4).as_slice(), b"PROXY TCP4 203.0.113.5 10.0.0.1 12345 4000\r\n"] {
        let mut raw = house.connect().await;
        raw.send(header).await;
        raw.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n")).await;
        assert_eq!(raw.answer().await.status, 400);
    }
    assert!(house.is_quiet().await);
}

#[tokio::test]
async fn a_header_is_waited_for_as_long_as_a_handshake() {
    let house = House::open(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.handshake_timeout = Duration::from_millis(200);
    });
    house.connect().await.ended().await;
    let mut half = house.connect().await;
    half.send(&header(0x21, 0x11, &V4)[..20]).await;
    half.ended().await;
    // A client that goes away within the header takes nobody with it.
    let mut gone = house.connect().await;
    gone.send(&header(0x21, 0x11, &V4)[..20]).await;
    drop(gone);
    assert_eq!(peer(&house, &header(0x21, 0x11, &V4), "").await, "203.0.113.5");
}
