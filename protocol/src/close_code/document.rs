//! The table of close codes as JSON, for generators of clients and for the comparison with the last release.

use serde_json::{Map, Value, json};

use super::{CloseCode, Reconnect};

/// What the document says about itself.
const DESCRIPTION: &str = "The WebSocket close codes that the gateway sends or a client may see. `reconnect` says whether \
                           a client connects again automatically: `immediately` with jitter, with exponential `backoff`, \
                           `after` the time in `reconnectAfterMs` or the `retryAfterMs` of the error before the close, only \
                           `with_new_token`, or `never`. The first of `ranges` that contains a code applies to a code that \
                           is not in `codes`.";

/// Returns the document of all close codes: the name, the meaning and the reconnect advice of each, and the advice for
/// codes that a client does not know.
pub fn close_code_document() -> Value {
    let ranges = CloseCode::RANGES.iter().map(
        |(range, reconnect)| json!({ "first": range.start(), "last": range.end(), "reconnect": reconnect.as_str() }),
    );
    json!({
        "$comment": crate::export::NOTICE,
        "title": "CloseCodes",
        "description": DESCRIPTION,
        "codes": properties(),
        "ranges": ranges.collect::<Vec<_>>(),
    })
}

/// Returns the properties of each close code by its number.
pub(crate) fn properties() -> Map<String, Value> {
    let properties = |(code, name, meaning): &(CloseCode, &str, &str)| {
        let reconnect = code.reconnect();
        let mut properties = json!({ "name": name, "meaning": meaning.trim(), "reconnect": reconnect.as_str() });
        if let (Reconnect::After(wait), Some(properties)) = (reconnect, properties.as_object_mut()) {
            properties.insert("reconnectAfterMs".to_owned(), json!(wait.as_millis()));
        }
        (code.to_string(), properties)
    };
    CloseCode::KNOWN.iter().map(properties).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_name_meaning_and_reconnect_advice_of_each_code() {
        let document = close_code_document();
        assert_eq!(document["codes"].as_object().unwrap().len(), CloseCode::KNOWN.len());
        assert_eq!(
            document["codes"]["1013"],
            json!({
                "name": "TRY_AGAIN_LATER",
                "meaning": "The node is full, or cannot authenticate or admit the client at the moment.",
                "reconnect": "backoff",
            })
        );
        assert_eq!(document["codes"]["4401"]["reconnect"], "with_new_token");
        assert_eq!(document["codes"]["4423"]["reconnect"], "after");
        assert_eq!(document["codes"]["4423"]["reconnectAfterMs"], 5_000);
        assert_eq!(document["ranges"][0], json!({ "first": 4400, "last": 4499, "reconnect": "never" }));
    }
}
