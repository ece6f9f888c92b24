//! Writes the handles of services: structs with a method for each topic and call.

use super::{
    Emitter, LANGUAGE, SDK,
    format::literal,
    names::{exported, unexported},
    reserved,
};
use crate::{
    CodegenError,
    generator::Options,
    model::{Call, Presence, Service, Topic},
    names::{Scope, unreserved},
};

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for service in options.services(model) {
        emitter.imports.insert(SDK);
        let position = format!("{}: service `{}`", service.file, service.name);
        let handle = format!("{}Service", exported(&service.name));
        emitter.scope.add(&handle, &position)?;
        emitter.scope.add(&format!("New{handle}"), &position)?;
        write_service(emitter, service, &handle, options)?;
        for topic in &service.topics {
            write_topic(emitter, service, topic)?;
        }
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic) -> String {
    format!("{}{}Topic", exported(&service.name), exported(&topic.name))
}

/// Writes a method: its comment, its first line and its body.
pub(super) fn method(emitter: &mut Emitter<'_>, comment: &str, signature: &str, body: &[String]) {
    emitter.code.line(0, "");
    comment.lines().for_each(|line| emitter.note(line));
    emitter.code.line(0, &format!("func {signature} {{"));
    body.iter().for_each(|line| emitter.code.line(0, &format!("\t{line}")));
    emitter.code.line(0, "}");
}

fn write_service(
    emitter: &mut Emitter<'_>,
    service: &Service,
    handle: &str,
    options: &Options<'_>,
) -> Result<(), CodegenError> {
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.code.line(0, "");
    emitter.note(&format!("{handle} is the service `{}`{title}.", service.name));
    emitter.code.line(0, &format!("type {handle} struct {{"));
    emitter.code.line(0, "\tclient *gateway.Client");
    emitter.code.line(0, "}");
    method(
        emitter,
        &format!("New{handle} returns the service `{}` of a gateway.", service.name),
        &format!("New{handle}(client *gateway.Client) {handle}"),
        &[format!("return {handle}{{client}}")],
    );
    let mut methods = Scope::new(LANGUAGE);
    for topic in &service.topics {
        methods.add(&exported(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        topic_method(emitter, service, handle, topic)?;
    }
    for call in options.calls(service) {
        methods.add(&exported(&call.name), &format!("{}: call `{}`", service.file, call.name))?;
        methods.add(&format!("{}WithID", exported(&call.name)), &format!("{}: call `{}`", service.file, call.name))?;
        call_methods(emitter, service, handle, call);
    }
    Ok(())
}

fn topic_method(emitter: &mut Emitter<'_>, service: &Service, handle: &str, topic: &Topic) -> Result<(), CodegenError> {
    let (name, returned) = (exported(&topic.name), topic_type(service, topic));
    let about = format!("{name} returns the topic `{}`.", topic.pattern);
    let first = literal(&topic.first_literal);
    let result = |topic: &str| format!("{returned}{{service.client.Topic({}, {topic})}}", literal(&service.name));
    if topic.parameters.is_empty() {
        let signature = format!("(service {handle}) {name}() {returned}");
        method(emitter, &about, &signature, &[format!("return {}", result(&first))]);
        return Ok(());
    }
    let TopicName { parameters, mut lines, value } = topic_name(service, topic, &format!("{returned}{{}}, err"))?;
    lines.push(format!("return {}, nil", result(&value)));
    let about = format!("{about}\nIt fails if no topic of the pattern has these values.");
    let signature = format!("(service {handle}) {name}({} string) ({returned}, error)", parameters.join(", "));
    method(emitter, &about, &signature, &lines);
    Ok(())
}

/// How a function makes the name of a topic.
pub(super) struct TopicName {
    /// The names of the function's parameters.
    pub(super) parameters: Vec<String>,
    /// The lines that check the parameters. They return if one is wrong.
    pub(super) lines: Vec<String>,
    /// The expression for the name.
    pub(super) value: String,
}

/// Returns how the name of a topic is made. `failed` is what the function returns if no topic has the values.
pub(super) fn topic_name(service: &Service, topic: &Topic, failed: &str) -> Result<TopicName, CodegenError> {
    let first = literal(&topic.first_literal);
    if topic.parameters.is_empty() {
        return Ok(TopicName { parameters: Vec::new(), lines: Vec::new(), value: first });
    }
    let (mut scope, mut parameters, mut lines) = (Scope::new(LANGUAGE), Vec::new(), Vec::new());
    for (index, parameter) in topic.parameters.iter().enumerate() {
        let variable = unreserved(unexported(parameter.name.as_str()), &reserved::WORDS);
        let variable = unreserved(variable, &reserved::OF_HANDLES);
        scope.add(&variable, &format!("{}: `{{{}}}` of topic `{}`", service.file, parameter.name, topic.name))?;
        let after = literal(parameter.separator.as_deref().unwrap_or_default());
        let (start, operator) = if index == 0 { (first.as_str(), ":=") } else { ("topic", "=") };
        let parameter = literal(parameter.name.as_str());
        let line = format!("topic, err {operator} appendValue({start}, {parameter}, {variable}, {after})");
        if index == 0 {
            lines.push(line);
        } else {
            lines.extend(["if err == nil {".to_owned(), format!("\t{line}"), "}".to_owned()]);
        }
        parameters.push(variable);
    }
    lines.extend(["if err != nil {".to_owned(), format!("\treturn {failed}"), "}".to_owned()]);
    Ok(TopicName { parameters, lines, value: "topic".to_owned() })
}

fn call_methods(emitter: &mut Emitter<'_>, service: &Service, handle: &str, call: &Call) {
    emitter.imports.insert("context");
    let (request, response) = (emitter.name(call.request).to_owned(), emitter.name(call.response).to_owned());
    let (name, service_name, method_name) = (exported(&call.name), literal(&service.name), literal(&call.name));
    let body = |function: &str, id: &str| {
        let arguments = format!("ctx, {id}{service_name}, {method_name}, data, &response");
        [
            "var response ".to_owned() + &response,
            format!("err := service.client.{function}({arguments})"),
            "return response, err".to_owned(),
        ]
    };
    method(
        emitter,
        &format!("{name} calls `{}` of the backend service. It is never repeated.", call.name),
        &format!("(service {handle}) {name}(ctx context.Context, data {request}) ({response}, error)"),
        &body("Call", ""),
    );
    method(
        emitter,
        &format!("{name}WithID is like {name} with an id of the call. Repeating a call with the same id is safe."),
        &format!("(service {handle}) {name}WithID(ctx context.Context, id string, data {request}) ({response}, error)"),
        &body("CallWithID", "id, "),
    );
}

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic) -> Result<(), CodegenError> {
    emitter.imports.extend(["context", "encoding/json"]);
    let handle = topic_type(service, topic);
    emitter.scope.add(&handle, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.code.line(0, "");
    emitter.note(&format!("{handle} is a topic `{}` of the service `{}`.", topic.pattern, service.name));
    emitter.code.line(0, &format!("type {handle} struct {{"));
    emitter.code.line(0, "\ttopic gateway.Topic");
    emitter.code.line(0, "}");
    let message = if topic.keeps_history { "TopicMessage" } else { "EphemeralEvent" };
    method(
        emitter,
        &format!(
            "Subscribe subscribes to the events, each a *gateway.{message} whose Data Decode returns as its type.\n\
             options may be nil."
        ),
        &format!(
            "(topic {handle}) Subscribe(ctx context.Context, options *gateway.SubscribeOptions) \
             (*gateway.Subscription, error)"
        ),
        &["return topic.topic.Subscribe(ctx, options)".to_owned()],
    );
    write_decode(emitter, &handle, "Decode", "an event of this topic", topic.event);
    write_publish(emitter, &handle, topic);
    if topic.keeps_history {
        method(
            emitter,
            "History returns a page of the history. Decode returns the data of an event. options may be nil.",
            &format!(
                "(topic {handle}) History(ctx context.Context, options *gateway.HistoryOptions) \
                 (*gateway.TopicHistory, error)"
            ),
            &["return topic.topic.History(ctx, options)".to_owned()],
        );
    }
    write_presence(emitter, &handle, topic.presence);
    Ok(())
}

fn write_decode(emitter: &mut Emitter<'_>, handle: &str, name: &str, about: &str, target: crate::model::TypeId) {
    let target = emitter.name(target).to_owned();
    method(
        emitter,
        &format!("{name} returns the data of {about}."),
        &format!("({handle}) {name}(data json.RawMessage) ({target}, error)"),
        &[
            format!("var decoded {target}"),
            "err := json.Unmarshal(data, &decoded)".to_owned(),
            "return decoded, err".to_owned(),
        ],
    );
}

fn write_publish(emitter: &mut Emitter<'_>, handle: &str, topic: &Topic) {
    let Some(publish) = topic.publish else { return };
    let data = emitter.name(publish).to_owned();
    if !topic.keeps_history {
        return method(
            emitter,
            "Publish publishes data to the current subscribers. A repeat after a reconnect may arrive as a copy.",
            &format!("(topic {handle}) Publish(ctx context.Context, data {data}) error"),
            &["_, err := topic.topic.Publish(ctx, data)".to_owned(), "return err".to_owned()],
        );
    }
    method(
        emitter,
        "Publish publishes data. It is repeated after a lost connection if necessary, and stored once.",
        &format!("(topic {handle}) Publish(ctx context.Context, data {data}) (*gateway.MessageSent, error)"),
        &["return topic.topic.Publish(ctx, data)".to_owned()],
    );
    method(
        emitter,
        "PublishWithID is like Publish with an id of the message. Repeating with the same id is safe.",
        &format!(
            "(topic {handle}) PublishWithID(ctx context.Context, clientMessageID string, data {data}) \
             (*gateway.MessageSent, error)"
        ),
        &["return topic.topic.PublishWithID(ctx, clientMessageID, data)".to_owned()],
    );
}

/// Writes the methods of a topic with presence.
fn write_presence(emitter: &mut Emitter<'_>, handle: &str, presence: Presence) {
    let shown = match presence {
        Presence::None => return,
        Presence::Plain => None,
        Presence::WithData(data) => Some(data),
    };
    let more = if shown.is_some() { " DecodePresence returns the data of a user." } else { "" };
    method(
        emitter,
        &format!("Presence returns the users who are present.{more}"),
        &format!("(topic {handle}) Presence(ctx context.Context) (*gateway.TopicPresence, error)"),
        &["return topic.topic.Presence(ctx)".to_owned()],
    );
    let Some(shown) = shown else { return };
    let data = emitter.name(shown).to_owned();
    let body = [
        "var with gateway.SubscribeOptions",
        "if options != nil {",
        "\twith = *options",
        "}",
        "with.Presence, with.PresenceData = true, data",
        "return topic.topic.Subscribe(ctx, &with)",
    ];
    method(
        emitter,
        "SubscribeWith subscribes with presence. The other users see this data of the user. options may be nil.",
        &format!(
            "(topic {handle}) SubscribeWith(ctx context.Context, data {data}, options *gateway.SubscribeOptions) \
             (*gateway.Subscription, error)"
        ),
        &body.map(str::to_owned),
    );
    write_decode(emitter, handle, "DecodePresence", "a user who is present, or of a change of presence", shown);
}
