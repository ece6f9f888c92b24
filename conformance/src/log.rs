//! The normalised log of a scenario, and its hash. Two clients that behave alike have the same one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{canonical::canonical, tokens::FIRST_ID};

/// Members that depend on the time, or are texts for people.
const VOLATILE: [&str; 3] = ["requestId", "message", "retryAfterMs"];

/// Returns the normalised log: `item` and `end` lines by client and stream, in their order; `done` lines by id; the last
/// state of each client. `commands` are those of the kit, and say which client a stream belongs to.
pub(crate) fn normalised(lines: &[Value], commands: &[Value]) -> String {
    let mut streams: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    let mut done = BTreeMap::new();
    let mut states = BTreeMap::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        match line["event"].as_str() {
            Some("item") => {
                let item = json!({
                    "event": "item", "stream": line["stream"], "item": without(&line["item"], &["requestId"]),
                    "position": line["position"],
                });
                streams.entry((client_of(commands, &line["stream"]), text("stream"))).or_default().push(item);
            }
            Some("end") => {
                let end =
                    json!({"event": "end", "stream": line["stream"], "error": without(&line["error"], &VOLATILE)});
                streams.entry((client_of(commands, &line["stream"]), text("stream"))).or_default().push(end);
            }
            Some("done") => {
                let id = line["id"].as_u64().unwrap_or_default();
                let result = json!({
                    "event": "done", "id": id, "value": without(&line["value"], &["requestId"]),
                    "error": without(&line["error"], &VOLATILE),
                });
                if id < FIRST_ID {
                    done.insert(id, result);
                }
            }
            Some("state") => {
                let state = json!({
                    "event": "state", "client": line["client"], "status": line["status"],
                    "error": without(&line["error"], &VOLATILE),
                });
                states.insert(text("client"), state);
            }
            _ => {}
        }
    }
    let mut names = Names::of(commands);
    let all = streams.into_values().flatten().chain(done.into_values()).chain(states.into_values());
    all.fold(String::new(), |mut log, mut line| {
        names.rename(&mut line);
        // Writing to memory cannot fail.
        let _ = writeln!(log, "{}", canonical(&without_nulls(&line)));
        log
    })
}

/// Returns the SHA-256 of a text, in hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn client_of(commands: &[Value], stream: &Value) -> String {
    let subscribe = commands.iter().find(|command| command["do"] == "subscribe" && command["stream"] == *stream);
    subscribe.and_then(|command| command["client"].as_str()).unwrap_or_default().to_owned()
}

fn without(value: &Value, names: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

/// Removes the members of a line that are null: they are the same as absent ones.
fn without_nulls(line: &Value) -> Value {
    let mut line = line.clone();
    if let Some(members) = line.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    line
}

/// The ids that the client has made, renamed in the order in which the log names them.
struct Names {
    /// The ids that the app has chosen.
    chosen: BTreeSet<String>,
    renamed: BTreeMap<String, String>,
}

impl Names {
    fn of(commands: &[Value]) -> Self {
        let chosen = commands.iter().filter_map(|command| command["clientMessageId"].as_str()).map(str::to_owned);
        Self { chosen: chosen.collect(), renamed: BTreeMap::new() }
    }

    fn rename(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        Some(id) if name == "clientMessageId" || name == "callId" => {
                            if !self.chosen.contains(id) {
                                let next = format!("c{}", self.renamed.len() + 1);
                                *member = self.renamed.entry(id.to_owned()).or_insert(next).clone().into();
                            }
                        }
                        _ => self.rename(member),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_for_clients_that_differ_in_times_texts_and_ids() {
        let commands = [json!({"id": 1, "do": "subscribe", "client": "a", "stream": "s"})];
        let log = |request_id: &str, id: &str, sentence: &str, wait: u64, is_late: bool| {
            let item =
                json!({"event": "item", "stream": "s", "item": {"type": "chat", "clientMessageId": id, "n": 1.0}});
            let done = json!({"event": "done", "id": 2, "value": {"clientMessageId": id, "requestId": request_id}});
            let failed = json!({
                "event": "done", "id": 3, "error": {"code": "x", "message": sentence, "retryAfterMs": wait},
            });
            let token = json!({"event": "done", "id": 1_000_001});
            let mut lines = vec![item, done, failed, token];
            if is_late {
                lines.reverse();
            }
            normalised(&lines, &commands)
        };
        let log_of_one = log("1", "3f2a", "it failed", 5, false);
        assert_eq!(log_of_one, log("17", "other", "failed", 7, true));
        assert_eq!(
            log_of_one,
            "{\"event\":\"item\",\"item\":{\"clientMessageId\":\"c1\",\"n\":1,\"type\":\"chat\"},\"stream\":\"s\"}\n\
             {\"event\":\"done\",\"id\":2,\"value\":{\"clientMessageId\":\"c1\"}}\n\
             {\"error\":{\"code\":\"x\"},\"event\":\"done\",\"id\":3}\n"
        );
    }

    #[test]
    fn keeps_the_order_of_a_stream() {
        let item = |offset: u64| json!({"event": "item", "stream": "s", "item": {"offset": offset}});
        assert_ne!(normalised(&[item(1), item(2)], &[]), normalised(&[item(2), item(1)], &[]));
    }

    #[test]
    fn hashes_by_sha_256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
