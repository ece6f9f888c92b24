//! Compares a publication to a declared topic, whose schema has ten fields, with a chat message of the same length on
//! the same node.

use std::fs;

use super::{
    client::Client,
    frames::text,
    generator::Usage as _,
    server::{Gateway, Programs, Server},
    statistics::median,
    table::Row,
    token::token,
};

/// Rounds of each kind, which alternate, so that a change of the machine's speed concerns both.
const ROUNDS: usize = 5;
/// Publishers, each alone in its topic: what a delivery to further subscribers costs is the same for both.
const PUBLISHERS: usize = 100;
/// Publications of a publisher in a round.
const EACH: u64 = 100;
/// Publications that a publisher sends before it reads their confirmations.
const BATCH: u64 = 10;

/// The contract `forms`.
const CONTRACT: &str = r#"
name = "forms"
schema = "forms.schema.json"

[topics.form]
pattern = "form-{formId}"
event = "Form"
publish = "Form"
"#;

/// An object of ten fields, with the bounds that such schemas usually have.
const SCHEMA: &str = r##"{"$defs": {"Form": {
    "type": "object",
    "required": ["type", "id", "title", "status", "quantity", "priceCents", "urgent", "tags", "owner", "createdAt"],
    "properties": {
        "type": { "const": "form" },
        "id": { "type": "string", "pattern": "^[a-z0-9-]{1,36}$" },
        "title": { "type": "string", "minLength": 1, "maxLength": 100 },
        "status": { "enum": ["draft", "sent", "accepted", "refused"] },
        "quantity": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 1000 },
        "priceCents": { "type": "integer", "minimum": 0 },
        "urgent": { "type": "boolean" },
        "tags": { "type": "array", "maxItems": 10, "items": { "type": "string", "maxLength": 20 } },
        "owner": { "$ref": "#/$defs/Owner" },
        "createdAt": { "type": "string", "format": "date-time" }
    }
}, "Owner": { "type": "object", "required": ["userId"], "properties": { "userId": { "type": "string" } } }}}"##;

/// What is published: 249 bytes.
const FORM: &str = r#"{"type":"form","id":"b0f3c1de-77aa","title":"Twelve chairs for the meeting room","status":"sent","quantity":12,"priceCents":118800,"urgent":false,"tags":["office","furniture"],"owner":{"userId":"user-17"},"createdAt":"2026-11-30T12:00:00.000Z"}"#;

/// Measures the node's CPU for each publication.
pub(crate) async fn run(programs: &Programs) -> Row {
    let section = "[services.forms]\ncontract = \"forms.service.toml\"\n";
    let gateway = Gateway::new().services(section, |folder| {
        fs::write(folder.join("forms.service.toml"), CONTRACT).unwrap();
        fs::write(folder.join("forms.schema.json"), SCHEMA).unwrap();
    });
    let server = gateway.start(programs);
    let mut publishers = Vec::with_capacity(PUBLISHERS);
    for n in 0..PUBLISHERS {
        let mut client = Client::subscribed(&server, &token(&format!("user{n}")), &format!("room{n}")).await;
        client.subscribe_topic("forms", &format!("form-{n}")).await;
        publishers.push(client);
    }
    let form: Vec<_> = (0..PUBLISHERS)
        .map(|n| text(&format!(r#"{{"type":"publish","service":"forms","topic":"form-{n}","data":{FORM}}}"#)))
        .collect();
    let chat: Vec<_> = publishers.iter().zip(&form).map(|(client, form)| client.frame_of_length(form.len())).collect();

    // The first round of each warms up, and is not counted.
    let (mut topics, mut clans) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        clans.push(round(&server, &mut publishers, &chat).await);
        topics.push(round(&server, &mut publishers, &form).await);
    }
    let (topic, clan) = (median(topics.split_off(1)), median(clans.split_off(1)));
    Row {
        name: "declared topic",
        ours: format!("{topic:.2} µs"),
        baseline: format!("{clan:.2} µs"),
        ratio: format!("{:.2}", topic / clan),
        notes: "CPU for each publication with ten validated fields, compared with a chat message as long".into(),
    }
}

/// Sends each publisher's frame many times, and returns the node's CPU for each of them, in microseconds.
async fn round(server: &Server, publishers: &mut [Client], frames: &[Vec<u8>]) -> f64 {
    let before = server.cpu();
    let each = publishers.iter_mut().zip(frames).map(|(publisher, frame)| async move {
        let batch = frame.repeat(usize::try_from(BATCH).unwrap());
        for _ in 0..EACH / BATCH {
            publisher.send(&batch).await;
            // Each is confirmed, and delivered to its publisher, which is subscribed.
            publisher.receive(2 * BATCH).await;
        }
    });
    futures_util::future::join_all(each).await;
    let publications = EACH as f64 * publishers.len() as f64;
    (server.cpu() - before).as_secs_f64() * 1e6 / publications
}
