//! Names that generated Go must not use. Types, members and functions begin with a capital, so few are taken.

/// Types that a file may have besides those of the schema.
pub(super) const TYPES: [&str; 1] = ["Optional"];

/// Methods of structs, whose members must not have these names.
pub(super) const METHODS: [&str; 3] = ["IsZero", "MarshalJSON", "UnmarshalJSON"];

/// Words that cannot be the name of a parameter: keywords, and types that generated functions name.
pub(super) const WORDS: [&str; 28] = [
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "error",
    "fallthrough",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "nil",
    "package",
    "range",
    "return",
    "select",
    "string",
    "struct",
    "switch",
    "type",
    "var",
];

/// Names within the functions of handles, which a parameter would hide.
pub(super) const OF_HANDLES: [&str; 9] =
    ["appendValue", "context", "ctx", "data", "err", "id", "publish", "service", "topic"];

/// Names within the functions of operations, which a parameter would hide.
pub(super) const OF_OPERATIONS: [&str; 7] = ["body", "c", "context", "ctx", "newID", "send", "url"];
