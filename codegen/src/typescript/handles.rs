//! Writes the handles of services: functions that return an object with the topics and calls.

use super::{Emitter, literal, reserved};
use crate::{
    CodegenError,
    generator::Options,
    model::{Presence, Service, Topic},
    names::{camel, pascal, unreserved},
};

/// The function that checks the values of parameters.
const CHECKED_VALUE: &str = r"
/** Returns the value of a parameter. Throws a RangeError if no topic of the pattern has it. */
function checkedValue(name: string, value: string, after: string): string {
  if (value === '') throw new RangeError(`the value of ${name} is empty`);
  // A value that ends with the beginning of the literal would be read back as a shorter one.
  if (after !== '' && (value + after).indexOf(after) !== value.length) {
    throw new RangeError(`the value of ${name} must not contain ${JSON.stringify(after)}`);
  }
  return value;
}";

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model) {
        write_service(emitter, service, options)?;
    }
    let mut topics = model.services.iter().flat_map(|service| &service.topics);
    if topics.any(|topic| !topic.parameters.is_empty()) {
        for line in CHECKED_VALUE.lines() {
            emitter.code.line(0, &line.replace("''", "\"\""));
        }
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", pascal(&service.name), pascal(&topic.name))
}

fn member(name: &str) -> String {
    match name {
        // Without quotes it would declare a constructor.
        "new" => "\"new\"".to_owned(),
        name => unreserved(name.to_owned(), &reserved::MEMBERS),
    }
}

fn parameters(topic: &Topic) -> Vec<(String, String)> {
    let name = |name: &str| unreserved(unreserved(name.to_owned(), &reserved::WORDS), &reserved::LOCALS);
    topic.parameters.iter().map(|it| (it.name.to_string(), name(it.name.as_str()))).collect()
}

fn write_service(emitter: &mut Emitter<'_>, service: &Service, options: &Options<'_>) -> Result<(), CodegenError> {
    let position = format!("{}: service `{}`", service.file, service.name);
    let interface = format!("{}Service", pascal(&service.name));
    let function = unreserved(camel(&service.name), &reserved::WORDS);
    emitter.scope.add(&interface, &position)?;
    emitter.scope.add(&function, &position)?;
    for topic in &service.topics {
        write_topic_type(emitter, service, topic)?;
    }
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.code.gap();
    emitter.note(0, &format!("The service `{}`{title}.", service.name));
    emitter.code.line(0, &format!("export interface {interface} {{"));
    for topic in &service.topics {
        let parameters: Vec<String> = parameters(topic).iter().map(|(_, name)| format!("{name}: string")).collect();
        emitter.note(2, &format!("The topic `{}`.", topic.pattern));
        let line = format!("{}({}): {};", member(&topic.name), parameters.join(", "), topic_type(service, topic));
        emitter.code.line(2, &line);
    }
    let calls = options.calls(service);
    for call in calls {
        let (request, response) = (emitter.name(call.request).to_owned(), emitter.name(call.response).to_owned());
        emitter.note(2, &format!("Calls `{}` of the backend service.", call.name));
        let line =
            format!("{}(data: {request}, options?: BackendCallOptions): Promise<{response}>;", member(&call.name));
        emitter.code.line(2, &line);
    }
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.note(0, &format!("Returns the service `{}` of a gateway.", service.name));
    emitter.code.line(0, &format!("export function {function}(gateway: GatewayClient): {interface} {{"));
    emitter.code.line(2, "return {");
    for topic in &service.topics {
        write_topic(emitter, service, topic);
    }
    for call in calls {
        let response = emitter.name(call.response).to_owned();
        let (service, method) = (literal(&service.name), literal(&call.name));
        emitter.code.line(4, &format!("{}: (data, options) =>", member(&call.name)));
        let line = format!("gateway.call({service}, {method}, data, options) as Promise<{response}>,");
        emitter.code.line(6, &line);
    }
    emitter.code.line(2, "};");
    emitter.code.line(0, "}");
    Ok(())
}

fn write_topic_type(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    let name = topic_type(service, topic);
    emitter.scope.add(&name, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.code.gap();
    emitter.note(0, &format!("A topic `{}` of the service `{}`.", topic.pattern, service.name));
    emitter.code.line(0, &format!("export interface {name} {{"));
    emitter.code.line(2, "readonly gateway: GatewayClient;");
    emitter.code.line(2, &format!("readonly service: {};", literal(&service.name)));
    emitter.note(2, "The name of the topic.");
    emitter.code.line(2, "readonly topic: string;");
    emitter.note(2, "Returns each event once and in order, or an explicit gap.");
    let event = emitter.name(topic.event).to_owned();
    emitter.code.line(2, &format!("subscribe(options?: SubscribeOptions): Subscription<TopicEvent<{event}>>;"));
    if let Some(publish) = topic.publish {
        emitter.note(2, "Publishes data. It is repeated after a reconnect if necessary, and stored once.");
        let line = format!("publish(data: {}, options?: SendOptions): Sending;", emitter.name(publish));
        emitter.code.line(2, &line);
    }
    if topic.keeps_history {
        emitter.note(2, "Returns a page of the history. `limit` is 1 to 100, 50 by default.");
        emitter.code.line(2, &format!("history(options?: HistoryOptions): Promise<TopicPage<{event}>>;"));
    }
    if let Some(presence) = presence_type(emitter, topic) {
        emitter.note(2, "Returns the users who are present.");
        emitter.code.line(2, &format!("presence(options?: CallOptions): Promise<{presence}>;"));
    }
    emitter.code.line(0, "}");
    Ok(())
}

/// Returns the type of the roster of a topic with presence.
fn presence_type(emitter: &Emitter<'_>, topic: &Topic) -> Option<String> {
    match topic.presence {
        Presence::None => None,
        Presence::Plain => Some("PresenceOf".to_owned()),
        Presence::WithData(data) => Some(format!("PresenceOf<{}>", emitter.name(data))),
    }
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) {
    let names = parameters(topic);
    let list: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let list = if let [name] = list.as_slice() { (*name).to_owned() } else { format!("({})", list.join(", ")) };
    emitter.code.line(4, &format!("{}: {list} => {{", member(&topic.name)));
    emitter.code.line(6, &format!("let topic = {};", literal(&topic.first_literal)));
    for (parameter, (name, variable)) in topic.parameters.iter().zip(&names) {
        let after = literal(parameter.separator.as_deref().unwrap_or_default());
        let added = if after == "\"\"" { String::new() } else { format!(" + {after}") };
        let line = format!("topic += checkedValue({}, {variable}, {after}){added};", literal(name));
        emitter.code.line(6, &line);
    }
    let (event, service) = (emitter.name(topic.event).to_owned(), literal(&service.name));
    emitter.code.line(6, "return {");
    emitter.code.line(8, "gateway,");
    emitter.code.line(8, &format!("service: {service},"));
    emitter.code.line(8, "topic,");
    let line = format!("subscribe: options => gateway.topic<{event}>({service}, topic).subscribe(options),");
    emitter.code.line(8, &line);
    if let Some(publish) = topic.publish {
        let publish = emitter.name(publish).to_owned();
        emitter.code.line(8, "publish: (data, options) =>");
        let line = format!("gateway.topic<{publish}>({service}, topic).publish(data, options),");
        emitter.code.line(10, &line);
    }
    if topic.keeps_history {
        let line = format!("history: options => gateway.topic<{event}>({service}, topic).history(options),");
        emitter.code.line(8, &line);
    }
    if let Some(presence) = presence_type(emitter, topic) {
        emitter.code.line(8, "presence: options =>");
        let line = format!("gateway.topic({service}, topic).presence(options) as Promise<{presence}>,");
        emitter.code.line(10, &line);
    }
    emitter.code.line(6, "};");
    emitter.code.line(4, "},");
}
