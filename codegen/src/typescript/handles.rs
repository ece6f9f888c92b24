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
    write_checked_value(emitter);
    Ok(())
}

/// Writes the function that checks the values of parameters, if a topic has parameters.
pub(super) fn write_checked_value(emitter: &mut Emitter<'_>) {
    let mut topics = emitter.model.services.iter().flat_map(|service| &service.topics);
    if topics.any(|topic| !topic.parameters.is_empty()) {
        for line in CHECKED_VALUE.lines() {
            emitter.code.line(0, &line.replace("''", "\"\""));
        }
    }
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", pascal(&service.name), pascal(&topic.name))
}

/// Returns the name of a member of a handle.
pub(super) fn member(name: &str) -> String {
    match name {
        // Without quotes it would declare a constructor.
        "new" => "\"new\"".to_owned(),
        name => unreserved(name.to_owned(), &reserved::MEMBERS),
    }
}

/// Returns the parameters of a topic and their variables, which are none of `locals`.
pub(super) fn parameters(topic: &Topic, locals: &[&str]) -> Vec<(String, String)> {
    let name = |name: &str| unreserved(unreserved(name.to_owned(), &reserved::WORDS), locals);
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
        let parameters: Vec<String> =
            parameters(topic, &reserved::LOCALS).iter().map(|(_, name)| format!("{name}: string")).collect();
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
    let event = emitter.name(topic.event).to_owned();
    write_subscribe_type(emitter, topic, &event);
    if let Some(publish) = topic.publish {
        let about = if topic.keeps_history {
            "Publishes data. It is repeated after a reconnect if necessary, and stored once."
        } else {
            "Publishes data to the current subscribers. A repeat after a reconnect may arrive as a copy."
        };
        emitter.note(2, about);
        let line = format!("publish(data: {}, options?: SendOptions): {};", emitter.name(publish), sending(topic));
        emitter.code.line(2, &line);
    }
    if topic.keeps_history {
        emitter.note(2, "Returns a page of the history. `limit` is 1 to 100, 50 by default.");
        emitter.code.line(2, &format!("history(options?: HistoryOptions): Promise<TopicPage<{event}>>;"));
    }
    if let Some(Shown { arguments, .. }) = shown(emitter, topic) {
        emitter.note(2, "Returns the users who are present.");
        emitter.code.line(2, &format!("presence(options?: CallOptions): Promise<PresenceOf{arguments}>;"));
    }
    emitter.code.line(0, "}");
    Ok(())
}

/// Writes the type of `subscribe`. Presence events come only if they are requested.
fn write_subscribe_type(emitter: &mut Emitter<'_>, topic: &Topic, event: &str) {
    let (text, item) = if topic.keeps_history {
        ("Returns each event once and in order, or an explicit gap.", "TopicEvent")
    } else {
        let text = "Returns what is published from now on, as `ephemeral_event`. Nothing says what was missed.";
        (text, "EphemeralTopicEvent")
    };
    let Some(Shown { arguments, option }) = shown(emitter, topic) else {
        emitter.note(2, text);
        let line = format!("subscribe(options?: SubscribeOptions): Subscription<{item}<{event}>>;");
        return emitter.code.line(2, &line);
    };
    emitter.note(2, &format!("{text} `presence` adds the users who are present."));
    emitter.code.line(2, &format!("subscribe(options: SubscribeOptions & {{ presence: true{option} }}):"));
    let items = format!("{item}<{event}> | PresenceOf{arguments} | PresenceChangeOf{arguments}");
    emitter.code.line(4, &format!("Subscription<{items}>;"));
    // The last one is the type that others infer from the handle.
    emitter.code.line(2, &format!("subscribe(options?: SubscribeOptions & {{ presence?: false{option} }}):"));
    emitter.code.line(4, &format!("Subscription<{item}<{event}>>;"));
}

/// What users show of themselves in a topic with presence.
struct Shown {
    /// The type arguments of `PresenceOf`.
    arguments: String,
    /// The further option of `subscribe`.
    option: String,
}

/// Returns the type of the result of publishing to a topic.
fn sending(topic: &Topic) -> &'static str {
    if topic.keeps_history { "Sending" } else { "EphemeralSending" }
}

fn shown(emitter: &Emitter<'_>, topic: &Topic) -> Option<Shown> {
    match topic.presence {
        Presence::None => None,
        Presence::Plain => Some(Shown { arguments: String::new(), option: String::new() }),
        Presence::WithData(data) => {
            let data = emitter.name(data);
            Some(Shown { arguments: format!("<{data}>"), option: format!("; presenceData?: {data}") })
        }
    }
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) {
    let names = parameters(topic, &reserved::LOCALS);
    let list: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let list = if let [name] = list.as_slice() { (*name).to_owned() } else { format!("({})", list.join(", ")) };
    emitter.code.line(4, &format!("{}: {list} => {{", member(&topic.name)));
    write_topic_name(emitter, topic, &names);
    let (event, service) = (emitter.name(topic.event).to_owned(), literal(&service.name));
    emitter.code.line(6, "return {");
    emitter.code.line(8, "gateway,");
    emitter.code.line(8, &format!("service: {service},"));
    emitter.code.line(8, "topic,");
    let of = |data: &str| {
        let item = if topic.keeps_history { String::new() } else { format!(", EphemeralTopicEvent<{data}>") };
        format!("gateway.topic<{data}{item}>({service}, topic)")
    };
    let shown = shown(emitter, topic);
    if shown.is_some() {
        emitter.code.line(8, "subscribe: (options?: SubscribeOptions) =>");
        let line = format!("gateway.topic({service}, topic).subscribe(options) as Subscription<never>,");
        emitter.code.line(10, &line);
    } else if topic.keeps_history {
        emitter.code.line(8, &format!("subscribe: options => {}.subscribe(options),", of(&event)));
    } else {
        emitter.code.line(8, "subscribe: options =>");
        emitter.code.line(10, &format!("{}.subscribe(options),", of(&event)));
    }
    if let Some(publish) = topic.publish {
        let publish = emitter.name(publish).to_owned();
        emitter.code.line(8, "publish: (data, options) =>");
        emitter.code.line(10, &format!("{}.publish(data, options),", of(&publish)));
    }
    if topic.keeps_history {
        let line = format!("history: options => gateway.topic<{event}>({service}, topic).history(options),");
        emitter.code.line(8, &line);
    }
    if let Some(Shown { arguments, .. }) = shown {
        emitter.code.line(8, "presence: options =>");
        let line = format!("gateway.topic({service}, topic).presence(options) as Promise<PresenceOf{arguments}>,");
        emitter.code.line(10, &line);
    }
    emitter.code.line(6, "};");
    emitter.code.line(4, "},");
}

/// Writes how the name of a topic is made, in the variable `topic`.
pub(super) fn write_topic_name(emitter: &mut Emitter<'_>, topic: &Topic, names: &[(String, String)]) {
    emitter.code.line(6, &format!("let topic = {};", literal(&topic.first_literal)));
    for (parameter, (name, variable)) in topic.parameters.iter().zip(names) {
        let after = literal(parameter.separator.as_deref().unwrap_or_default());
        let added = if after == "\"\"" { String::new() } else { format!(" + {after}") };
        let line = format!("topic += checkedValue({}, {variable}, {after}){added};", literal(name));
        emitter.code.line(6, &line);
    }
}
