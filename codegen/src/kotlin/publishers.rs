//! Writes handles for backends: classes with a method that publishes to each kind of topics over HTTP, as suspending functions and as
//! futures, without the core of the SDK.

use super::{
    Emitter, LANGUAGE,
    handles::{Style, TopicName, gap, topic_name},
    literal, reserved,
};
use crate::{
    CodegenError,
    generator::Options,
    model::{Service, Topic},
    names::{Scope, pascal},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model).filter(|service| !service.topics.is_empty()) {
        let position = format!("{}: service `{}`", service.file, service.name);
        for style in Style::ALL {
            let handle = format!("{}{}Publisher", pascal(&service.name), style.prefix());
            emitter.scope.add(&handle, &position)?;
            emitter.code.gap();
            emitter.note(0, &format!("Publishes events of the service `{}`{}.", service.name, style.note()));
            let client = format!("{}PublishClient", style.prefix());
            emitter.code.line(0, &format!("public class {handle}(private val client: {client}) {{"));
            let (mut methods, mut is_first) = (Scope::new(LANGUAGE), true);
            for topic in &service.topics {
                methods.add(&style.method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
                gap(emitter, &mut is_first);
                write_topic(emitter, service, topic, style)?;
            }
            emitter.code.line(0, "}");
        }
    }
    Ok(())
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic, style: Style) -> Result<(), CodegenError> {
    let TopicName { parameters, first, values } = topic_name(service, topic, &reserved::OF_PUBLISHERS)?;
    let event = emitter.name(topic.event).to_owned();
    let repeated = if topic.keeps_history { "stored once" } else { "sent again" };
    let mut about = vec![
        format!("Publishes an event to the topic `{}`.", topic.pattern),
        format!("Without [eventId] it makes one. A repeat with the same id is {repeated}."),
    ];
    if !parameters.is_empty() {
        about.push("Fails with `GatewayException.Invalid` if no topic of the pattern has these values.".to_owned());
    }
    emitter.comment(4, &crate::model::Notes::default(), &about);
    let result = match (style, topic.keeps_history) {
        (_, true) => style.later("MessageAccepted"),
        (Style::Java, false) => style.later("Void"),
        (Style::Kotlin, false) => "Unit".to_owned(),
    };
    style.overloads(emitter);
    emitter.code.line(4, &format!("public {} {}(", style.function(), style.method(&topic.name)));
    parameters.iter().for_each(|name| emitter.code.line(8, &format!("{name}: String,")));
    emitter.code.line(8, &format!("data: {event},"));
    emitter.code.line(8, "eventId: String? = null,");
    let function = if topic.keeps_history { "publishStored" } else { "publishSent" };
    emitter.code.line(4, &format!("): {result} = client.{function}("));
    emitter.code.line(8, &format!("{},", literal(&service.name)));
    let name = format!("{first}{}", values.concat());
    let content = format!("eventOf(serializer<{event}>(), data, eventId)");
    for argument in [name, content] {
        // A future has the error about a value, too.
        let argument = if style == Style::Java { format!("{{ {argument} }}") } else { argument };
        emitter.code.line(8, &format!("{argument},"));
    }
    emitter.code.line(4, ")");
    Ok(())
}
