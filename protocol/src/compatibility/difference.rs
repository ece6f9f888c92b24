//! The kinds of difference between two documents, and which of them break a program.

use std::fmt;

use super::Direction;

/// One difference between an older and a newer schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The newer document has a further message.
    MessageAdded,
    /// The newer document has no message of this name.
    MessageRemoved,
    /// The newer schema has a further field.
    FieldAdded {
        /// Whether the field must be present.
        required: bool,
    },
    /// The newer schema has no field of this name.
    FieldRemoved,
    /// A field that could be absent must be present.
    BecameRequired,
    /// A field that was always present may be absent.
    BecameOptional,
    /// The JSON type is another one.
    TypeChanged {
        /// The older type; `any` without one.
        old: String,
        /// The newer type; `any` without one.
        new: String,
    },
    /// A bound on a length, a number or a count allows fewer values than before.
    BoundNarrowed(Bound),
    /// A bound on a length, a number or a count allows more values than before.
    BoundWidened(Bound),
    /// An enumeration has a further word.
    WordAdded(String),
    /// An enumeration has lost a word, such as an error code.
    WordRemoved(String),
    /// What an absent field means is different.
    DefaultChanged {
        /// The older default as JSON; `none` without one.
        old: String,
        /// The newer default as JSON; `none` without one.
        new: String,
    },
    /// The newer document has a further close code.
    CloseCodeAdded,
    /// The newer document does not have the close code.
    CloseCodeRemoved,
    /// A client that follows the older advice after this close code does not do what the newer advice says.
    ReconnectAdviceChanged {
        /// The older word, such as `never`.
        old: String,
        /// The newer word.
        new: String,
    },
    /// The time in milliseconds after which a client connects again is different.
    ReconnectDelayChanged {
        /// The older time; `none` without one.
        old: String,
        /// The newer time; `none` without one.
        new: String,
    },
    /// Another constraint, such as `pattern`, is different, so that nothing shows which values fit both schemas.
    ConstraintChanged(String),
}

/// A bound and its two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The keyword of JSON Schema.
    pub keyword: &'static str,
    /// The older value; `none` without one.
    pub old: String,
    /// The newer value; `none` without one.
    pub new: String,
}

impl Difference {
    /// Whether a program that was written for the older schema may fail.
    pub(super) fn is_breaking(&self, direction: Direction) -> bool {
        let to_gateway = direction == Direction::ToGateway;
        match self {
            // Receivers ignore messages and fields that they do not know, and every enumeration may grow (protocol page,
            // "Messages").
            Self::MessageAdded | Self::WordAdded(_) | Self::FieldAdded { required: false } => false,
            // A client gives a close code that it does not know the advice of its range, which is compared separately. A
            // client that waits for the older delay still connects again.
            Self::CloseCodeAdded | Self::ReconnectDelayChanged { .. } => false,
            Self::FieldAdded { required: true } | Self::BecameRequired | Self::BoundNarrowed(_) => to_gateway,
            Self::BecameOptional | Self::BoundWidened(_) => !to_gateway,
            Self::MessageRemoved
            | Self::FieldRemoved
            | Self::TypeChanged { .. }
            | Self::WordRemoved(_)
            | Self::DefaultChanged { .. }
            | Self::CloseCodeRemoved
            | Self::ReconnectAdviceChanged { .. }
            | Self::ConstraintChanged(_) => true,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageAdded => write!(f, "the message was added"),
            Self::MessageRemoved => write!(f, "the message was removed"),
            Self::FieldAdded { required: true } => write!(f, "the field was added and is required"),
            Self::FieldAdded { required: false } => write!(f, "the field was added"),
            Self::FieldRemoved => write!(f, "the field was removed"),
            Self::BecameRequired => write!(f, "the field is now required"),
            Self::BecameOptional => write!(f, "the field may now be absent"),
            Self::TypeChanged { old, new } => write!(f, "the type went from {old} to {new}"),
            Self::BoundNarrowed(bound) | Self::BoundWidened(bound) => bound.fmt(f),
            Self::WordAdded(word) => write!(f, "`{word}` was added"),
            Self::WordRemoved(word) => write!(f, "`{word}` was removed"),
            Self::DefaultChanged { old, new } => write!(f, "the default went from {old} to {new}"),
            Self::CloseCodeAdded => write!(f, "the close code was added"),
            Self::CloseCodeRemoved => write!(f, "the close code was removed"),
            Self::ReconnectAdviceChanged { old, new } => {
                write!(f, "the reconnect advice went from `{old}` to `{new}`")
            }
            Self::ReconnectDelayChanged { old, new } => write!(f, "the reconnect delay in ms went from {old} to {new}"),
            Self::ConstraintChanged(keyword) => write!(f, "`{keyword}` is different"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` went from {} to {}", self.keyword, self.old, self.new)
    }
}
