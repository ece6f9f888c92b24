//! The trace of a message: its headers `traceparent` and `tracestate`, which instrumented clients of RabbitMQ write and read.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use realtime_gateway_protocol::{TRACEPARENT, TRACESTATE, TraceContext};

use super::topology::text;

/// Returns the trace of a message.
pub(super) fn trace_of(properties: &BasicProperties) -> Option<TraceContext> {
    let headers = properties.headers().as_ref()?.inner();
    let header = |name: &str| match headers.get(name)? {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok(),
        AMQPValue::ShortString(value) => Some(value.as_str()),
        _ => None,
    };
    TraceContext::parse(header(TRACEPARENT)?, header(TRACESTATE))
}

/// Adds the headers of a trace to a message without other headers.
pub(super) fn with_trace(properties: BasicProperties, trace: Option<&TraceContext>) -> BasicProperties {
    let Some(trace) = trace else { return properties };
    let mut headers = FieldTable::default();
    for (name, value) in trace.headers() {
        headers.insert(name.into(), text(value));
    }
    properties.with_headers(headers)
}
