//! Names that generated Rust must not use.

/// Names of types and variants that have a meaning of their own: those of the prelude, and those that are imported.
pub(super) const TYPES: [&str; 54] = [
    "AsMut",
    "AsRef",
    "BTreeMap",
    "Box",
    "CallOptions",
    "Client",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deserialize",
    "DeserializeOwned",
    "Deserializer",
    "DoubleEndedIterator",
    "Drop",
    "EphemeralEvent",
    "Eq",
    "Err",
    "Error",
    "Event",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "GetTopicHistory",
    "Hash",
    "History",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Publish",
    "RawJson",
    "Result",
    "Self",
    "Send",
    "Serialize",
    "Serializer",
    "ServiceTopic",
    "Some",
    "String",
    "ToOwned",
    "TopicPresence",
    "Vec",
];

/// Names of variants that have a meaning of their own.
pub(super) const VARIANTS: [&str; 2] = ["Self", "Unknown"];

/// Words that cannot be the name of a function, member or parameter.
pub(super) const WORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

/// Functions of the generated file.
pub(super) const FUNCTIONS: [&str; 5] = ["present", "tag", "branch", "push_value", "de"];

/// Names within the functions of handles, which a parameter of a topic would hide.
pub(super) const LOCALS: [&str; 1] = ["topic"];

/// Methods that the handle of a topic or service has already.
pub(super) const METHODS: [&str; 1] = ["clone"];
