//! A script with its arguments, and the reader of what it answers.

use std::sync::LazyLock;

use bytes::Bytes;
use realtime_gateway_protocol::{StoredId, Timestamp};
use redis::{Cmd, Value, cmd};
use sha1::{Digest, Sha1};

use super::fault::Fault;
use crate::store::Event;

/// Numbers of a script are doubles: this is the largest that they hold exactly, and larger than any offset.
pub(super) const LARGEST: u64 = (1 << 53) - 1;

/// A script of the gateway: one operation of the store, in one atomic step.
pub(super) struct Step {
    code: &'static str,
    hash: LazyLock<String>,
}

impl Step {
    /// A script whose hash, by which Redis knows it, is this.
    pub(super) const fn new(code: &'static str, hash: fn() -> String) -> Self {
        Self { code, hash: LazyLock::new(hash) }
    }

    /// Tells Redis the whole text of it.
    pub(super) fn load(&self) -> Cmd {
        let mut command = cmd("SCRIPT");
        command.arg("LOAD").arg(self.code);
        command
    }

    /// A request with this number to run it. The reply repeats the number.
    pub(super) fn on(&self, store: &str, number: u64) -> Request {
        let mut command = cmd("EVALSHA");
        command.arg(self.hash.as_str()).arg(1).arg(store).arg(number);
        Request { command, bytes: 256, number }
    }
}

/// The SHA-1 of a script, in hexadecimal digits.
pub(super) fn hash(code: &str) -> String {
    Sha1::digest(code).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The time that a script goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// What the server's own clock shows when it runs the script.
    Server,
    /// The same, unless it does not agree with this one, which the node expects: then it has jumped.
    Expected(Timestamp),
    /// This one: for tests, and for copies that read everything.
    Given(Timestamp),
}

/// A script with its arguments.
pub(super) struct Request {
    pub(super) command: Cmd,
    /// About how much memory it holds.
    pub(super) bytes: usize,
    /// What the reply begins with. Redis matches replies to requests by their order alone; the number shows it when
    /// something between the gateway and Redis has lost or repeated one of them.
    number: u64,
}

impl Request {
    /// Reads the number that the reply begins with, and returns whether the script did what was requested.
    ///
    /// # Errors
    /// [`Fault::Mismatched`] if the reply belongs to another request.
    pub(super) fn is_done(&self, reply: Value) -> Result<(bool, Reply), Fault> {
        let mut reply = Reply::of(reply).map_err(|_| Fault::Mismatched)?;
        let number = i64::try_from(self.number).map_err(|_| Fault::Mismatched)?;
        match reply.next() {
            Ok(Value::Int(echoed)) if echoed == number => Ok((true, reply)),
            Ok(Value::Int(echoed)) if echoed == -number => Ok((false, reply)),
            _ => Err(Fault::Mismatched),
        }
    }

    /// Adds a text.
    #[must_use]
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes.
    #[must_use]
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes += bytes.len() + 16;
        self.command.arg(bytes);
        self
    }

    /// Adds a number, or the largest that a script can hold.
    #[must_use]
    pub(super) fn number(mut self, number: u64) -> Self {
        self.bytes += 32;
        self.command.arg(number.min(LARGEST));
        self
    }

    /// Adds a moment in milliseconds.
    #[must_use]
    pub(super) fn at(self, at: Timestamp) -> Self {
        self.number(at.millis())
    }

    /// Adds the time that a script goes by.
    #[must_use]
    pub(super) fn moment(self, moment: Moment) -> Self {
        match moment {
            Moment::Server => self.text(""),
            Moment::Expected(at) => self.text(&format!("~{}", at.millis().min(LARGEST))),
            Moment::Given(at) => self.at(at),
        }
    }

    /// Adds an event, or its absence.
    #[must_use]
    pub(super) fn event(self, event: Option<&Event>) -> Self {
        match event {
            Some(event) => self.text(&event.id).text(&event.key).at(event.at).bytes(&event.body),
            None => self.text("").text("").text("").text(""),
        }
    }
}

/// What a script answered, read from its beginning.
#[derive(Debug)]
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// A reply, which is a list.
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Array(values) => Ok(Self(values.into_iter())),
            _ => Err(Fault::Strange),
        }
    }

    /// Whether all is read.
    pub(super) fn is_over(&self) -> bool {
        self.0.len() == 0
    }

    fn next(&mut self) -> Result<Value, Fault> {
        self.0.next().ok_or(Fault::Strange)
    }

    /// The next, a number.
    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        match self.next()? {
            Value::Int(number) => u64::try_from(number).map_err(|_| Fault::Strange),
            Value::BulkString(text) => parse(&text),
            _ => Err(Fault::Strange),
        }
    }

    /// The next, bytes.
    pub(super) fn bytes(&mut self) -> Result<Bytes, Fault> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes.into()),
            Value::SimpleString(text) => Ok(text.into()),
            _ => Err(Fault::Strange),
        }
    }

    /// The next, a text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        match self.next()? {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| Fault::Strange),
            Value::SimpleString(text) => Ok(text),
            _ => Err(Fault::Strange),
        }
    }

    /// The next, an identifier.
    pub(super) fn id<T: StoredId>(&mut self) -> Result<T, Fault> {
        T::from_stored(&self.text()?).map_err(|_| Fault::Strange)
    }

    /// The next, a moment in milliseconds.
    pub(super) fn at(&mut self) -> Result<Timestamp, Fault> {
        self.number().map(Timestamp::from_millis)
    }

    /// The next, a list.
    pub(super) fn list(&mut self) -> Result<Self, Fault> {
        Self::of(self.next()?)
    }

    /// What is left, item by item.
    pub(super) fn all<T>(mut self, item: impl Fn(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut all = Vec::with_capacity(self.0.len());
        while !self.is_over() {
            all.push(item(&mut self)?);
        }
        Ok(all)
    }
}

fn parse(text: &[u8]) -> Result<u64, Fault> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault::Strange)
}
