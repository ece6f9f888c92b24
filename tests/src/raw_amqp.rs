//! An AMQP publisher that writes any bytes: client libraries do not publish what is malformed, and programs in other
//! languages do.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::must;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
/// Ends each frame.
const END: u8 = 0xce;

/// A connection with one channel on which the broker confirms.
#[derive(Debug)]
pub struct RawPublisher {
    stream: TcpStream,
}

impl RawPublisher {
    /// Connects as `guest` to `…@host:port` or `…//host:port`.
    pub async fn connect(url: &str) -> Self {
        let address = url.rsplit(['@', '/']).next().unwrap();
        let mut raw = Self { stream: TcpStream::connect(address).await.unwrap() };
        raw.stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        raw.answer(10, 10).await;
        let response = b"\0guest\0guest";
        let start_ok = [&[0; 4][..], &short(b"PLAIN"), &long(response), &short(b"en_US")].concat();
        raw.call(0, 10, 11, &start_ok).await;
        let mut tune = raw.answer(10, 30).await;
        // No heartbeats: a test does not last so long.
        tune[6..8].fill(0);
        raw.call(0, 10, 31, &tune).await;
        raw.call(0, 10, 40, b"\x01/\0\0").await;
        raw.answer(10, 41).await;
        raw.call(1, 20, 10, b"\0").await;
        raw.answer(20, 11).await;
        raw.call(1, 85, 10, b"\0").await;
        raw.answer(85, 11).await;
        raw
    }

    /// Publishes with properties as they are on the wire, flags first, and waits until the broker has it.
    pub async fn publish(&mut self, exchange: &str, key: &[u8], properties: &[u8], body: &[u8]) {
        let publish = [b"\0\0".as_slice(), &short(exchange.as_bytes()), &short(key), b"\x01"].concat();
        self.call(1, 60, 40, &publish).await;
        let size = u64::try_from(body.len()).unwrap().to_be_bytes();
        self.frame(HEADER, 1, &[b"\0\x3c\0\0".as_slice(), &size, properties].concat()).await;
        self.frame(BODY, 1, body).await;
        self.answer(60, 80).await;
    }

    async fn call(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        self.frame(METHOD, channel, &payload).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&[kind][..], &channel.to_be_bytes(), &size, payload, &[END]].concat();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Reads a method, which must be this one, and gives its arguments.
    async fn answer(&mut self, class: u16, method: u16) -> Vec<u8> {
        must("the broker's answer", async {
            loop {
                let mut header = [0; 7];
                self.stream.read_exact(&mut header).await.unwrap();
                let size = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
                let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
                self.stream.read_exact(&mut payload).await.unwrap();
                payload.pop();
                if header[0] != METHOD {
                    continue;
                }
                let arguments = payload.split_off(4);
                let expected = [class.to_be_bytes(), method.to_be_bytes()].concat();
                assert_eq!(payload, expected, "{}", String::from_utf8_lossy(&arguments));
                return arguments;
            }
        })
        .await
    }
}

/// A short string.
pub fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// A long string, or the content of a table with its length.
pub fn long(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
}
