//! The same door with TLS: everything goes through it, and certificates change while it is open.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway::{
    accept::{Certificates, TlsError},
    config::Tls,
    frame::Frame,
};
use realtime_gateway_protocol::CloseCode;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    house::House,
    proxied,
    raw::{Raw, frame, text},
};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sockets/certificate").join(name)
}

fn first() -> Tls {
    Tls { cert: file("TEST_ONLY_certificate.pem"), key: file("TEST_ONLY_key.pem") }
}

fn next() -> Tls {
    Tls { cert: file("TEST_ONLY_next_certificate.pem"), key: file("TEST_ONLY_next_key.pem") }
}

/// Connects, and trusts this certificate alone.
async fn connect(house: &House, trusted: &Tls) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    shake_hands(TcpStream::connect(house.address).await?, trusted).await
}

async fn shake_hands(socket: TcpStream, trusted: &Tls) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusted.cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    Ok(Raw::over(connector.connect(ServerName::try_from("gateway.test").unwrap(), socket).await?))
}

#[tokio::test]
async fn messages_and_closes_go_through_tls() {
    let house = House::open_with(|_| {}, Some(Certificates::read(&first()).unwrap()));
    let mut raw = connect(&house, &first()).await.unwrap();
    raw.upgrade().await;
    let outbound = house.opened().await.1;
    // More than the socket and a TLS record hold.
    let long = "x".repeat(600_000);
    outbound.push(Frame::text("other", &long));
    outbound.push(Frame::text("other", "short"));
    assert!(raw.text().await == long && raw.text().await == "short");
    raw.send(text("hello")).await;
    assert_eq!(raw.text().await, "hello");
    outbound.close(CloseCode::DISCONNECTED, "disconnected by an operator");
    assert_eq!(raw.closed().await, 4403);
    raw.send(frame(0x88, [0x11, 0x33])).await;
    raw.ended().await;
}

#[tokio::test]
async fn certificates_change_for_those_who_come_later() {
    let certificates = Certificates::read(&first()).unwrap();
    let house = House::open_with(|_| {}, Some(certificates.clone()));
    let mut early = connect(&house, &first()).await.unwrap();
    early.upgrade().await;
    assert!(connect(&house, &next()).await.is_err());

    certificates.reload(&next()).unwrap();
    connect(&house, &next()).await.unwrap().upgrade().await;
    assert!(connect(&house, &first()).await.is_err());
    early.send(text("still here")).await;
    assert_eq!(early.text().await, "still here");

    // What cannot be used changes nothing.
    let mixed = Tls { key: first().key, ..next() };
    assert!(matches!(certificates.reload(&mixed), Err(TlsError::Pair(_))));
    let missing = Tls { key: file("nothing.pem"), ..next() };
    assert!(matches!(certificates.reload(&missing), Err(TlsError::File { .. })));
    connect(&house, &next()).await.unwrap().upgrade().await;
}

#[tokio::test]
async fn a_socket_that_does_not_speak_tls_is_closed() {
    let short = Duration::from_millis(200);
    let house =
        House::open_with(|config| config.limits.handshake_timeout = short, Some(Certificates::read(&first()).unwrap()));
    house.connect().await.ended().await;
    let mut plain = house.connect().await;
    plain.send("GET /ws HTTP/1.1\r\n\r\n").await;
    // An alert of TLS may come, and no answer of HTTP.
    while plain.more().await {}
    assert!(!plain.has_read(b"HTTP"));
}

#[tokio::test]
async fn a_proxy_speaks_before_the_handshake() {
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let certificates = Certificates::read(&first()).unwrap();
    let house = House::open_with(|config| config.proxies_trusted = trusted, Some(certificates));
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    socket.write_all(&proxied::header(0x21, 0x11, &proxied::V4)).await.unwrap();
    let mut raw = shake_hands(socket, &first()).await.unwrap();
    raw.upgrade().await;
    assert_eq!(house.opened().await.0.peer.to_string(), "203.0.113.5");
    // What is refused before the handshake is closed without a word.
    let mut bad = house.connect().await;
    bad.send(proxied::header(0x21, 0x11, &[])).await;
    bad.ended().await;
}
