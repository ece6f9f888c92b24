//! Names that generated Go must not use. Types, members and functions begin with a capital, so few are taken.

/// Types that a file may have besides those of the schema.
pub(super) const TYPES: [&str; 1] = ["Optional"];

/// Methods of structs, whose members must not have these names.
pub(super) const METHODS: [&str; 3] = ["IsZero", "MarshalJSON", "UnmarshalJSON"];

/// Words that cannot be the name of a parameter: keywords, and what the functions of handles use.
pub(super) const PARAMETERS: [&str; 33] = [
    "appendValue",
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "err",
    "error",
    "fallthrough",
    "for",
    "func",
    "gateway",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "invalid",
    "map",
    "nil",
    "package",
    "range",
    "return",
    "select",
    "service",
    "string",
    "struct",
    "switch",
    "topic",
    "type",
];
