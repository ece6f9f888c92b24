//! The intermediate form of contracts and of the built-in messages, from which the emitters of all languages write code.

use gateway_contracts::Parameter;

use crate::Warning;

/// The content of one generated file: that of contracts, or the built-in messages.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) services: Vec<Service>,
    /// The requests of the HTTP API, if the model is of an OpenAPI document.
    pub(crate) operations: Vec<Operation>,
    /// The types. A [`TypeId`] is an index.
    pub(crate) definitions: Vec<Definition>,
    /// The types in the order in which they are written: that of the schemas, each followed by the types within it.
    pub(crate) order: Vec<TypeId>,
    pub(crate) warnings: Vec<Warning>,
    /// The position of each integer of 64 bits, as a warning for languages without such a type.
    pub(crate) long_integers: Vec<Warning>,
    /// The position of each member that the tag of a Go struct cannot name, as a warning.
    pub(crate) unusual_names: Vec<Warning>,
}

impl Model {
    /// Returns a definition.
    pub(crate) fn definition(&self, id: TypeId) -> &Definition {
        #[expect(clippy::indexing_slicing, reason = "ids are made together with the definitions and never removed")]
        &self.definitions[id.0]
    }

    /// Returns the definitions in the order in which they are written.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (TypeId, &Definition)> {
        self.order.iter().map(|id| (*id, self.definition(*id)))
    }

    /// Returns whether `null` is a value of a type.
    pub(crate) fn is_nullable(&self, value: &Type) -> bool {
        match value {
            Type::Nullable(_) | Type::Null | Type::Untyped => true,
            Type::Named(id) => match &self.definition(*id).shape {
                Shape::Alias(inner) => self.is_nullable(inner),
                _ => false,
            },
            _ => false,
        }
    }
}

/// The index of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) usize);

/// A service with its topics and calls.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    /// The file of the contract, for errors.
    pub(crate) file: String,
    pub(crate) topics: Vec<Topic>,
    pub(crate) calls: Vec<Call>,
}

/// A kind of topics.
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) first_literal: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) event: TypeId,
    /// What clients may publish, if they may.
    pub(crate) publish: Option<TypeId>,
    pub(crate) keeps_history: bool,
    pub(crate) presence: Presence,
}

/// Whether a topic has presence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presence {
    None,
    /// Without data of the users.
    Plain,
    /// With data of this type.
    WithData(TypeId),
}

/// A call.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) request: TypeId,
    pub(crate) response: TypeId,
}

/// A request of the HTTP API with a JSON body and a JSON answer.
pub(crate) struct Operation {
    /// The `operationId`.
    pub(crate) name: String,
    /// The file and the JSON pointer, for errors.
    pub(crate) position: String,
    pub(crate) notes: Notes,
    /// The method, such as `POST`.
    pub(crate) method: String,
    /// The path, in parts.
    pub(crate) path: Vec<PathPart>,
    pub(crate) body: TypeId,
    /// The member of the body that makes a repeat safe.
    pub(crate) idempotency_key: Option<String>,
    pub(crate) response: TypeId,
    /// Whether an answer may have no body instead.
    pub(crate) may_be_empty: bool,
}

/// A part of the path of a request.
pub(crate) enum PathPart {
    Literal(String),
    /// A parameter, which is percent-encoded.
    Parameter(String),
}

/// A named type.
pub(crate) struct Definition {
    /// The name in the style `OrderEvent`, before a language adds `_` to reserved words.
    pub(crate) name: String,
    /// The file and the JSON pointer, for errors.
    pub(crate) position: String,
    pub(crate) notes: Notes,
    pub(crate) shape: Shape,
}

/// What is said about a type or member in its comment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// `description`, or else `title`.
    pub(crate) description: Option<String>,
    /// The constraints that the type does not express, such as `at least 1`.
    pub(crate) constraints: Vec<String>,
    pub(crate) is_deprecated: bool,
}

/// The content of a named type.
pub(crate) enum Shape {
    Object(Object),
    Union(Union),
    Enum(Enum),
    /// Another name for a type.
    Alias(Type),
}

/// An object with known members.
pub(crate) struct Object {
    pub(crate) fields: Vec<Field>,
}

impl Object {
    /// Returns the member that tells the branches of a union apart: the first required one with a constant text.
    pub(crate) fn tag(&self) -> Option<(&str, &str)> {
        self.fields.iter().find_map(|field| match &field.value {
            Type::Constant(Constant::Text(word)) if field.is_required => Some((field.name.as_str(), word.as_str())),
            _ => None,
        })
    }
}

/// A member of an object.
pub(crate) struct Field {
    /// The name in JSON.
    pub(crate) name: String,
    /// The name that the generated code is based on: `x-name`, or else the name in JSON.
    pub(crate) base_name: String,
    pub(crate) position: String,
    pub(crate) notes: Notes,
    pub(crate) is_required: bool,
    /// Whether it is a text of the format `date-time`.
    pub(crate) is_time: bool,
    pub(crate) value: Type,
}

/// A tagged union.
pub(crate) struct Union {
    /// The name of the member whose constant selects the branch.
    pub(crate) tag: String,
    pub(crate) branches: Vec<Branch>,
    /// Whether no further branches may come.
    pub(crate) is_closed: bool,
}

/// A branch of a union.
pub(crate) struct Branch {
    pub(crate) word: String,
    pub(crate) value: TypeId,
}

/// An enumeration of texts.
pub(crate) struct Enum {
    pub(crate) words: Vec<Word>,
    /// Whether no further words may come.
    pub(crate) is_closed: bool,
}

/// A word of an enumeration.
pub(crate) struct Word {
    pub(crate) text: String,
    /// `x-name`, or else the text.
    pub(crate) base_name: String,
    pub(crate) notes: Notes,
}

/// A type in use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Named(TypeId),
    /// The type, or `null`.
    Nullable(Box<Type>),
    Array(Box<Type>),
    /// An object whose member names are data.
    Map(Box<Type>),
    Text,
    Boolean,
    Int32,
    Int64,
    /// An integer without a format.
    Integer,
    Number,
    Null,
    Constant(Constant),
    /// Any JSON.
    Untyped,
}

/// A value that never changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Text(String),
    Boolean(bool),
    /// The digits of a whole number.
    Integer(i64),
}
