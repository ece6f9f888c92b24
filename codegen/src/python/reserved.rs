//! Names that generated Python must not use.

/// What generated code of contracts imports from the package `realtime-gateway`.
pub(super) const IMPORTED: [&str; 11] = [
    "Client",
    "EphemeralEvent",
    "MessageSent",
    "Position",
    "PublishAccepted",
    "Subscription",
    "Topic",
    "TopicHistory",
    "TopicMessage",
    "TopicMessageEntry",
    "TopicPresence",
];

/// What generated code imports from the module `typing`.
pub(super) const TYPING: [&str; 5] = ["Any", "ClassVar", "Literal", "TypeAlias", "cast"];

/// Names of types that have a meaning of their own in every file.
pub(super) const TYPES: [&str; 8] = ["Any", "Callable", "ClassVar", "False", "Literal", "None", "True", "TypeAlias"];

/// Words that cannot be the name of a function, member or parameter.
pub(super) const WORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Names that the code within a class uses, so that a member would hide them.
pub(super) const MEMBERS: [&str; 13] = [
    "bool",
    "cls",
    "codec",
    "decode",
    "dict",
    "encode",
    "float",
    "int",
    "list",
    "object",
    "self",
    "staticmethod",
    "str",
];

/// Names that the annotations of a handle use, so that a method would hide them.
pub(super) const METHODS: [&str; 2] = ["float", "str"];

/// Functions that a file needs, which the function of a service would hide.
pub(super) const FUNCTIONS: [&str; 13] = [
    "annotations",
    "bool",
    "cast",
    "codec",
    "dataclass",
    "dict",
    "float",
    "int",
    "list",
    "object",
    "property",
    "staticmethod",
    "str",
];

/// Names within the methods of handles, which a parameter of a topic would hide.
pub(super) const LOCALS: [&str; 3] = ["codec", "self", "topic"];

/// Names within the methods of handles for backends, which a parameter of a topic would hide.
pub(super) const OF_PUBLISHERS: [&str; 8] = ["answer", "body", "codec", "data", "event_id", "publish", "self", "topic"];

/// Names within the functions of operations, which a parameter of a path would hide.
pub(super) const OF_OPERATIONS: [&str; 6] = ["body", "codec", "members", "operation", "path", "self"];
