//! Each kind of change, made to the documents of this version: whether it is found, named and distinguished from what breaks
//! no program.

use serde_json::{Value, json};

use super::{Direction::*, *};
use crate::backend::{Flow, backend_schema};

/// The client's document after a change of the message of this type.
fn changed(document: &Value, word: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = document.clone();
    let messages = document["oneOf"].as_array_mut().unwrap();
    change(messages.iter_mut().find(|message| message["properties"]["type"]["const"] == word).unwrap());
    document
}

/// The breaking changes from one document to another, and the others.
fn found(old: &Value, new: &Value, direction: Direction) -> (Vec<String>, Vec<String>) {
    let (breaking, others): (Vec<_>, Vec<_>) =
        compare(old, new, direction).into_iter().partition(|change| change.is_breaking);
    let texts = |changes: Vec<Change>| changes.iter().map(Change::to_string).collect();
    (texts(breaking), texts(others))
}

/// What is found in the client's document after a change of one command.
fn in_command(word: &str, change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
    let document = crate::client_schema();
    found(&document, &changed(&document, word, change), ToGateway)
}

/// What is found in the server's document after a change of one message.
fn in_message(word: &str, change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
    let document = crate::server_schema();
    found(&document, &changed(&document, word, change), FromGateway)
}

fn remove(schema: &mut Value, name: &str) {
    schema.as_object_mut().unwrap().remove(name).unwrap();
}

fn breaking(text: &str) -> (Vec<String>, Vec<String>) {
    (vec![text.to_owned()], Vec::new())
}

fn compatible(text: &str) -> (Vec<String>, Vec<String>) {
    (Vec::new(), vec![text.to_owned()])
}

#[test]
fn finds_no_difference_between_equal_documents() {
    for document in [crate::client_schema(), crate::server_schema(), backend_schema(Flow::Inbound)] {
        assert_eq!(compare(&document, &document, ToGateway), []);
    }
}

#[test]
fn removed_message_is_breaking_and_added_message_is_not() {
    for (document, direction) in [(crate::client_schema(), ToGateway), (crate::server_schema(), FromGateway)] {
        let mut fewer = document.clone();
        fewer["oneOf"].as_array_mut().unwrap().retain(|message| message["properties"]["type"]["const"] != "chat");
        assert_eq!(found(&document, &fewer, direction), breaking("chat: the message was removed"));
        assert_eq!(found(&fewer, &document, direction), compatible("chat: the message was added"));
    }
}

#[test]
fn removed_field_is_breaking_in_both_directions() {
    let expected = breaking("chat.data: the field was removed");
    assert_eq!(in_command("chat", |chat| remove(&mut chat["properties"], "data")), expected);
    assert_eq!(in_message("chat", |chat| remove(&mut chat["properties"], "data")), expected);
}

#[test]
fn added_optional_field_is_compatible() {
    let add = |chat: &mut Value| chat["properties"]["mood"] = json!({ "type": "string" });
    assert_eq!(in_command("chat", add), compatible("chat.mood: the field was added"));
    assert_eq!(in_message("chat", add), compatible("chat.mood: the field was added"));
}

#[test]
fn newly_required_field_is_breaking_in_commands_only() {
    let add = |message: &mut Value| {
        message["properties"]["mood"] = json!({ "type": "string" });
        message["required"].as_array_mut().unwrap().push(json!("mood"));
    };
    assert_eq!(in_command("chat", add), breaking("chat.mood: the field was added and is required"));
    assert_eq!(in_message("chat", add), compatible("chat.mood: the field was added and is required"));
    let require = |message: &mut Value| message["required"].as_array_mut().unwrap().push(json!("clientMessageId"));
    assert_eq!(in_command("chat", require), breaking("chat.clientMessageId: the field is now required"));
    assert_eq!(in_message("chat", require), compatible("chat.clientMessageId: the field is now required"));
}

#[test]
fn field_that_may_now_be_absent_is_breaking_in_what_the_gateway_sends() {
    let relax = |message: &mut Value| message["required"].as_array_mut().unwrap().retain(|name| name != "content");
    assert_eq!(in_command("chat", relax), compatible("chat.content: the field may now be absent"));
    assert_eq!(in_message("chat", relax), breaking("chat.content: the field may now be absent"));
}

#[test]
fn narrowed_bound_is_breaking_in_commands_and_widened_bound_in_what_the_gateway_sends() {
    let set = |keyword: &'static str, value: u64| {
        move |chat: &mut Value| chat["properties"]["content"][keyword] = json!(value)
    };
    assert_eq!(
        in_command("chat", set("maxLength", 2000)),
        breaking("chat.content: `maxLength` went from 4000 to 2000")
    );
    assert_eq!(in_command("chat", set("minLength", 2)), breaking("chat.content: `minLength` went from 1 to 2"));
    assert_eq!(
        in_command("chat", set("maxLength", 8000)),
        compatible("chat.content: `maxLength` went from 4000 to 8000")
    );
    assert_eq!(
        in_message("chat", set("maxLength", 8000)),
        breaking("chat.content: `maxLength` went from 4000 to 8000")
    );
    let new = in_command("authenticate", |message| message["properties"]["token"]["maxLength"] = json!(9));
    assert_eq!(new, breaking("authenticate.token: `maxLength` went from none to 9"));
}

#[test]
fn changed_type_is_breaking() {
    let change = |chat: &mut Value| chat["properties"]["isTyping"]["type"] = json!("string");
    assert_eq!(in_command("typing", change), breaking("typing.isTyping: the type went from boolean to string"));
    assert_eq!(in_message("typing", change), breaking("typing.isTyping: the type went from boolean to string"));
}

#[test]
fn removed_code_is_breaking_and_added_code_is_not() {
    let change = |list: fn(&mut Vec<Value>)| {
        move |error: &mut Value| list(error["properties"]["code"]["examples"].as_array_mut().unwrap())
    };
    let removed = in_message("error", change(|codes| codes.retain(|code| code != "conflict")));
    assert_eq!(removed, breaking("error.code: `conflict` was removed"));
    let added = in_message("error", change(|codes| codes.push(json!("later"))));
    assert_eq!(added, compatible("error.code: `later` was added"));
}

#[test]
fn removed_word_of_a_closed_enumeration_is_breaking() {
    let removed = in_command("chat", |chat| {
        chat["properties"]["messageType"]["enum"].as_array_mut().unwrap().retain(|word| word != "FILE");
    });
    assert_eq!(removed, breaking("chat.messageType: `FILE` was removed"));
    let closed = in_message("chat", |chat| chat["properties"]["content"]["enum"] = json!(["hello"]));
    assert_eq!(closed, breaking("chat.content: `enum` is different"));
}

#[test]
fn changed_default_and_unknown_constraints_are_breaking() {
    let default = in_command("chat_history", |message| message["properties"]["limit"]["default"] = json!(20));
    assert_eq!(default, breaking("chat_history.limit: the default went from 50 to 20"));
    let pattern = in_command("chat", |chat| chat["properties"]["clanId"]["pattern"] = json!("^x$"));
    assert_eq!(pattern, breaking("chat.clanId: `pattern` is different"));
    let choice = in_command("notification_ack", |message| remove(message, "anyOf"));
    assert_eq!(choice, breaking("notification_ack: `anyOf` is different"));
}

#[test]
fn fields_of_objects_and_list_elements_are_compared() {
    let deep = in_message("presence", |message| {
        remove(&mut message["properties"]["users"]["items"]["properties"], "sessions");
    });
    assert_eq!(deep, breaking("presence.users[].sessions: the field was removed"));
    let object = in_command("authenticate", |message| {
        message["properties"]["client"]["properties"]["attempt"]["minimum"] = json!(1);
    });
    assert_eq!(object, breaking("authenticate.client.attempt: `minimum` went from 0 to 1"));
}

#[test]
fn definitions_are_followed_and_routing_keys_compared() {
    let document = backend_schema(Flow::Inbound);
    let mut new = document.clone();
    remove(&mut new["$defs"]["NewNotification"]["properties"], "ttlSeconds");
    new["$defs"]["BlockUser"]["x-routing-key"] = json!("control.ban.{userId}");
    let (breaking, others) = found(&document, &new, ToGateway);
    assert_eq!(
        breaking,
        ["NewNotification.ttlSeconds: the field was removed", "BlockUser: `x-routing-key` is different"]
    );
    assert_eq!(others, [""; 0]);
}

#[test]
fn descriptions_are_no_difference() {
    let (breaking, others) = in_command("chat", |chat| {
        chat["description"] = json!("other words");
        chat["properties"]["content"]["description"] = json!("other words");
    });
    assert_eq!((breaking, others), (Vec::new(), Vec::new()));
}

#[test]
fn schema_that_refers_to_itself_is_compared_to_a_bounded_depth() {
    let document = json!({ "title": "Tree", "properties": { "child": { "$ref": "#" } } });
    let mut new = document.clone();
    new["type"] = json!("object");
    assert_eq!(compare(&document, &new, ToGateway)[0].path, "Tree");
}
