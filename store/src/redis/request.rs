//! A request to run a script, and the reader of its reply.

use bytes::Bytes;
use realtime_gateway_protocol::{StoredId, Timestamp};
use redis::{Cmd, Value, cmd};

use super::{arguments::Arguments, fault::Fault, scripts::Script};

/// The largest number that a script can hold exactly, because Lua numbers are doubles. It is larger than any offset.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The time that a script has to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptTime {
    /// The time of the server's own clock when it runs the script.
    Server,
    /// The server's time, unless it differs from this expected time. Then the server's clock has jumped, and the
    /// expected time is used.
    Expected(Timestamp),
    /// This time. For tests, and for copies, which read everything.
    Given(Timestamp),
}

/// A command that runs a script with its arguments.
pub(super) struct Request {
    pub(super) command: Cmd,
    pub(super) script: &'static Script,
    /// The approximate memory that the request uses, in bytes.
    pub(super) bytes: usize,
    /// The number that the reply begins with. Redis matches replies to requests by their order alone; the number
    /// detects that something between the gateway and Redis has lost or repeated one of them.
    number: u64,
}

impl Request {
    /// Creates a request to run a script. The reply repeats `number`.
    pub(super) fn new<A: Arguments>(store: &str, number: u64, arguments: &A) -> Self {
        let script = A::script();
        let mut command = cmd("EVALSHA");
        command.arg(script.hash()).arg(1).arg(store).arg(number);
        let mut request = Self { command, script, bytes: 256, number };
        arguments.add(&mut request);
        request
    }

    /// Creates a request that sends the whole text of a script. It has no number and needs no epoch.
    pub(super) fn with_text<A: Arguments>(store: &str, arguments: &A) -> Self {
        let script = A::script();
        let mut command = cmd("EVAL");
        command.arg(script.code()).arg(1).arg(store);
        let mut request = Self { command, script, bytes: 256, number: 0 };
        arguments.add(&mut request);
        request
    }

    /// Reads the number that the reply begins with, and returns whether the script did what was requested.
    ///
    /// # Errors
    /// [`Fault::MismatchedReply`] if the reply belongs to another request.
    pub(super) fn is_done(&self, reply: Value) -> Result<(bool, Reply), Fault> {
        let mut reply = Reply::of(reply).map_err(|_| Fault::MismatchedReply)?;
        let number = i64::try_from(self.number).map_err(|_| Fault::MismatchedReply)?;
        match reply.next() {
            Ok(Value::Int(echoed)) if echoed == number => Ok((true, reply)),
            Ok(Value::Int(echoed)) if echoed == -number => Ok((false, reply)),
            _ => Err(Fault::MismatchedReply),
        }
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() + 16;
        self.command.arg(bytes);
    }

    /// Adds a number, [`MAX_NUMBER`] at most.
    pub(super) fn number(&mut self, number: u64) {
        self.bytes += 32;
        self.command.arg(number.min(MAX_NUMBER));
    }

    /// Adds the time that a script has to use.
    pub(super) fn script_time(&mut self, time: ScriptTime) {
        match time {
            ScriptTime::Server => self.text(""),
            ScriptTime::Expected(at) => self.text(&format!("~{}", at.millis().min(MAX_NUMBER))),
            ScriptTime::Given(at) => self.number(at.millis()),
        }
    }
}

/// The reply of a script, which is read from its beginning.
#[derive(Debug)]
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// Creates a reader of a reply, which has to be a list.
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Array(values) => Ok(Self(values.into_iter())),
            _ => Err(Fault::UnexpectedReply),
        }
    }

    /// Returns whether all values are read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn next(&mut self) -> Result<Value, Fault> {
        self.0.next().ok_or(Fault::UnexpectedReply)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        match self.next()? {
            Value::Int(number) => u64::try_from(number).map_err(|_| Fault::UnexpectedReply),
            Value::BulkString(text) => parse(&text),
            _ => Err(Fault::UnexpectedReply),
        }
    }

    /// Reads bytes.
    pub(super) fn bytes(&mut self) -> Result<Bytes, Fault> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes.into()),
            Value::SimpleString(text) => Ok(text.into()),
            _ => Err(Fault::UnexpectedReply),
        }
    }

    /// Reads a text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        match self.next()? {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| Fault::UnexpectedReply),
            Value::SimpleString(text) => Ok(text),
            _ => Err(Fault::UnexpectedReply),
        }
    }

    /// Reads an identifier.
    pub(super) fn id<T: StoredId>(&mut self) -> Result<T, Fault> {
        T::from_stored(&self.text()?).map_err(|_| Fault::UnexpectedReply)
    }

    /// Reads a time in milliseconds.
    pub(super) fn at(&mut self) -> Result<Timestamp, Fault> {
        self.number().map(Timestamp::from_millis)
    }

    /// Reads a list.
    pub(super) fn list(&mut self) -> Result<Self, Fault> {
        Self::of(self.next()?)
    }

    /// Reads all remaining values, item by item.
    pub(super) fn all<T>(mut self, item: impl Fn(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut all = Vec::with_capacity(self.0.len());
        while !self.is_empty() {
            all.push(item(&mut self)?);
        }
        Ok(all)
    }
}

fn parse(text: &[u8]) -> Result<u64, Fault> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault::UnexpectedReply)
}
