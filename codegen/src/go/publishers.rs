//! Writes handles for backends: structs with a method that publishes to each kind of topics over HTTP, without the core of the
//! SDK.

use super::{
    Emitter, LANGUAGE, PUBLISH,
    format::literal,
    handles::{TopicName, method, topic_name},
    names::exported,
};
use crate::{
    CodegenError,
    generator::Options,
    model::{Service, Topic},
    names::Scope,
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model).filter(|service| !service.topics.is_empty()) {
        emitter.imports.extend(["context", PUBLISH]);
        let position = format!("{}: service `{}`", service.file, service.name);
        let handle = format!("{}Publisher", exported(&service.name));
        emitter.scope.add(&handle, &position)?;
        emitter.scope.add(&format!("New{handle}"), &position)?;
        emitter.code.line(0, "");
        emitter.note(&format!("{handle} publishes events of the service `{}`.", service.name));
        emitter.code.line(0, &format!("type {handle} struct {{"));
        emitter.code.line(0, "\tclient *publish.Client");
        emitter.code.line(0, "}");
        method(
            emitter,
            &format!("New{handle} returns the publisher of the service `{}`.", service.name),
            &format!("New{handle}(client *publish.Client) {handle}"),
            &[format!("return {handle}{{client}}")],
        );
        let mut methods = Scope::new(LANGUAGE);
        for topic in &service.topics {
            let position = format!("{}: topic `{}`", service.file, topic.name);
            methods.add(&exported(&topic.name), &position)?;
            methods.add(&format!("{}WithID", exported(&topic.name)), &position)?;
            write_topic(emitter, service, &handle, topic)?;
        }
    }
    Ok(())
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, handle: &str, topic: &Topic) -> Result<(), CodegenError> {
    let (name, event) = (exported(&topic.name), emitter.name(topic.event).to_owned());
    let failed = if topic.keeps_history { "nil, err" } else { "err" };
    let TopicName { parameters, mut lines, value } = topic_name(service, topic, failed)?;
    let request = "publish.PublishEvent{ID: id, Data: data}";
    let call = format!("service.client.PublishEvent(ctx, {}, {value}, {request})", literal(&service.name));
    let result = if topic.keeps_history {
        lines.push(format!("return {call}"));
        "(*publish.MessageAccepted, error)"
    } else {
        lines.extend([format!("_, err {} {call}", if lines.is_empty() { ":=" } else { "=" }), "return err".to_owned()]);
        "error"
    };
    let (list, names) = if parameters.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("{} string, ", parameters.join(", ")), format!("{}, ", parameters.join(", ")))
    };
    let repeated = if topic.keeps_history {
        "A repeat with the same id is stored once."
    } else {
        "A repeat with the same id is sent again."
    };
    method(
        emitter,
        &format!("{name} publishes an event to the topic `{}`.", topic.pattern),
        &format!("(service {handle}) {name}(ctx context.Context, {list}data {event}) {result}"),
        &[format!("return service.{name}WithID(ctx, \"\", {names}data)")],
    );
    method(
        emitter,
        &format!("{name}WithID is like {name} with an id of the event, which is made if it is empty. {repeated}"),
        &format!("(service {handle}) {name}WithID(ctx context.Context, id string, {list}data {event}) {result}"),
        &lines,
    );
    Ok(())
}
