//! Names that generated Kotlin must not use.

/// The package of the built-in messages.
pub(super) const PROTOCOL: &str = "io.github.realtimegateway.protocol";

/// What generated code imports: the package and the name.
pub(super) const IMPORTED: [(&str, &str); 45] = [
    ("io.github.realtimegateway", "CallOptions"),
    ("io.github.realtimegateway", "Event"),
    ("io.github.realtimegateway", "GatewayClient"),
    ("io.github.realtimegateway", "HistoryOptions"),
    ("io.github.realtimegateway", "Published"),
    ("io.github.realtimegateway", "SendOptions"),
    ("io.github.realtimegateway", "SubscribeOptions"),
    ("io.github.realtimegateway", "Topic"),
    ("io.github.realtimegateway.codegen", "AliasSerializer"),
    ("io.github.realtimegateway.codegen", "ExactJson"),
    ("io.github.realtimegateway.codegen", "Member"),
    ("io.github.realtimegateway.codegen", "PresentJson"),
    ("io.github.realtimegateway.codegen", "TopicName"),
    ("io.github.realtimegateway.codegen", "UnionSerializer"),
    ("io.github.realtimegateway.codegen", "WordSerializer"),
    ("io.github.realtimegateway.codegen", "callTyped"),
    ("io.github.realtimegateway.codegen", "decodePresence"),
    ("io.github.realtimegateway.codegen", "publishTyped"),
    ("io.github.realtimegateway.codegen", "subscribeTyped"),
    ("io.github.realtimegateway.codegen", "subscribeTypedWith"),
    ("io.github.realtimegateway.codegen", "typedEvents"),
    ("io.github.realtimegateway.codegen", "typedEventsWith"),
    ("io.github.realtimegateway.codegen", "typedHistory"),
    ("io.github.realtimegateway.future", "FutureGatewayClient"),
    ("io.github.realtimegateway.future", "FutureTopic"),
    ("io.github.realtimegateway.future", "TypedEvent"),
    ("io.github.realtimegateway.future", "TypedHistory"),
    ("io.github.realtimegateway.future", "TypedSubscription"),
    ("java.util.concurrent", "CompletableFuture"),
    ("java.util.concurrent.Flow", "Publisher"),
    (PROTOCOL, "EphemeralEvent"),
    (PROTOCOL, "TopicHistory"),
    (PROTOCOL, "TopicMessage"),
    (PROTOCOL, "TopicPresence"),
    (PROTOCOL, "TopicPresenceChanged"),
    (PROTOCOL, "TopicUser"),
    ("kotlinx.coroutines.flow", "Flow"),
    ("kotlinx.serialization", "KSerializer"),
    ("kotlinx.serialization", "Required"),
    ("kotlinx.serialization", "SerialName"),
    ("kotlinx.serialization", "Serializable"),
    ("kotlinx.serialization", "UseSerializers"),
    ("kotlinx.serialization.json", "JsonElement"),
    ("kotlinx.serialization.json", "JsonObject"),
    ("kotlinx.serialization", "serializer"),
];

/// What generated code for backends imports in addition.
pub(super) const IMPORTED_BY_BACKENDS: [(&str, &str); 7] = [
    ("io.github.realtimegateway.codegen", "eventOf"),
    ("io.github.realtimegateway.codegen", "publishSent"),
    ("io.github.realtimegateway.codegen", "publishStored"),
    ("io.github.realtimegateway.publish", "FuturePublishClient"),
    ("io.github.realtimegateway.publish", "MessageAccepted"),
    ("io.github.realtimegateway.publish", "PublishClient"),
    ("java.util.concurrent", "CompletableFuture"),
];

/// What the operations of the HTTP API import in addition.
pub(super) const IMPORTED_BY_OPERATIONS: [(&str, &str); 2] =
    [("io.github.realtimegateway", "encode"), ("java.util.concurrent", "CompletableFuture")];

/// Names of types that have a meaning of their own in every file: those of the language, and those that are imported.
pub(super) const TYPES: [&str; 30] = [
    "AliasSerializer",
    "Any",
    "Array",
    "Boolean",
    "Double",
    "Enum",
    "ExactJson",
    "Int",
    "JsonElement",
    "JsonObject",
    "JvmField",
    "JvmOverloads",
    "KSerializer",
    "List",
    "Long",
    "Map",
    "Member",
    "Nothing",
    "Object",
    "PresentJson",
    "Required",
    "SerialName",
    "Serializable",
    "String",
    "Suppress",
    "Throwable",
    "UnionSerializer",
    "Unit",
    "UseSerializers",
    "WordSerializer",
];

/// Further names in the code of contracts, which uses the SDK.
pub(super) const SDK: [&str; 24] = [
    "CallOptions",
    "CompletableFuture",
    "EphemeralEvent",
    "Event",
    "Flow",
    "FutureGatewayClient",
    "FutureTopic",
    "GatewayClient",
    "HistoryOptions",
    "Published",
    "Publisher",
    "SendOptions",
    "SubscribeOptions",
    "Throws",
    "Topic",
    "TopicHistory",
    "TopicMessage",
    "TopicName",
    "TopicPresence",
    "TopicPresenceChanged",
    "TopicUser",
    "TypedEvent",
    "TypedHistory",
    "TypedSubscription",
];

/// Further names in the code for backends.
pub(super) const BACKENDS: [&str; 6] =
    ["CompletableFuture", "FuturePublishClient", "MessageAccepted", "PublishClient", "TopicName", "Void"];

/// Words that cannot be the name of a property, method or parameter.
pub(super) const WORDS: [&str; 30] = [
    "as",
    "break",
    "class",
    "continue",
    "do",
    "else",
    "false",
    "field",
    "for",
    "fun",
    "if",
    "in",
    "interface",
    "is",
    "null",
    "object",
    "package",
    "return",
    "super",
    "this",
    "throw",
    "true",
    "try",
    "typealias",
    "typeof",
    "val",
    "var",
    "when",
    "while",
    "yield",
];

/// Names within the methods of handles, which a parameter of a topic would hide.
pub(super) const LOCALS: [&str; 2] = ["client", "topic"];

/// Names within the methods of handles for backends, which a parameter of a topic would hide.
pub(super) const OF_PUBLISHERS: [&str; 3] = ["client", "data", "eventId"];

/// Names within the functions of operations, which a parameter of a path would hide.
pub(super) const OF_OPERATIONS: [&str; 1] = ["body"];

/// Keywords of Java that can be the name of a method in Kotlin.
pub(super) const JAVA: [&str; 36] = [
    "abstract",
    "assert",
    "boolean",
    "byte",
    "case",
    "catch",
    "char",
    "const",
    "default",
    "double",
    "enum",
    "extends",
    "final",
    "finally",
    "float",
    "goto",
    "implements",
    "import",
    "instanceof",
    "int",
    "long",
    "native",
    "new",
    "private",
    "protected",
    "public",
    "short",
    "static",
    "strictfp",
    "switch",
    "synchronized",
    "throws",
    "transient",
    "void",
    "volatile",
    "_",
];

/// Methods that every object has.
pub(super) const METHODS: [&str; 9] =
    ["clone", "equals", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait"];
