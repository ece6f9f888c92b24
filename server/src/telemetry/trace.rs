//! The trace that a task works for: read from a request or an event, and passed on with what the task sends. Log lines of
//! the task have its id.

use futures_util::future::Either;
use http::HeaderMap;
use realtime_gateway_protocol::{TRACEPARENT, TRACESTATE, TraceContext};
use tracing::Instrument as _;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Returns the trace of the running task, if it works for one.
pub(crate) fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Returns a future that works for a trace. `None` leaves it as it is.
pub(crate) fn in_trace<F: Future>(trace: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    let Some(trace) = trace else { return Either::Left(work) };
    // The level of the span is that of the rarest lines, so that no `log.level` hides the id.
    let span = tracing::error_span!("trace", trace_id = trace.trace_id());
    // In the heap, because few requests belong to a trace, and every task would have the space for this future.
    Either::Right(Box::pin(CURRENT.scope(trace, work).instrument(span)))
}

/// Lets a future that will run in a task of its own work for the trace of the running task, if there is one.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    in_trace(current(), work)
}

/// Returns the trace that a request belongs to. Without a valid `traceparent`, or with several, there is none.
pub(crate) fn of_headers(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all(TRACESTATE).iter().map(|state| state.to_str().unwrap_or("?"));
    TraceContext::parse(parent, states)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|(name, value)| {
            headers.append(*name, value.parse().unwrap());
        });
        headers
    }

    #[test]
    fn reads_one_valid_header_with_its_state() {
        let trace = of_headers(&headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]));
        assert_eq!(trace.unwrap().tracestate(), Some("a=1,b=2"));
        assert_eq!(of_headers(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])), None);
        assert_eq!(of_headers(&headers(&[("tracestate", "a=1")])), None);
        let invalid = of_headers(&headers(&[("traceparent", PARENT), ("tracestate", "a=\u{e9}")])).unwrap();
        assert_eq!(invalid.tracestate(), None, "an invalid state does not end the trace");
    }

    #[tokio::test]
    async fn follows_the_work_into_another_task() {
        assert_eq!(current(), None);
        let trace = TraceContext::parse(PARENT, []).unwrap();
        // In a tuple, because it is awaited outside.
        let (carried,) = in_trace(Some(trace.clone()), async { (carried(async { current() }),) }).await;
        assert_eq!(carried.await, Some(trace));
        assert_eq!(super::carried(async { current() }).await, None);
    }
}
