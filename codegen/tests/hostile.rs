//! The generated Rust of a contract with difficult names compiles, and reads and writes JSON.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// The generated code.
#[allow(
    clippy::all,
    dead_code,
    unreachable_pub,
    reason = "the names are those of a contract; the tests do not use all"
)]
mod gateway_gen {
    include!("golden/hostile/gateway_gen.rs");
}

/// The generated code of two contracts, without calls: it needs nothing that the SDK does not have.
#[allow(dead_code, unreachable_pub, reason = "the tests do not use every type, and no other crate does")]
mod without_calls {
    include!("golden/without_calls/gateway_gen.rs");
}

use gateway_gen::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn assert_round_trip<T: DeserializeOwned + Serialize>(text: &str) {
    let value: T = serde_json::from_str(text).unwrap();
    let written: Value = serde_json::to_value(&value).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(text).unwrap(), "{text}");
    // The types are also read from a value that is in memory.
    assert!(serde_json::from_value::<T>(written).is_ok());
}

#[test]
fn members_with_difficult_names_are_read_and_written() {
    assert_round_trip::<Promise>(
        r#"{"type":"a","fn":"b","self":"c","Self":"d","constructor":"e","__proto__":"f","":"g","a-b c":"h","größe":"i",
            "大小":"j","3d":true,"quote\"back\\slash\nline":"k","await":"a b","async":-9007199254740993,"crate":true,
            "super":7,"static":"always","nothing":null,"union":[1.50]}"#,
    );
    for word in ["", "Self", "Unknown", "+", "größe", "quote\"\\", "later"] {
        assert_round_trip::<Option_>(&serde_json::to_string(word).unwrap());
    }
}

#[test]
fn recursive_types_are_read_and_written() {
    assert_round_trip::<Vec_>("[[],[[[]]]]");
    assert_round_trip::<Record>(r#"{"a":{"b":{}},"c":{}}"#);
    assert_round_trip::<Box_>(
        r#"{"left":{"left":null,"maybe":null},"maybe":{"left":null,"maybe":null},"right":{"Error":{"value":1.5}}}"#,
    );
    assert_round_trip::<Deep>(r#"{"a":{"b":{"c":[[{"d":"x","e":null}],[{"e":{"up":{"a":{}}}}]]}}}"#);
    let mut nested = "null".to_owned();
    for _ in 0..50 {
        nested = format!(r#"{{"k\"ind":"nested \"quoted\"","inner":{nested}}}"#);
    }
    assert_round_trip::<Union>(&nested);
    assert_round_trip::<Union>(r#"{"k\"ind":"Self","extra":"second constant"}"#);
    assert_round_trip::<Union>(r#"{"k\"ind":"later","x":[1,{"y":null}]}"#);
}

#[test]
fn code_without_calls_needs_the_sdk_only() {
    let summary: without_calls::OrderSummary = serde_json::from_str(r#"{"orderId":"1","status":"shipped"}"#).unwrap();
    assert_eq!(summary.status, without_calls::Status::Shipped);
}
