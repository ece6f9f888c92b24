//! Writes the handles of services: classes with a method for each topic and call, with coroutines for Kotlin, and with futures and
//! publishers for Java.

use super::{Emitter, LANGUAGE, definitions::method, literal, member, reserved};
use crate::{
    CodegenError,
    generator::Options,
    model::{Call, Presence, Service, Topic},
    names::{Scope, pascal, unreserved},
};

/// The language that a handle is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Suspending functions and flows.
    Kotlin,
    /// Futures and publishers, without types of Kotlin.
    Java,
}

impl Style {
    pub(super) const ALL: [Self; 2] = [Self::Kotlin, Self::Java];

    /// Returns the beginning of the names of handles, and of the clients that they use.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Kotlin => "",
            Self::Java => "Future",
        }
    }

    /// Returns the end of a comment.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Kotlin => "",
            Self::Java => ", for Java",
        }
    }

    /// Returns the name of a method. Java cannot call one that is named like its keywords.
    pub(super) fn method(self, name: &str) -> String {
        match self {
            Self::Kotlin => method(name),
            Self::Java => unreserved(method(name), &reserved::JAVA),
        }
    }

    /// Returns the beginning of a function whose result comes later.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Kotlin => "suspend fun",
            Self::Java => "fun",
        }
    }

    /// Returns a result that comes later.
    pub(super) fn later(self, result: &str) -> String {
        match self {
            Self::Kotlin => result.to_owned(),
            Self::Java => format!("CompletableFuture<{result}>"),
        }
    }

    /// Writes the annotation of a function with default arguments, which Java does not have.
    pub(super) fn overloads(self, emitter: &mut Emitter<'_>) {
        if self == Self::Java {
            emitter.code.line(4, "@JvmOverloads");
        }
    }
}

/// Writes the handles of all services.
pub(super) fn write(emitter: &mut Emitter<'_>, options: &Options<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for style in Style::ALL {
        for service in options.services(model) {
            let handle = format!("{}{}Service", pascal(&service.name), style.prefix());
            emitter.scope.add(&handle, &format!("{}: service `{}`", service.file, service.name))?;
            write_service(emitter, service, &handle, options, style)?;
            for topic in &service.topics {
                write_topic(emitter, service, topic, style)?;
            }
        }
    }
    Ok(())
}

fn topic_type(service: &Service, topic: &Topic, style: Style) -> String {
    format!("{}{}{}Topic", pascal(&service.name), pascal(&topic.name), style.prefix())
}

fn write_service(
    emitter: &mut Emitter<'_>,
    service: &Service,
    handle: &str,
    options: &Options<'_>,
    style: Style,
) -> Result<(), CodegenError> {
    let title = service.title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    emitter.code.gap();
    emitter.note(0, &format!("The service `{}`{}{title}.", service.name, style.note()));
    emitter.code.line(0, &format!("public class {handle}(private val client: {}GatewayClient) {{", style.prefix()));
    let mut methods = Scope::new(LANGUAGE);
    let mut is_first = true;
    for topic in &service.topics {
        methods.add(&style.method(&topic.name), &format!("{}: topic `{}`", service.file, topic.name))?;
        gap(emitter, &mut is_first);
        topic_method(emitter, service, topic, style)?;
    }
    for call in options.calls(service) {
        methods.add(&style.method(&call.name), &format!("{}: call `{}`", service.file, call.name))?;
        gap(emitter, &mut is_first);
        call_method(emitter, service, call, style);
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

fn topic_method(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic, style: Style) -> Result<(), CodegenError> {
    let TopicName { parameters, first, values } = topic_name(service, topic, &reserved::LOCALS)?;
    let mut about = format!("Returns the topic `{}`.", topic.pattern);
    if !parameters.is_empty() {
        about.push_str(" Throws `GatewayException.Invalid` if no topic of the pattern has these values.");
    }
    emitter.note(4, &about);
    let list: Vec<String> = parameters.iter().map(|name| format!("{name}: String")).collect();
    let (name, handle) = (style.method(&topic.name), topic_type(service, topic, style));
    emitter.code.line(4, &format!("public fun {name}({}): {handle} {{", list.join(", ")));
    emitter.code.line(8, &format!("val topic = {first}"));
    values.iter().for_each(|value| emitter.code.line(12, value));
    emitter.code.line(8, &format!("return {handle}(client.topic({}, topic.toString()))", literal(&service.name)));
    emitter.code.line(4, "}");
    Ok(())
}

fn call_method(emitter: &mut Emitter<'_>, service: &Service, call: &Call, style: Style) {
    let (request, response) = (emitter.name(call.request).to_owned(), emitter.name(call.response).to_owned());
    emitter.note(4, &format!("Calls `{}` of the backend service.", call.name));
    style.overloads(emitter);
    emitter.code.line(4, &format!("public {} {}(", style.function(), style.method(&call.name)));
    emitter.code.line(8, &format!("data: {request},"));
    emitter.code.line(8, "options: CallOptions = CallOptions(),");
    emitter.code.line(4, &format!("): {} =", style.later(&response)));
    emitter.code.line(8, if style == Style::Java { "client.callTyped(" } else { "client.call(" });
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

fn write_topic(emitter: &mut Emitter<'_>, service: &Service, topic: &Topic, style: Style) -> Result<(), CodegenError> {
    let handle = topic_type(service, topic, style);
    emitter.scope.add(&handle, &format!("{}: topic `{}`", service.file, topic.name))?;
    emitter.code.gap();
    emitter.note(0, &format!("A topic `{}` of the service `{}`{}.", topic.pattern, service.name, style.note()));
    emitter.code.line(0, &format!("public class {handle} internal constructor("));
    emitter.note(4, "The topic, without types.");
    emitter.code.line(4, &format!("public val topic: {}Topic,", style.prefix()));
    emitter.code.line(0, ") {");
    let event = emitter.name(topic.event).to_owned();
    match style {
        Style::Kotlin => write_events(emitter, topic, &event),
        Style::Java => write_typed_events(emitter, &event),
    }
    if let Some(publish) = topic.publish {
        let publish = emitter.name(publish).to_owned();
        emitter.code.gap();
        let about = if topic.keeps_history {
            "Publishes data, and waits until it is stored, once."
        } else {
            "Publishes data to the current subscribers. A repeat after a lost connection may arrive as a copy."
        };
        emitter.note(4, about);
        style.overloads(emitter);
        emitter.code.line(4, &format!("public {} publish(", style.function()));
        emitter.code.line(8, &format!("data: {publish},"));
        emitter.code.line(8, "options: SendOptions = SendOptions(),");
        emitter.code.line(4, &format!("): {} =", style.later("Published")));
        let function = if style == Style::Java { "publishTyped" } else { "publish" };
        emitter.code.line(8, &format!("topic.{function}(data, serializer<{publish}>(), options)"));
    }
    if topic.keeps_history {
        let (result, call) = match style {
            Style::Kotlin => ("TopicHistory".to_owned(), "topic.history(options)".to_owned()),
            Style::Java => {
                (format!("TypedHistory<{event}>"), format!("topic.typedHistory(serializer<{event}>(), options)"))
            }
        };
        emitter.code.gap();
        emitter.note(4, "Returns a page of the history in ascending order of offsets.");
        with_options(
            emitter,
            style,
            &[],
            &format!("{} history", style.function()),
            "HistoryOptions",
            &style.later(&result),
        );
        emitter.code.line(8, &call);
    }
    write_presence(emitter, topic.presence, &event, style);
    emitter.code.line(0, "}");
    Ok(())
}

/// Writes the head of a function with parameters and, as its last one, options.
fn with_options(
    emitter: &mut Emitter<'_>,
    style: Style,
    parameters: &[String],
    function: &str,
    options: &str,
    result: &str,
) {
    style.overloads(emitter);
    let parameters: String = parameters.iter().map(|parameter| format!("{parameter}, ")).collect();
    emitter.code.line(4, &format!("public {function}({parameters}options: {options} = {options}()): {result} ="));
}

/// Writes the methods for events in Kotlin, which are decoded by the topic.
fn write_events(emitter: &mut Emitter<'_>, topic: &Topic, event: &str) {
    emitter.note(4, "Returns the events. Each collection is a subscription. `decode` returns the data of an event.");
    with_options(emitter, Style::Kotlin, &[], "fun events", "SubscribeOptions", "Flow<Event>");
    emitter.code.line(8, "topic.events(options)");
    emitter.code.gap();
    emitter.note(4, "Returns the data of an event. Throws `GatewayException.Invalid` if it does not match the type.");
    let message = if topic.keeps_history { "TopicMessage" } else { "EphemeralEvent" };
    emitter.code.line(4, &format!("public fun decode(event: {message}): {event} ="));
    emitter.code.line(8, &format!("topic.decode(serializer<{event}>(), event.data)"));
}

/// Writes the methods for events in Java.
fn write_typed_events(emitter: &mut Emitter<'_>, event: &str) {
    emitter.note(4, "Returns the events. Each subscriber has a subscription of its own, which ends when it cancels.");
    with_options(emitter, Style::Java, &[], "fun events", "SubscribeOptions", &publisher(event));
    emitter.code.line(8, &format!("topic.typedEvents(serializer<{event}>(), options)"));
    emitter.code.gap();
    emitter.note(4, "Subscribes. The future is complete when the gateway has confirmed it.");
    with_options(emitter, Style::Java, &[], "fun subscribe", "SubscribeOptions", &subscription(event));
    emitter.code.line(8, &format!("topic.subscribeTyped(serializer<{event}>(), options)"));
}

fn publisher(event: &str) -> String {
    format!("Publisher<TypedEvent<{event}>>")
}

fn subscription(event: &str) -> String {
    format!("CompletableFuture<TypedSubscription<{event}>>")
}

/// Writes the methods of a topic with presence.
fn write_presence(emitter: &mut Emitter<'_>, presence: Presence, event: &str, style: Style) {
    let data = match presence {
        Presence::None => return,
        Presence::Plain => None,
        Presence::WithData(data) => Some(emitter.name(data).to_owned()),
    };
    emitter.code.gap();
    emitter.note(4, "Returns the users who are present.");
    let result = style.later("TopicPresence");
    emitter.code.line(4, &format!("public {} presence(): {result} = topic.presence()", style.function()));
    let Some(data) = data else { return };
    let parameters = [format!("data: {data}")];
    emitter.code.gap();
    emitter.note(4, "Returns the events, with presence. The other users see this data of the user.");
    match style {
        Style::Kotlin => {
            with_options(emitter, style, &parameters, "fun eventsWith", "SubscribeOptions", "Flow<Event>");
            emitter
                .code
                .line(8, &format!("topic.events(options.withPresence(topic.encode(serializer<{data}>(), data)))"));
            emitter.code.gap();
            emitter.note(
                4,
                "Returns the data of a user. Throws `GatewayException.Invalid` if it does not match the type.",
            );
            emitter.code.line(4, &format!("public fun decodePresence(data: JsonElement): {data} ="));
            emitter.code.line(8, &format!("topic.decode(serializer<{data}>(), data)"));
        }
        Style::Java => {
            with_options(emitter, style, &parameters, "fun eventsWith", "SubscribeOptions", &publisher(event));
            emitter
                .code
                .line(8, &format!("topic.typedEventsWith(data, serializer<{data}>(), serializer<{event}>(), options)"));
            emitter.code.gap();
            emitter.note(4, "Subscribes, with presence. The other users see this data of the user.");
            with_options(emitter, style, &parameters, "fun subscribeWith", "SubscribeOptions", &subscription(event));
            emitter.code.line(
                8,
                &format!("topic.subscribeTypedWith(data, serializer<{data}>(), serializer<{event}>(), options)"),
            );
            for user in ["TopicUser", "TopicPresenceChanged"] {
                emitter.code.gap();
                let about = "Returns the data that a user shows; null if there is none.";
                emitter.note(4, &format!("{about} Throws `GatewayException.Invalid` if it does not match the type."));
                emitter.code.line(4, &format!("public fun decodePresence(user: {user}): {data}? ="));
                emitter.code.line(8, &format!("topic.decodePresence(serializer<{data}>(), user.data)"));
            }
        }
    }
}
