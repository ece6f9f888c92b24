//! How deep a message may nest.

use super::DecodeError;

/// Rejects nesting deeper than `max_depth`. This includes raw values that the gateway never parses.
pub(super) fn check_depth(text: &str, max_depth: usize) -> Result<(), DecodeError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max_depth {
            return Err(DecodeError::InvalidJson(format!("nests deeper than {max_depth} levels")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Envelope, ErrorCode, MAX_DEPTH, Outline, ServerMessage, Verdict, decode_client, decode_server};

    #[test]
    fn reads_pages_of_data_that_is_as_deep_as_a_client_may_send_it() {
        let data = |levels: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        let command = |levels| format!(r#"{{"type":"publish","service":"s","topic":"t","data":{}}}"#, data(levels));
        assert!(decode_client(&command(MAX_DEPTH - 1)).is_ok());
        assert_eq!(decode_client(&command(MAX_DEPTH)).unwrap_err().error.code(), ErrorCode::InvalidJson);
        let page = |levels| {
            let event = r#""service":"s","topic":"t","offset":1,"publishedAt":"2026-01-31T12:00:00.000Z""#;
            format!(
                r#"{{"type":"topic_history","service":"s","topic":"t","epoch":"e","hasMore":false,"events":[{{{event},"data":{}}}]}}"#,
                data(levels)
            )
        };
        let sent = page(MAX_DEPTH - 1);
        let Ok(Envelope { message: ServerMessage::TopicHistory(history), .. }) = decode_server(&sent) else {
            panic!("{:?}", decode_server(&sent));
        };
        assert_eq!(history.events.len(), 1);
        assert_eq!(Outline::of_server(&sent).unwrap().verdict(), &Verdict::Known);
        assert!(decode_server(&page(MAX_DEPTH)).is_err());
        assert!(Outline::of_server(&page(MAX_DEPTH)).is_err());
        // The core of the SDKs refuses a command that the gateway would refuse.
        let fields = |levels| format!(r#"{{"service":"s","topic":"t","data":{}}}"#, data(levels));
        assert!(Outline::of_command("publish", &fields(MAX_DEPTH - 1)).is_ok());
        assert!(Outline::of_command("publish", &fields(MAX_DEPTH)).is_err());
    }
}
