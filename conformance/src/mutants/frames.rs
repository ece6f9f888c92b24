//! Mutants of messages: a client that sends or reads something else.

use serde_json::{Value, json};

use super::{Alter, Change, Fate, Mutant};

pub(super) const ALL: &[Mutant] = &[
    sent("keeps-token", "always sends its first token", |memory, message| {
        if message["type"] == "authenticate" {
            message["token"] = memory.kept.get_or_insert_with(|| message["token"].clone()).clone();
        }
        Fate::Pass
    }),
    sent("nameless", "does not tell its name and instance", |_, message| remove(message, "client")),
    sent("new-instance", "makes another instance for each connection", |memory, message| {
        if message["type"] == "authenticate" {
            memory.count += 1;
            message["client"]["instance"] = json!(format!("instance-{}", memory.count));
        }
        Fate::Pass
    }),
    sent("no-device", "does not tell its device", |_, message| remove(message, "deviceId")),
    sent("no-recovery", "subscribes again without its position", |_, message| remove(message, "recover")),
    sent("stale-recovery", "subscribes again from the beginning", |_, message| {
        if message["recover"].is_object() {
            message["recover"]["offset"] = json!(0);
        }
        Fate::Pass
    }),
    sent("no-history", "does not ask for past entries", |_, message| remove(message, "history")),
    sent("no-resubscription", "does not subscribe again", |memory, message| {
        let subscribes = message["type"].as_str().is_some_and(|name| name.starts_with("subscribe"));
        memory.count += u64::from(message["type"] == "authenticate");
        lose(subscribes && memory.count > 1)
    }),
    sent("no-unsubscribe", "does not unsubscribe", |_, message| {
        lose(message["type"].as_str().is_some_and(|name| name.starts_with("unsubscribe")))
    }),
    sent("new-message-id", "sends a repeat as a new message", |memory, message| {
        if message.get("clientMessageId").is_some() {
            memory.count += 1;
            message["clientMessageId"] = json!(format!("other-{}", memory.count));
        }
        Fate::Pass
    }),
    sent("no-repeat", "does not repeat what a lost connection may have lost", |memory, message| {
        let repeats = ["chat", "publish", "notification_ack", "chat_history", "presence"];
        memory.count += u64::from(message["type"] == "authenticate");
        lose(memory.count > 1 && repeats.iter().any(|name| message["type"] == *name))
    }),
    sent("sends-twice", "sends commands twice", |_, message| {
        if message["type"] == "authenticate" || message["type"] == "ping" { Fate::Pass } else { Fate::Twice }
    }),
    sent("never-pings", "does not check a silent connection", |_, message| lose(message["type"] == "ping")),
    sent("alters-fields", "adds a field to what it sends", |_, message| {
        if message["type"] != "authenticate" {
            message["data"] = json!({"altered": true});
        }
        Fate::Pass
    }),
    sent("no-ack", "does not acknowledge", |_, message| lose(message["type"] == "notification_ack")),
    sent("waits-for-nothing", "loses what it sends after authenticating", |_, message| {
        lose(message["type"] != "authenticate" && message["type"] != "ping")
    }),
    received("deaf-to-errors", "does not read errors", |_, message| lose(message["type"] == "error")),
    received("deaf-to-hints", "ignores that the node will close", |_, message| lose(message["type"] == "reconnect")),
    received("deaf-to-resets", "ignores that a subscription was reset or ended", |_, message| {
        lose(message["type"] == "subscription_reset" || message["type"] == "subscription_ended")
    }),
    received("ignores-new-words", "does not read messages of a later version", |_, message| {
        lose(message["type"].as_str().is_some_and(|name| name.starts_with("later")))
    }),
    received("ignores-wait", "does not wait as long as the gateway asks", |_, message| remove(message, "retryAfterMs")),
    received("believes-offsets", "takes any number for an offset", |_, message| {
        let is_wrong =
            message.get("offset").is_some_and(|offset| !(1..1 << 53).contains(&offset.as_u64().unwrap_or(0)));
        if is_wrong {
            message["offset"] = json!((1_u64 << 53) - 1);
        }
        Fate::Pass
    }),
    received("wait-overflows", "does not wait at all where the gateway asks for a huge wait", |_, message| {
        if message["retryAfterMs"].as_u64().is_some_and(|wait| wait > 1 << 53) {
            message["retryAfterMs"] = json!(0);
        }
        Fate::Pass
    }),
    received("takes-one-reply", "reads only the first reply", |memory, message| {
        memory.count += u64::from(message.get("requestId").is_some());
        // The first one is the greeting.
        lose(message.get("requestId").is_some() && memory.count > 2)
    }),
];

const fn sent(name: &'static str, about: &'static str, alter: Alter) -> Mutant {
    Mutant { name, about, change: Change::Sent(alter) }
}

const fn received(name: &'static str, about: &'static str, alter: Alter) -> Mutant {
    Mutant { name, about, change: Change::Received(alter) }
}

fn lose(lost: bool) -> Fate {
    if lost { Fate::Lose } else { Fate::Pass }
}

fn remove(message: &mut Value, member: &str) -> Fate {
    if let Some(members) = message.as_object_mut() {
        members.remove(member);
    }
    Fate::Pass
}
