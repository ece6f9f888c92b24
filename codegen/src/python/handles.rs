//! Writes the handles of services: classes with a method for each topic and call.

use super::{Emitter, LANGUAGE, literal, reserved};
use crate::{
    CodegenError,
    generator::Options,
    model::{Call, Presence, Service, Topic, Type, TypeId},
    names::{Scope, pascal, snake, unreserved},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model) {
        let position = format!("{}: service `{}`", service.file, service.name);
        let function = unreserved(unreserved(snake(&service.name), &reserved::WORDS), &reserved::FUNCTIONS);
        emitter.scope.add(&function, &position)?;
        let handle = format!("{}Service", pascal(&service.name));
        emitter.scope.add(&handle, &position)?;
        for topic in &service.topics {
            write_topic(emitter, service, topic)?;
        }
        write_service(emitter, service, &handle, options)?;
        emitter.begin();
        emitter.code.line(0, &format!("def {function}(client: Client) -> {handle}:"));
        emitter.note(4, &format!("Returns the service `{}` of a gateway.", service.name));
        emitter.code.line(4, &format!("return {handle}(client)"));
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", pascal(&service.name), pascal(&topic.name))
}

/// Returns the name of a method.
pub(super) fn method(name: &str) -> String {
    unreserved(unreserved(snake(name), &reserved::WORDS), &reserved::METHODS)
}

fn write_service(
    emitter: &mut Emitter<'_>,
    service: &Service,
    handle: &str,
    options: &Options<'_>,
) -> Result<(), CodegenError> {
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.begin();
    emitter.code.line(0, &format!("class {handle}:"));
    emitter.note(4, &format!("The service `{}`{title}.", service.name));
    emitter.code.line(0, "");
    emitter.code.line(4, "def __init__(self, client: Client) -> None:");
    emitter.code.line(8, "self._client = client");
    let mut methods = Scope::new(LANGUAGE);
    for topic in &service.topics {
        methods.add(&method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        topic_method(emitter, service, topic)?;
    }
    for call in options.calls(service) {
        methods.add(&method(&call.name), &format!("{}: call `{}`", service.file, call.name))?;
        call_method(emitter, service, call);
    }
    Ok(())
}

/// How a method makes the name of a topic, in the variable `topic`.
pub(super) struct TopicName {
    /// The names of the method's parameters.
    pub(super) parameters: Vec<String>,
    pub(super) lines: Vec<String>,
}

/// Returns how the name of a topic is made. `locals` are names that the parameters must not have.
pub(super) fn topic_name(service: &Service, topic: &Topic, locals: &[&str]) -> Result<TopicName, CodegenError> {
    let (mut scope, mut parameters) = (Scope::new(LANGUAGE), Vec::new());
    let mut lines = vec![format!("topic = {}", literal(&topic.first_literal))];
    for parameter in &topic.parameters {
        let name = unreserved(unreserved(snake(parameter.name.as_str()), &reserved::WORDS), locals);
        scope.add(&name, &format!("{}: `{{{}}}` of topic `{}`", service.file, parameter.name, topic.name))?;
        let (json, after) =
            (literal(parameter.name.as_str()), literal(parameter.separator.as_deref().unwrap_or_default()));
        lines.push(format!("topic += codec.topic_value({json}, {name}, {after})"));
        parameters.push(name);
    }
    Ok(TopicName { parameters, lines })
}

fn topic_method(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let TopicName { parameters, lines } = topic_name(service, topic, &reserved::LOCALS)?;
    let handle = topic_type(service, topic);
    let list: String = parameters.iter().map(|name| format!(", {name}: str")).collect();
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("def {}(self{list}) -> {handle}:", method(&topic.name)));
    let about = format!("Returns the topic `{}`.", topic.pattern);
    if parameters.is_empty() {
        emitter.note(8, &about);
    } else {
        emitter.note(8, &format!("{about} Raises ValueError when no topic of the pattern has these values."));
    }
    lines.iter().for_each(|line| emitter.code.line(8, line));
    emitter.code.line(8, &format!("return {handle}(self._client.topic({}, topic))", literal(&service.name)));
    Ok(())
}

fn call_method(emitter: &mut Emitter<'_>, service: &Service, call: &Call) {
    let (request, response) = (Type::Named(call.request), Type::Named(call.response));
    let (written, returned) = (emitter.written(&request), emitter.written(&response));
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("async def {}(", method(&call.name)));
    let parameters = format!("self, data: {written}, *, call_id: str | None = None, timeout: float | None = None");
    emitter.code.line(8, &parameters);
    emitter.code.line(4, &format!(") -> {returned}:"));
    emitter.note(8, &format!("Calls `{}` of the backend service.", call.name));
    let (data, decoder) = (emitter.encoded(&request, "data"), emitter.decoder(&response));
    emitter.code.line(8, "answer = await self._client.call(");
    let names = format!("{}, {}", literal(&service.name), literal(&call.name));
    emitter.code.line(12, &format!("{names}, {data}, call_id=call_id, timeout=timeout"));
    emitter.code.line(8, ")");
    emitter.code.line(8, &format!("return {}", [decoder.as_str(), "(answer)"].concat()));
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let handle = topic_type(service, topic);
    emitter.scope.add(&handle, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.begin();
    emitter.code.line(0, &format!("class {handle}:"));
    emitter.note(4, &format!("A topic `{}` of the service `{}`.", topic.pattern, service.name));
    emitter.code.line(0, "");
    emitter.code.line(4, "def __init__(self, topic: Topic) -> None:");
    emitter.code.line(8, "self._topic = topic");
    emitter.code.line(0, "");
    emitter.code.line(4, "@property");
    emitter.code.line(4, "def name(self) -> str:");
    emitter.note(8, "The name of the topic.");
    emitter.code.line(8, "return self._topic.name");
    write_subscribe(emitter, topic);
    let message = if topic.keeps_history { "TopicMessage | TopicMessageEntry" } else { "EphemeralEvent" };
    let event = Type::Named(topic.event);
    let (written, decoder) = (emitter.written(&event), emitter.decoder(&event));
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("def decode(self, message: {message}) -> {written}:"));
    emitter.note(8, "Returns the data of a message of this topic. Raises codec.DecodeError.");
    emitter.code.line(8, &format!("return {}", [decoder.as_str(), "(message.data)"].concat()));
    if let Some(publish) = topic.publish {
        write_publish(emitter, topic, publish);
    }
    if topic.keeps_history {
        write_history(emitter);
    }
    if !matches!(topic.presence, Presence::None) {
        write_presence(emitter, topic);
    }
    Ok(())
}

fn write_subscribe(emitter: &mut Emitter<'_>, topic: &Topic) {
    let mut parameters = vec!["self".to_owned(), "*".to_owned()];
    let mut arguments = Vec::new();
    if topic.keeps_history {
        parameters.extend(["history: int = 0".to_owned(), "position: Position | None = None".to_owned()]);
        arguments.extend(["history=history".to_owned(), "position=position".to_owned()]);
    }
    if !matches!(topic.presence, Presence::None) {
        parameters.push("presence: bool = False".to_owned());
        arguments.push("presence=presence".to_owned());
    }
    if let Presence::WithData(data) = topic.presence {
        let data = Type::Named(data);
        parameters.push(format!("presence_data: {} | None = None", emitter.written(&data)));
        let shown = emitter.encoded(&data, "presence_data");
        if shown == "presence_data" {
            arguments.push("presence_data=presence_data".to_owned());
        } else {
            arguments.push(format!("presence_data=None if presence_data is None else {shown}"));
        }
    }
    if arguments.is_empty() {
        parameters.truncate(1);
    }
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("def subscribe({}) -> Subscription:", parameters.join(", ")));
    let about = if topic.keeps_history {
        "Returns a subscription: each event once and in order, or an explicit gap. `decode` reads a message."
    } else {
        "Returns a subscription to what is published from now on. Nothing says what was missed."
    };
    emitter.note(8, about);
    emitter.code.line(8, &format!("return self._topic.subscribe({})", arguments.join(", ")));
}

fn write_publish(emitter: &mut Emitter<'_>, topic: &Topic, publish: TypeId) {
    let publish = Type::Named(publish);
    let (reply, about) = if topic.keeps_history {
        ("MessageSent", "Publishes data. It is repeated after a lost connection if necessary, and stored once.")
    } else {
        ("PublishAccepted", "Publishes data to the current subscribers. A repeat may arrive as a copy.")
    };
    emitter.code.line(0, "");
    emitter.code.line(4, "async def publish(");
    let data = format!("self, data: {}, *,", emitter.written(&publish));
    emitter.code.line(8, &format!("{data} client_message_id: str | None = None, timeout: float | None = None"));
    emitter.code.line(4, &format!(") -> {reply}:"));
    emitter.note(8, about);
    emitter.code.line(8, "reply = await self._topic.publish(");
    let data = emitter.encoded(&publish, "data");
    emitter.code.line(12, &format!("{data}, client_message_id=client_message_id, timeout=timeout"));
    emitter.code.line(8, ")");
    emitter.code.line(8, &format!("return codec.expected({reply}, reply)"));
}

fn write_history(emitter: &mut Emitter<'_>) {
    emitter.code.line(0, "");
    emitter.code.line(4, "async def history(");
    let page = "before: int | None = None, after: int | None = None, limit: int | None = None";
    emitter.code.line(8, &format!("self, *, {page}, timeout: float | None = None"));
    emitter.code.line(4, ") -> TopicHistory:");
    emitter.note(8, "Returns a page of the history. `limit` is 1 to 100, 50 by default.");
    emitter.code.line(8, "return await self._topic.history(before=before, after=after, limit=limit, timeout=timeout)");
}

fn write_presence(emitter: &mut Emitter<'_>, topic: &Topic) {
    emitter.code.line(0, "");
    emitter.code.line(4, "async def presence(self, *, timeout: float | None = None) -> TopicPresence:");
    emitter.note(8, "Returns the users who are present.");
    emitter.code.line(8, "return await self._topic.presence(timeout=timeout)");
    if let Presence::WithData(data) = topic.presence {
        let data = Type::Named(data);
        let (written, decoder) = (emitter.written(&data), emitter.decoder(&data));
        emitter.code.line(0, "");
        emitter.code.line(4, "@staticmethod");
        emitter.code.line(4, &format!("def decode_presence(data: Any) -> {written}:"));
        emitter.note(8, "Returns what a user shows. Raises codec.DecodeError.");
        emitter.code.line(8, &format!("return {}", [decoder.as_str(), "(data)"].concat()));
    }
}
