//! Writes the handles of services: classes with a method for each topic and call.

use super::{Emitter, LANGUAGE, definitions::method, literal, member, reserved};
use crate::{
    CodegenError,
    generator::Options,
    model::{Call, Presence, Service, Topic},
    names::{Scope, pascal, unreserved},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model) {
        let handle = format!("{}Service", pascal(&service.name));
        emitter.scope.add(&handle, &format!("{}: service `{}`", service.file, service.name))?;
        write_service(emitter, service, &handle, options)?;
        for topic in &service.topics {
            write_topic(emitter, service, topic)?;
        }
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", pascal(&service.name), pascal(&topic.name))
}

fn write_service(
    emitter: &mut Emitter<'_>,
    service: &Service,
    handle: &str,
    options: &Options<'_>,
) -> Result<(), CodegenError> {
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.code.gap();
    emitter.note(0, &format!("The service `{}`{title}.", service.name));
    emitter.code.line(0, &format!("public class {handle}(private val client: GatewayClient) {{"));
    let mut methods = Scope::new(LANGUAGE);
    let mut is_first = true;
    for topic in &service.topics {
        methods.add(&method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        gap(emitter, &mut is_first);
        topic_method(emitter, service, topic)?;
    }
    for call in options.calls(service) {
        methods.add(&method(&call.name), &format!("{}: call `{}`", service.file, call.name))?;
        gap(emitter, &mut is_first);
        call_method(emitter, service, call);
    }
    emitter.code.line(0, "}");
    Ok(())
}

/// Writes an empty line between two methods.
pub(super) fn gap(emitter: &mut Emitter<'_>, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        emitter.code.gap();
    }
}

/// How a method makes the name of a topic.
pub(super) struct TopicName {
    /// The names of the method's parameters.
    pub(super) parameters: Vec<String>,
    /// The expression for the beginning of the name.
    pub(super) first: String,
    /// The calls that append the values.
    pub(super) values: Vec<String>,
}

/// Returns how the name of a topic is made. `locals` are names that the parameters must not have.
pub(super) fn topic_name(service: &Service, topic: &Topic, locals: &[&str]) -> Result<TopicName, CodegenError> {
    let (mut scope, mut parameters, mut values) = (Scope::new(LANGUAGE), Vec::new(), Vec::new());
    for parameter in &topic.parameters {
        let name = unreserved(member(parameter.name.as_str()), locals);
        scope.add(&name, &format!("{}: `{{{}}}` of topic `{}`", service.file, parameter.name, topic.name))?;
        let after = literal(parameter.separator.as_deref().unwrap_or_default());
        values.push(format!(".value({}, {name}, {after})", literal(parameter.name.as_str())));
        parameters.push(name);
    }
    Ok(TopicName { parameters, first: format!("TopicName({})", literal(&topic.first_literal)), values })
}

fn topic_method(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let TopicName { parameters, first, values } = topic_name(service, topic, &reserved::LOCALS)?;
    let mut about = format!("Returns the topic `{}`.", topic.pattern);
    if !parameters.is_empty() {
        about.push_str(" Throws `GatewayException.Invalid` if no topic of the pattern has these values.");
    }
    emitter.note(4, &about);
    let list: Vec<String> = parameters.iter().map(|name| format!("{name}: String")).collect();
    let (name, handle) = (method(&topic.name), topic_type(service, topic));
    emitter.code.line(4, &format!("public fun {name}({}): {handle} {{", list.join(", ")));
    emitter.code.line(8, &format!("val topic = {first}"));
    values.iter().for_each(|value| emitter.code.line(12, value));
    emitter.code.line(8, &format!("return {handle}(client.topic({}, topic.toString()))", literal(&service.name)));
    emitter.code.line(4, "}");
    Ok(())
}

fn call_method(emitter: &mut Emitter<'_>, service: &Service, call: &Call) {
    let (request, response) = (emitter.name(call.request).to_owned(), emitter.name(call.response).to_owned());
    emitter.note(4, &format!("Calls `{}` of the backend service.", call.name));
    let line = format!("public suspend fun {}(", method(&call.name));
    emitter.code.line(4, &line);
    emitter.code.line(8, &format!("data: {request},"));
    emitter.code.line(8, "options: CallOptions = CallOptions(),");
    emitter.code.line(4, &format!("): {response} ="));
    emitter.code.line(8, "client.call(");
    for argument in [
        literal(&service.name),
        literal(&call.name),
        "data".to_owned(),
        format!("serializer<{request}>()"),
        format!("serializer<{response}>()"),
        "options".to_owned(),
    ] {
        emitter.code.line(12, &format!("{argument},"));
    }
    emitter.code.line(8, ")");
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let handle = topic_type(service, topic);
    emitter.scope.add(&handle, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.code.gap();
    emitter.note(0, &format!("A topic `{}` of the service `{}`.", topic.pattern, service.name));
    emitter.code.line(0, &format!("public class {handle} internal constructor("));
    emitter.note(4, "The topic, without types.");
    emitter.code.line(4, "public val topic: Topic,");
    emitter.code.line(0, ") {");
    emitter.note(4, "Returns the events. Each collection is a subscription. `decode` returns the data of an event.");
    emitter.code.line(4, "public fun events(options: SubscribeOptions = SubscribeOptions()): Flow<Event> =");
    emitter.code.line(8, "topic.events(options)");
    emitter.code.gap();
    emitter.note(4, "Returns the data of an event. Throws `GatewayException.Invalid` if it does not match the type.");
    let event = emitter.name(topic.event).to_owned();
    let message = if topic.keeps_history { "TopicMessage" } else { "EphemeralEvent" };
    emitter.code.line(4, &format!("public fun decode(event: {message}): {event} ="));
    emitter.code.line(8, &format!("topic.decode(serializer<{event}>(), event.data)"));
    if let Some(publish) = topic.publish {
        let publish = emitter.name(publish).to_owned();
        emitter.code.gap();
        let about = if topic.keeps_history {
            "Publishes data, and waits until it is stored, once."
        } else {
            "Publishes data to the current subscribers. A repeat after a lost connection may arrive as a copy."
        };
        emitter.note(4, about);
        emitter.code.line(4, "public suspend fun publish(");
        emitter.code.line(8, &format!("data: {publish},"));
        emitter.code.line(8, "options: SendOptions = SendOptions(),");
        emitter.code.line(4, "): Published =");
        emitter.code.line(8, &format!("topic.publish(data, serializer<{publish}>(), options)"));
    }
    if topic.keeps_history {
        emitter.code.gap();
        emitter.note(4, "Returns a page of the history in ascending order of offsets.");
        emitter.code.line(4, "public suspend fun history(options: HistoryOptions = HistoryOptions()): TopicHistory =");
        emitter.code.line(8, "topic.history(options)");
    }
    write_presence(emitter, topic.presence);
    emitter.code.line(0, "}");
    Ok(())
}

/// Writes the methods of a topic with presence.
fn write_presence(emitter: &mut Emitter<'_>, presence: Presence) {
    let data = match presence {
        Presence::None => return,
        Presence::Plain => None,
        Presence::WithData(data) => Some(emitter.name(data).to_owned()),
    };
    emitter.code.gap();
    emitter.note(4, "Returns the users who are present.");
    emitter.code.line(4, "public suspend fun presence(): TopicPresence = topic.presence()");
    let Some(data) = data else { return };
    emitter.code.gap();
    emitter.note(4, "Returns the events, with presence. The other users see this data of the user.");
    emitter.code.line(
        4,
        &format!("public fun eventsWith(data: {data}, options: SubscribeOptions = SubscribeOptions()): Flow<Event> ="),
    );
    emitter.code.line(8, &format!("topic.events(options.withPresence(topic.encode(serializer<{data}>(), data)))"));
    emitter.code.gap();
    emitter.note(4, "Returns the data of a user. Throws `GatewayException.Invalid` if it does not match the type.");
    emitter.code.line(4, &format!("public fun decodePresence(data: JsonElement): {data} ="));
    emitter.code.line(8, &format!("topic.decode(serializer<{data}>(), data)"));
}
