//! Writes handles for backends: functions that return an object whose members publish to each kind of topics over HTTP, without the
//! core of the SDK.

use super::{
    Emitter,
    handles::{member, parameters},
    literal, reserved,
};
use crate::{
    CodegenError,
    generator::Options,
    model::{Service, Topic},
    names::{camel, pascal, unreserved},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model).filter(|service| !service.topics.is_empty()) {
        let position = format!("{}: service `{}`", service.file, service.name);
        let interface = format!("{}Publisher", pascal(&service.name));
        let function = unreserved(format!("{}Publisher", camel(&service.name)), &reserved::WORDS);
        emitter.scope.add(&interface, &position)?;
        emitter.scope.add(&function, &position)?;
        emitter.code.gap();
        emitter.note(0, &format!("Publishes events of the service `{}`.", service.name));
        emitter.code.line(0, &format!("export interface {interface} {{"));
        service.topics.iter().for_each(|topic| write_type(emitter, topic));
        emitter.code.line(0, "}");
        emitter.code.gap();
        emitter.note(0, &format!("Returns the publisher of the service `{}`.", service.name));
        emitter.code.line(0, &format!("export function {function}(client: PublishClient): {interface} {{"));
        emitter.code.line(2, "return {");
        service.topics.iter().for_each(|topic| write_topic(emitter, service, topic));
        emitter.code.line(2, "};");
        emitter.code.line(0, "}");
    }
    Ok(())
}

/// Returns the type of the result of publishing to a topic.
fn result(topic: &Topic) -> &'static str {
    if topic.keeps_history { "MessageAccepted" } else { "void" }
}

fn write_type(emitter: &mut Emitter<'_>, topic: &Topic) {
    let repeated = if topic.keeps_history { "stored once" } else { "sent again" };
    let mut about =
        format!("Publishes an event to the topic `{}`. A repeat with the same `id` is {repeated}.", topic.pattern);
    if !topic.parameters.is_empty() {
        about.push_str(" It fails with a RangeError if no topic of the pattern has these values.");
    }
    emitter.note(2, &about);
    let list: String =
        parameters(topic, &reserved::OF_PUBLISHERS).iter().map(|(_, name)| format!("{name}: string, ")).collect();
    let event = emitter.name(topic.event).to_owned();
    let arguments = format!("{list}data: {event}, options?: PublishEventOptions");
    emitter.code.line(2, &format!("{}({arguments}): Promise<{}>;", member(&topic.name), result(topic)));
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) {
    let names = parameters(topic, &reserved::OF_PUBLISHERS);
    let list: String = names.iter().map(|(_, name)| format!("{name}, ")).collect();
    // An `async` function, so that the promise has the error about a value.
    emitter.code.line(4, &format!("{}: async ({list}data, {{ id, ...options }} = {{}}) => {{", member(&topic.name)));
    super::handles::write_topic_name(emitter, topic, &names);
    // A member that is `undefined` is no member that is absent.
    emitter.code.line(6, "const body = id === undefined ? { data } : { data, id };");
    let call = format!("client.publishEvent({}, topic, body, options)", literal(&service.name));
    if topic.keeps_history {
        emitter.code.line(6, &format!("const answer = await {call};"));
        emitter.code.line(6, "if (!answer) throw new Error(\"the topic has no history: its contract has changed\");");
        emitter.code.line(6, "return answer;");
    } else {
        emitter.code.line(6, &format!("await {call};"));
    }
    emitter.code.line(4, "},");
}
