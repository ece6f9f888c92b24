//! Writes handles for backends: classes with a method that publishes to each kind of topics over HTTP, for asyncio and for threads,
//! without the core of the SDK.

use super::{
    Emitter, LANGUAGE,
    handles::{TopicName, method, topic_name},
    literal, reserved,
};
use crate::{
    CodegenError,
    generator::Options,
    model::{Service, Topic, Type},
    names::{Scope, pascal},
};

/// The two handles of a service: the end of the name, the client, and the words before a method and before its call.
const HANDLES: [(&str, &str, &str, &str); 2] =
    [("Publisher", "publish.Client", "async ", "await "), ("SyncPublisher", "publish.SyncClient", "", "")];

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model).filter(|service| !service.topics.is_empty()) {
        let position = format!("{}: service `{}`", service.file, service.name);
        let mut methods = Scope::new(LANGUAGE);
        for topic in &service.topics {
            methods.add(&method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        }
        for (end, client, before, call) in HANDLES {
            let handle = format!("{}{end}", pascal(&service.name));
            emitter.scope.add(&handle, &position)?;
            emitter.begin();
            emitter.code.line(0, &format!("class {handle}:"));
            emitter.note(4, &format!("Publishes events of the service `{}`.", service.name));
            emitter.code.line(0, "");
            emitter.code.line(4, &format!("def __init__(self, client: {client}) -> None:"));
            emitter.code.line(8, "self._client = client");
            for topic in &service.topics {
                write_topic(emitter, service, topic, before, call)?;
            }
        }
    }
    Ok(())
}

fn write_topic(
    emitter: &mut Emitter<'_>,
    service: &Service,
    topic: &Topic,
    before: &str,
    call: &str,
) -> Result<(), CodegenError> {
    let TopicName { parameters, lines } = topic_name(service, topic, &reserved::OF_PUBLISHERS)?;
    let event = Type::Named(topic.event);
    let written = emitter.written(&event);
    let result = if topic.keeps_history { "publish.MessageAccepted" } else { "None" };
    let names: String = parameters.iter().map(|name| format!("{name}: str, ")).collect();
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("{before}def {}(", method(&topic.name)));
    emitter.code.line(8, &format!("self, {names}data: {written}, *, event_id: str | None = None"));
    emitter.code.line(4, &format!(") -> {result}:"));
    let repeated = if topic.keeps_history { "stored once" } else { "sent again" };
    let mut about = format!("Publishes an event to the topic `{}`.", topic.pattern);
    if !parameters.is_empty() {
        about.push_str(" Raises ValueError when no topic of the pattern has these values.");
    }
    let id = format!("Without `event_id` it makes one. A repeat with the same id is {repeated}.");
    emitter.docstring(8, &crate::model::Notes::default(), &[about, id]);
    lines.iter().for_each(|line| emitter.code.line(8, line));
    let body = format!("publish.PublishEvent(data={}, id=event_id)", emitter.encoded(&event, "data"));
    emitter.code.line(8, &format!("body = {body}"));
    let sent = format!("{call}self._client.publish_event({}, topic, body)", literal(&service.name));
    if topic.keeps_history {
        emitter.code.line(8, &format!("answer = {sent}"));
        emitter.code.line(8, "return codec.expected(publish.MessageAccepted, answer)");
    } else {
        emitter.code.line(8, &sent);
    }
    Ok(())
}
