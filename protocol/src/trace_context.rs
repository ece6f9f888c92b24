//! The trace that a request or an event belongs to: the headers `traceparent` and `tracestate` of
//! [W3C Trace Context](https://www.w3.org/TR/trace-context/). The gateway records no spans, so it passes both on as it
//! received them, which the specification allows for such a service.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of the header, and of the field of an event, with the ids of the trace and of the caller's span.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the header, and of the field of an event, with what tracing systems add.
pub const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00, and of the part of later versions that is read.
const LENGTH: usize = 55;
/// The largest `tracestate` that is passed on, in bytes. The specification asks for at least as many.
const MAX_STATE: usize = 512;
/// The largest number of members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// The flags that are passed on: the trace is sampled, and its id is random. The others have no meaning yet.
const KNOWN_FLAGS: u8 = 0b11;

/// A trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// A `traceparent` of version 00.
    parent: Arc<str>,
    /// A `tracestate` that is not empty.
    state: Option<Arc<str>>,
}

/// The fields of an event that belongs to a trace.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    traceparent: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<Cow<'a, str>>,
}

impl TraceContext {
    /// Reads the value of `traceparent` and those of `tracestate`. Returns `None` if the first is not valid, which then
    /// counts as absent. An invalid `tracestate` is left out, and one that is too long loses its last members.
    pub fn parse<'a>(traceparent: &str, tracestate: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let flags = flags_of(traceparent)?;
        let ids = traceparent.get(2..LENGTH - 2)?;
        let parent = format!("00{ids}{:02x}", flags & KNOWN_FLAGS).into();
        Some(Self { parent, state: state_of(tracestate) })
    }

    /// Returns the value of `traceparent`.
    pub fn traceparent(&self) -> &str {
        &self.parent
    }

    /// Returns the value of `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns the id of the trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// Returns the headers of a request that belongs to the trace.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [(TRACEPARENT, Some(self.traceparent())), (TRACESTATE, self.tracestate())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Returns the trace of the body of an event that [`TraceContext::mark`] has marked. Any other body is not parsed.
    pub fn of_event(body: &[u8]) -> Option<Self> {
        if !body.starts_with(b"{\"traceparent\":") {
            return None;
        }
        let fields: Fields<'_> = serde_json::from_slice(body).ok()?;
        Self::parse(&fields.traceparent, fields.tracestate.as_deref())
    }

    /// Adds the fields `traceparent` and `tracestate` to the body of an event, a JSON object, in front of the others.
    pub fn mark(&self, body: &[u8]) -> Vec<u8> {
        let fields = Fields { traceparent: self.traceparent().into(), tracestate: self.tracestate().map(Cow::from) };
        let Ok(mut marked) = serde_json::to_vec(&fields) else { return body.to_vec() };
        let Some(rest) = body.strip_prefix(b"{") else { return body.to_vec() };
        marked.pop();
        if rest != b"}" {
            marked.push(b',');
        }
        marked.extend_from_slice(rest);
        marked
    }
}

/// Returns the flags of a `traceparent`, if it is valid: version, trace id, parent id and flags, joined by hyphens.
fn flags_of(traceparent: &str) -> Option<u8> {
    let (known, later) = traceparent.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let is_valid = parts.next().is_none()
        && is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2)
        // Later versions may add parts, and version 00 has no others.
        && (later.is_empty() || version != "00" && later.starts_with('-'));
    is_valid.then(|| u8::from_str_radix(flags, 16).ok())?
}

/// Joins the values of `tracestate`, without members beyond the bounds. Returns `None` if one is not valid or none is left.
fn state_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Arc<str>> {
    let mut state = String::new();
    let mut keys = Vec::new();
    let members = values.into_iter().flat_map(|value| value.split(',')).map(|member| member.trim_matches([' ', '\t']));
    for member in members.filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MAX_MEMBERS {
            return None;
        }
        keys.push(key);
        let comma = usize::from(!state.is_empty());
        if state.len() + comma + member.len() > MAX_STATE {
            break;
        }
        if comma == 1 {
            state.push(',');
        }
        state.push_str(member);
    }
    (!state.is_empty()).then(|| state.into())
}

/// Returns whether a text is the key of a member: at most 256 characters, or a tenant and a system with `@` between them.
fn is_key(key: &str) -> bool {
    let is_name = |name: &str, length: usize, may_begin_with_digit: bool| {
        let is_first = |first: u8| first.is_ascii_lowercase() || may_begin_with_digit && first.is_ascii_digit();
        let is_next = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        name.len() <= length && name.bytes().next().is_some_and(is_first) && name.bytes().all(is_next)
    };
    match key.split_once('@') {
        None => is_name(key, 256, true),
        Some((tenant, system)) => is_name(tenant, 241, true) && is_name(system, 14, false),
    }
}

/// Returns whether a text is the value of a member: printable ASCII without `,` and `=`, not with a space at its end.
fn is_value(value: &str) -> bool {
    let is_allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_allowed) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn state(values: &[&str]) -> Option<String> {
        TraceContext::parse(PARENT, values.iter().copied()).unwrap().tracestate().map(str::to_owned)
    }

    #[test]
    fn passes_on_what_is_valid() {
        let trace = TraceContext::parse(PARENT, ["congo=t61rcWkgMzE", " rojo=00f067aa0ba902b7 ,"]).unwrap();
        assert_eq!(trace.traceparent(), PARENT);
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.tracestate(), Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        assert_eq!(trace.headers().count(), 2);
    }

    #[test]
    fn reads_later_versions_as_version_00_without_unknown_flags() {
        for (text, flags) in [("00", "01"), ("cc", "01-what-the-future-will-be-like"), ("fe", "fd")] {
            let text = [text, &PARENT[2..53], flags].concat();
            let trace = TraceContext::parse(&text, []).unwrap();
            assert_eq!(trace.traceparent(), PARENT, "{text}");
        }
        let random = TraceContext::parse(&PARENT.replace("-01", "-03"), []).unwrap();
        assert!(random.traceparent().ends_with("-03"));
    }

    #[test]
    fn ignores_what_is_not_valid() {
        let zeros = |range: std::ops::Range<usize>| {
            let mut text = PARENT.to_owned();
            text.replace_range(range.clone(), &"0".repeat(range.len()));
            text
        };
        for text in [
            "",
            "00",
            &PARENT[..54],
            &format!("{PARENT}-01"),
            &format!("{PARENT}."),
            &PARENT.to_uppercase(),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "0g", 1),
            &PARENT.replacen("00-", "cc-", 1).replace("-01", "-01."),
            &PARENT.replace('-', "_"),
            &zeros(3..35),
            &zeros(36..52),
            &PARENT.replace("b7ad", "ü7d"),
        ] {
            assert_eq!(TraceContext::parse(text, ["a=b"]), None, "{text}");
        }
    }

    #[test]
    fn leaves_invalid_state_out_and_bounds_it() {
        assert_eq!(state(&["tenant@system=1", "0a_-*/=~"]).as_deref(), Some("tenant@system=1,0a_-*/=~"));
        for text in ["", ",", "a", "A=1", "=1", "a=", "a=\u{e9}", "a=1,a=2", "a@1=x", "a=b=c", "@a=1", "a@=1"] {
            assert_eq!(state(&[text]), None, "{text}");
        }
        let many = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(state(&[&many(32)]), Some(many(32)));
        assert_eq!(state(&[&many(33)]), None);
        let long = format!("a={},b={},c=1", "x".repeat(250), "y".repeat(249));
        assert_eq!(state(&[&long, "d=2"]), Some(format!("{long},d=2")));
        assert_eq!(state(&[&long, "d=22"]), Some(long.clone()), "the last member does not fit");
    }

    #[test]
    fn marks_the_body_of_an_event_and_reads_it_again() {
        let trace = TraceContext::parse(PARENT, ["a=\"1\\"]).unwrap();
        let marked = trace.mark(br#"{"data":{"x":1}}"#);
        let value: serde_json::Value = serde_json::from_slice(&marked).unwrap();
        assert_eq!(value, serde_json::json!({ "traceparent": PARENT, "tracestate": "a=\"1\\", "data": { "x": 1 } }));
        assert_eq!(TraceContext::of_event(&marked).as_ref(), Some(&trace));
        assert_eq!(TraceContext::of_event(&trace.mark(b"{}")), Some(trace));
        assert_eq!(TraceContext::of_event(br#"{"data":{"traceparent":"x"}}"#), None);
    }
}
