//! Mutants of the lines of an adapter: a client that reports something else than what happened.

use serde_json::{Value, json};

use super::{Alter, Change, Fate, Memory, Mutant};

pub(super) const ALL: &[Mutant] = &[
    line("swaps-items", "gives the first two items of a stream in the wrong order", |memory, line| {
        memory.count += u64::from(is(line, "item"));
        if is(line, "item") && memory.count == 1 { Fate::Late } else { Fate::Pass }
    }),
    line("loses-item", "loses the second item of a stream", |memory, line| {
        nth(memory, is(line, "item"), 2, Fate::Lose)
    }),
    line("loses-first-item", "loses the first item of a stream", |memory, line| {
        nth(memory, is(line, "item"), 1, Fate::Lose)
    }),
    line("repeats-item", "gives the first item of a stream twice", |memory, line| {
        nth(memory, is(line, "item"), 1, Fate::Twice)
    }),
    line("hides-gaps", "does not tell the app that entries are missing", |_, line| {
        lose(is(line, "item") && line["item"]["type"] == "gap")
    }),
    line("hides-positions", "does not tell the position of items", |_, line| {
        if let Some(members) = line.as_object_mut() {
            members.remove("position");
            if let Some(value) = members.get_mut("value").and_then(Value::as_object_mut) {
                value.remove("offset");
            }
        }
        Fate::Pass
    }),
    line("alters-items", "changes what is in an item", |_, line| {
        if is(line, "item") {
            line["item"]["type"] = json!("altered");
        }
        Fate::Pass
    }),
    line("hides-end", "does not tell that a stream has ended", |_, line| lose(is(line, "end"))),
    line("ends-without-error", "ends a stream as if the app had left it", |_, line| {
        if let Some(members) = line.as_object_mut().filter(|members| members.get("event") == Some(&json!("end"))) {
            members.remove("error");
        }
        Fate::Pass
    }),
    line("claims-success", "reports success for a call that failed", |_, line| {
        if let Some(members) = line.as_object_mut().filter(|members| members.contains_key("id")) {
            members.remove("error");
        }
        Fate::Pass
    }),
    line("claims-refusal", "reports that a call had no effect, which it does not know", |_, line| {
        set_error(line, "outcome", json!("refused"))
    }),
    line("claims-not-sent", "reports that a call was not sent", |_, line| {
        set_error(line, "outcome", json!("not_sent"))
    }),
    line("wrong-code", "reports another code of an error", |_, line| set_error(line, "code", json!("failed"))),
    line("never-retryable", "reports that a repeat is useless", |_, line| set_error(line, "retryable", json!(false))),
    line("loses-reply", "drops the value of a reply", |_, line| {
        if let Some(members) = line.as_object_mut() {
            members.remove("value");
        }
        Fate::Pass
    }),
    line("wrong-state", "stays `connecting`", |_, line| {
        if is(line, "state") {
            line["status"] = json!("connecting");
        }
        Fate::Pass
    }),
    line("wrong-pending", "counts one notification too many", |_, line| {
        if is(line, "pending") {
            line["count"] = json!(line["count"].as_u64().unwrap_or(0) + 1);
        }
        Fate::Pass
    }),
    line("asks-once", "asks for a token only once", |memory, line| {
        memory.count += u64::from(is(line, "token"));
        lose(is(line, "token") && memory.count > 1)
    }),
    line("asks-again", "asks for a token again, whatever the provider has said", |_, line| {
        if is(line, "token") { Fate::Twice } else { Fate::Pass }
    }),
    line("never-done", "never returns from a call", |_, line| {
        lose(is(line, "done") && line["id"].as_u64().is_some_and(|id| id < 1_000))
    }),
];

const fn line(name: &'static str, about: &'static str, alter: Alter) -> Mutant {
    Mutant { name, about, change: Change::Line(alter) }
}

fn is(line: &Value, event: &str) -> bool {
    line["event"] == event
}

fn lose(lost: bool) -> Fate {
    if lost { Fate::Lose } else { Fate::Pass }
}

fn nth(memory: &mut Memory, counts: bool, number: u64, fate: Fate) -> Fate {
    memory.count += u64::from(counts);
    if counts && memory.count == number { fate } else { Fate::Pass }
}

fn set_error(line: &mut Value, member: &str, value: Value) -> Fate {
    if line["error"].is_object() && !is(line, "state") {
        line["error"][member] = value;
    }
    Fate::Pass
}
