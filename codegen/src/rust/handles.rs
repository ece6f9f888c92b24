//! Writes the handles of services: structs with a method for each topic and call.

use super::{Emitter, LANGUAGE, format::literal, reserved};
use crate::{
    CodegenError,
    generator::Options,
    model::{Call, Presence, Service, Topic},
    names::{Scope, pascal, snake, unreserved},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    let mut functions = Scope::new(LANGUAGE);
    for service in options.services(model) {
        let position = format!("{}: service `{}`", service.file, service.name);
        let function = unreserved(unreserved(snake(&service.name), &reserved::WORDS), &reserved::FUNCTIONS);
        functions.add(&function, &position)?;
        let handle = format!("{}Service", pascal(&service.name));
        emitter.scope.add(&handle, &position)?;
        write_service(emitter, service, &function, &handle, options)?;
        for topic in &service.topics {
            write_topic(emitter, service, topic)?;
        }
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", pascal(&service.name), pascal(&topic.name))
}

fn method(name: &str) -> String {
    unreserved(unreserved(snake(name), &reserved::WORDS), &reserved::METHODS)
}

fn write_service(
    emitter: &mut Emitter<'_>,
    service: &Service,
    function: &str,
    handle: &str,
    options: &Options<'_>,
) -> Result<(), CodegenError> {
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.code.gap();
    emitter.note(0, &format!("Returns the service `{}` of a gateway.", service.name));
    emitter.code.signature(0, &format!("pub fn {function}"), &["client: &Client".to_owned()], &format!(" -> {handle}"));
    emitter.code.line(4, &format!("{handle}(client.clone())"));
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.note(0, &format!("The service `{}`{title}.", service.name));
    emitter.code.line(0, "#[derive(Debug, Clone)]");
    emitter.code.line(0, &format!("pub struct {handle}(Client);"));
    emitter.code.gap();
    emitter.code.line(0, &format!("impl {handle} {{"));
    let calls = options.calls(service);
    let mut methods = Scope::new(LANGUAGE);
    for (index, topic) in service.topics.iter().enumerate() {
        methods.add(&method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        if index > 0 {
            emitter.code.gap();
        }
        topic_method(emitter, service, topic)?;
    }
    for (index, call) in calls.iter().enumerate() {
        methods.add(&method(&call.name), &format!("{}: call `{}`", service.file, call.name))?;
        if index > 0 || !service.topics.is_empty() {
            emitter.code.gap();
        }
        call_method(emitter, service, call);
    }
    emitter.code.line(0, "}");
    Ok(())
}

fn topic_method(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let mut scope = Scope::new(LANGUAGE);
    let mut names = Vec::new();
    for parameter in &topic.parameters {
        let name = unreserved(unreserved(snake(parameter.name.as_str()), &reserved::WORDS), &reserved::LOCALS);
        scope.add(&name, &format!("{}: `{{{}}}` of topic `{}`", service.file, parameter.name, topic.name))?;
        names.push(name);
    }
    emitter.note(4, &format!("Returns the topic `{}`.", topic.pattern));
    emitter.note(4, "");
    emitter.note(4, "# Errors");
    emitter.note(4, "When no topic of the pattern has these values.");
    let parameters = names.iter().map(|name| format!("{name}: impl AsRef<str>"));
    let parameters: Vec<String> = std::iter::once("&self".to_owned()).chain(parameters).collect();
    let handle = topic_type(service, topic);
    let head = format!("pub fn {}", method(&topic.name));
    emitter.code.signature(4, &head, &parameters, &format!(" -> Result<{handle}, Error>"));
    let first = literal(&topic.first_literal);
    if names.is_empty() {
        emitter.code.two_parts(8, "let topic =", &format!("{first};"));
    } else {
        emitter.code.two_parts(8, "let mut topic =", &format!("{first}.to_owned();"));
    }
    for (parameter, name) in topic.parameters.iter().zip(&names) {
        let arguments = [
            "&mut topic".to_owned(),
            literal(parameter.name.as_str()),
            format!("{name}.as_ref()"),
            literal(parameter.separator.as_deref().unwrap_or_default()),
        ];
        emitter.code.call(8, "push_value", &arguments, "?;");
    }
    let member = format!("topic: self.0.topic({}, topic)?,", literal(&service.name));
    emitter.code.literal_in_call(8, "Ok", &handle, &member);
    emitter.code.line(4, "}");
    Ok(())
}

fn call_method(emitter: &mut Emitter<'_>, service: &Service, call: &Call) {
    let (request, response) = (emitter.name(call.request).to_owned(), emitter.name(call.response).to_owned());
    emitter.note(4, &format!("Calls `{}` of the backend service.", call.name));
    emitter.note(4, "");
    emitter.note(4, "# Errors");
    emitter.note(4, "The refusal of the gateway or of the backend service, or that no answer came in time.");
    let parameters = ["&self".to_owned(), format!("data: &{request}"), "options: CallOptions".to_owned()];
    let head = format!("pub async fn {}", method(&call.name));
    emitter.code.signature(4, &head, &parameters, &format!(" -> Result<{response}, Error>"));
    emitter.code.line(8, &format!("let service = {};", literal(&service.name)));
    emitter.code.line(8, &format!("let method = {};", literal(&call.name)));
    emitter.code.line(8, "self.0.call(service, method, data, options).await");
    emitter.code.line(4, "}");
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let handle = topic_type(service, topic);
    emitter.scope.add(&handle, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.code.gap();
    emitter.note(0, &format!("A topic `{}` of the service `{}`.", topic.pattern, service.name));
    emitter.code.line(0, "#[derive(Debug, Clone)]");
    emitter.code.line(0, &format!("pub struct {handle} {{"));
    emitter.code.line(4, "topic: ServiceTopic,");
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.code.line(0, &format!("impl {handle} {{"));
    emitter.note(4, "Subscribes, when it is awaited. [`Self::decode`] returns the data of an event.");
    emitter.code.line(4, "pub fn subscribe(&self) -> SubscribeTopic {");
    emitter.code.line(8, "self.topic.subscribe()");
    emitter.code.line(4, "}");
    emitter.code.gap();
    emitter.note(4, "Returns the data of an event of this topic.");
    emitter.note(4, "");
    emitter.note(4, "# Errors");
    emitter.note(4, "When the data does not match the type.");
    let event = emitter.name(topic.event).to_owned();
    let message = if topic.keeps_history { "Event" } else { "EphemeralEvent" };
    let parameters = ["&self".to_owned(), format!("event: &{message}")];
    emitter.code.signature(4, "pub fn decode", &parameters, &format!(" -> Result<{event}, Error>"));
    emitter.code.line(8, "event.data.decode().map_err(Error::invalid)");
    emitter.code.line(4, "}");
    if let Some(publish) = topic.publish {
        emitter.code.gap();
        emitter.note(4, "Publishes data, when it is awaited.");
        let parameters = ["&self".to_owned(), format!("data: &{}", emitter.name(publish))];
        emitter.code.signature(4, "pub fn publish", &parameters, " -> Publish");
        emitter.code.line(8, "self.topic.publish(data)");
        emitter.code.line(4, "}");
    }
    if topic.keeps_history {
        emitter.code.gap();
        emitter
            .note(4, "Reads a page of the history, when it is awaited. [`Self::decode`] returns the data of an event.");
        emitter.code.line(4, "pub fn history(&self) -> History<GetTopicHistory> {");
        emitter.code.line(8, "self.topic.history()");
        emitter.code.line(4, "}");
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
    let more = if data.is_some() { " [`Self::decode_presence`] returns the data of a user." } else { "" };
    emitter.note(4, &format!("Returns the users who are present.{more}"));
    emitter.note(4, "");
    emitter.note(4, "# Errors");
    emitter.note(4, "The refusal of the gateway, or that no answer came in time.");
    emitter.code.line(4, "pub async fn presence(&self) -> Result<TopicPresence, Error> {");
    emitter.code.line(8, "self.topic.presence().await");
    emitter.code.line(4, "}");
    let Some(data) = data else { return };
    emitter.code.gap();
    emitter.note(4, "Subscribes with presence, when it is awaited. The other users see this data of the user.");
    let parameters = ["&self".to_owned(), format!("data: &{data}")];
    emitter.code.signature(4, "pub fn subscribe_with", &parameters, " -> SubscribeTopic");
    emitter.code.line(8, "self.topic.subscribe().presence().presence_data(data)");
    emitter.code.line(4, "}");
    emitter.code.gap();
    emitter.note(4, "Returns the data of a user who is present, or of a change of presence.");
    emitter.note(4, "");
    emitter.note(4, "# Errors");
    emitter.note(4, "When the data does not match the type.");
    let parameters = ["&self".to_owned(), "data: &RawJson".to_owned()];
    emitter.code.signature(4, "pub fn decode_presence", &parameters, &format!(" -> Result<{data}, Error>"));
    emitter.code.line(8, "data.decode().map_err(Error::invalid)");
    emitter.code.line(4, "}");
}
