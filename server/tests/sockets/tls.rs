//! TLS: messages, close frames and the PROXY protocol over TLS, and certificate changes at runtime.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway::{
    config::Tls,
    delivery::frame::Frame,
    edge::accept::{Certificates, TlsError},
};
use realtime_gateway_protocol::CloseCode;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    echo_server::EchoServer,
    proxy_protocol,
    raw_socket::{RawSocket, frame, text},
};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sockets/certificate").join(name)
}

fn first_certificate() -> Tls {
    Tls { cert: file("TEST_ONLY_certificate.pem"), key: file("TEST_ONLY_key.pem") }
}

fn next_certificate() -> Tls {
    Tls { cert: file("TEST_ONLY_next_certificate.pem"), key: file("TEST_ONLY_next_key.pem") }
}

/// Connects with TLS and trusts only this certificate.
async fn connect(server: &EchoServer, trusted: &Tls) -> std::io::Result<RawSocket<TlsStream<TcpStream>>> {
    tls_handshake(TcpStream::connect(server.address).await?, trusted).await
}

async fn tls_handshake(socket: TcpStream, trusted: &Tls) -> std::io::Result<RawSocket<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusted.cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    Ok(RawSocket::over(connector.connect(ServerName::try_from("gateway.test").unwrap(), socket).await?))
}

#[tokio::test]
async fn sends_messages_and_close_over_tls() {
    let server = EchoServer::start_with(|_| {}, Some(Certificates::read(&first_certificate()).unwrap()));
    let mut raw = connect(&server, &first_certificate()).await.unwrap();
    raw.upgrade().await;
    let outbound = server.next_upgrade().await.1;
    // Larger than a TLS record and the socket buffers.
    let long = "x".repeat(600_000);
    outbound.push(Frame::text("other", &long));
    outbound.push(Frame::text("other", "short"));
    assert!(raw.text().await == long && raw.text().await == "short");
    raw.send(text("hello")).await;
    assert_eq!(raw.text().await, "hello");
    outbound.close(CloseCode::DISCONNECTED, "disconnected by an operator");
    assert_eq!(raw.close_code().await, 4403);
    raw.send(frame(0x88, [0x11, 0x33])).await;
    raw.wait_for_eof().await;
}

#[tokio::test]
async fn replaced_certificate_applies_to_new_connections() {
    let certificates = Certificates::read(&first_certificate()).unwrap();
    let server = EchoServer::start_with(|_| {}, Some(certificates.clone()));
    let mut early = connect(&server, &first_certificate()).await.unwrap();
    early.upgrade().await;
    assert!(connect(&server, &next_certificate()).await.is_err());

    certificates.replace(&Certificates::read(&next_certificate()).unwrap());
    connect(&server, &next_certificate()).await.unwrap().upgrade().await;
    assert!(connect(&server, &first_certificate()).await.is_err());
    early.send(text("still here")).await;
    assert_eq!(early.text().await, "still here");

    // An unusable pair cannot be read, so it cannot replace the current certificate.
    let mixed = Tls { key: first_certificate().key, ..next_certificate() };
    assert!(matches!(Certificates::read(&mixed), Err(TlsError::Pair(_))));
    let missing = Tls { key: file("nothing.pem"), ..next_certificate() };
    assert!(matches!(Certificates::read(&missing), Err(TlsError::File { .. })));
    connect(&server, &next_certificate()).await.unwrap().upgrade().await;
}

#[tokio::test]
async fn closes_socket_that_does_not_speak_tls() {
    let short = Duration::from_millis(200);
    let server = EchoServer::start_with(
        |config| config.limits.handshake_timeout = short,
        Some(Certificates::read(&first_certificate()).unwrap()),
    );
    server.connect().await.wait_for_eof().await;
    let mut plain = server.connect().await;
    plain.send("GET /ws HTTP/1.1\r\n\r\n").await;
    // The server may send a TLS alert, but no HTTP response.
    while plain.read_more().await {}
    assert!(!plain.has_read(b"HTTP"));
}

#[tokio::test]
async fn reads_proxy_header_before_tls_handshake() {
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let certificates = Certificates::read(&first_certificate()).unwrap();
    let server = EchoServer::start_with(|config| config.proxies_trusted = trusted, Some(certificates));
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&proxy_protocol::header(0x21, 0x11, &proxy_protocol::V4)).await.unwrap();
    let mut raw = tls_handshake(socket, &first_certificate()).await.unwrap();
    raw.upgrade().await;
    assert_eq!(server.next_upgrade().await.0.peer.to_string(), "203.0.113.5");
    // A connection that is refused before the TLS handshake is closed without a response.
    let mut bad = server.connect().await;
    bad.send(proxy_protocol::header(0x21, 0x11, &[])).await;
    bad.wait_for_eof().await;
}
