//! Valid and invalid PROXY protocol headers.

use proptest::prelude::*;

use super::*;

/// Returns a version 2 header.
fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Returns the address in a header, or the error. Asserts that nothing after the header was read.
async fn read(bytes: &[u8]) -> Result<Option<String>, String> {
    let whole = [bytes, b"GET"].concat();
    let mut rest = whole.as_slice();
    let read = if bytes.starts_with(V1_PREFIX) { version_1(&mut rest).await } else { version_2(&mut rest).await };
    if read.is_ok() {
        assert_eq!(rest, b"GET");
    }
    read.map(|address| address.map(|it| it.to_string())).map_err(|error| error.to_string())
}

const V4: [u8; 12] = [203, 0, 113, 5, 10, 0, 0, 1, 0x30, 0x39, 0x0f, 0xa0];

fn v6() -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    bytes[15] = 7;
    bytes[32..].copy_from_slice(&[0x30, 0x39, 0x0f, 0xa0]);
    bytes
}

#[tokio::test]
async fn reads_the_client_address_of_version_2() {
    let named = |address: &str| Ok(Some(address.to_owned()));
    assert_eq!(read(&header(0x21, 0x11, &V4)).await, named("203.0.113.5:12345"));
    assert_eq!(read(&header(0x21, 0x12, &V4)).await, named("203.0.113.5:12345"));
    assert_eq!(read(&header(0x21, 0x21, &v6())).await, named("[2001:db8::7]:12345"));
    let extended = |length| [V4.as_slice(), &vec![0x04; length]].concat();
    for length in [1, 24, 25, 256, 257, 4_000] {
        assert_eq!(read(&header(0x21, 0x11, &extended(length))).await, named("203.0.113.5:12345"), "{length}");
    }
}

#[tokio::test]
async fn connections_of_the_proxy_itself_have_no_client_address() {
    assert_eq!(read(&header(0x20, 0x00, &[])).await, Ok(None));
    assert_eq!(read(&header(0x20, 0x11, &V4)).await, Ok(None));
    assert_eq!(read(&header(0x21, 0x00, b"whatever")).await, Ok(None));
    assert_eq!(read(&header(0x21, 0x31, &[b'/'; 216])).await, Ok(None));
    assert_eq!(read(b"PROXY UNKNOWN\r\n").await, Ok(None));
    assert_eq!(read(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").await, Ok(None));
}

#[tokio::test]
async fn rejects_invalid_version_2_headers() {
    let long = [V4.as_slice(), &[0; V2_MAX_BODY_BYTES]].concat();
    for (bytes, why) in [
        (header(0x11, 0x11, &V4), "version or command"),
        (header(0x22, 0x11, &V4), "version or command"),
        (header(0x21, 0x13, &V4), "transport"),
        (header(0x21, 0x41, &V4), "family"),
        (header(0x21, 0x11, &V4[..11]), "cut short"),
        (header(0x21, 0x21, &V4), "cut short"),
        (header(0x21, 0x21, &v6()[..35]), "cut short"),
        (header(0x21, 0x11, &long), "too long"),
        (b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0".to_vec(), "signature"),
    ] {
        let error = read(&bytes).await.unwrap_err();
        assert!(error.contains(why), "{error} for {bytes:?}");
    }
}

#[tokio::test]
async fn reads_the_client_address_of_version_1_and_rejects_invalid_lines() {
    let named = |address: &str| Ok(Some(address.to_owned()));
    assert_eq!(read(b"PROXY TCP4 203.0.113.5 10.0.0.1 12345 4000\r\n").await, named("203.0.113.5:12345"));
    assert_eq!(read(b"PROXY TCP6 2001:db8::7 ::1 12345 4000\r\n").await, named("[2001:db8::7]:12345"));
    for line in [
        "PROXY \r\n",
        "PROXY TCP4 203.0.113.5 10.0.0.1 12345\r\n",
        "PROXY TCP4 203.0.113.5 10.0.0.1 12345 4000 1\r\n",
        "PROXY TCP4 203.0.113.5 10.0.0.1 123456 4000\r\n",
        "PROXY TCP4 203.0.113.5 10.0.0.1 12345 x\r\n",
        "PROXY TCP4 2001:db8::7 ::1 12345 4000\r\n",
        "PROXY TCP6 203.0.113.5 10.0.0.1 12345 4000\r\n",
        "PROXY UDP4 203.0.113.5 10.0.0.1 12345 4000\r\n",
        "PROXY  TCP4 203.0.113.5 10.0.0.1 12345 4000\r\n",
        "PROXY TCP4 evil.example 10.0.0.1 12345 4000\r\n",
    ] {
        let error = read(line.as_bytes()).await.unwrap_err();
        assert!(error.contains("no line of version 1"), "{error} for {line}");
    }
    let endless = read(&[V1_PREFIX, &[b'x'; 200]].concat()).await.unwrap_err();
    assert!(endless.contains("too long"), "{endless}");
}

proptest! {
    #[test]
    fn arbitrary_version_2_headers_do_not_panic(
        command in 0x20..0x22_u8,
        family: u8,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = header(command, family, &body);
        let cut = bytes.len() / 2;
        let _ = runtime.block_on(version_2(&mut &bytes[..cut]));
        let whole = runtime.block_on(version_2(&mut bytes.as_slice()));
        let named = command == 0x21 && family & 0xf < 3 && match family >> 4 {
            1 => body.len() >= 12,
            2 => body.len() >= 36,
            _ => false,
        };
        prop_assert_eq!(matches!(whole, Ok(Some(_))), named);
    }
}
