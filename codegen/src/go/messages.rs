//! The built-in messages, for the Go SDK itself: those that a client receives. Its methods write the commands.

use std::collections::BTreeSet;

use super::{Emitter, format::literal, names::exported};
use crate::model::{Model, Shape, Type, TypeId, Union};

/// The union of all messages that a client receives.
const RECEIVED: &str = "ServerMessage";

/// Returns the types that messages to clients consist of, in their order.
pub(super) fn received(model: &Model) -> Vec<TypeId> {
    let union = model.in_order().find(|(_, definition)| definition.name == RECEIVED).map(|(id, _)| id);
    let mut seen: BTreeSet<TypeId> = union.into_iter().collect();
    let mut open: Vec<TypeId> = union.into_iter().collect();
    while let Some(id) = open.pop() {
        open.extend(parts(model, id).into_iter().filter(|next| seen.insert(*next)));
    }
    model.order.iter().copied().filter(|id| seen.contains(id)).collect()
}

/// Returns the types that a type names.
fn parts(model: &Model, id: TypeId) -> Vec<TypeId> {
    match &model.definition(id).shape {
        Shape::Object(object) => object.fields.iter().filter_map(|field| innermost(&field.value)).collect(),
        Shape::Union(union) => union.branches.iter().map(|branch| branch.value).collect(),
        Shape::Alias(value) => innermost(value).into_iter().collect(),
        Shape::Enum(_) => Vec::new(),
    }
}

/// Returns the named type within lists and maps.
fn innermost(value: &Type) -> Option<TypeId> {
    match value {
        Type::Named(id) => Some(*id),
        Type::Nullable(inner) | Type::Array(inner) | Type::Map(inner) => innermost(inner),
        _ => None,
    }
}

/// Writes what the SDK needs of a union: a function that returns an empty branch, and a method that returns its word. They refer
/// to the interface `Message` of the SDK.
pub(super) fn write_union(emitter: &mut Emitter<'_>, union: &Union) {
    let method = exported(&union.tag);
    emitter.note("newMessage returns an empty message of a type; nil for a type that this version does not know.");
    emitter.code.line(0, "func newMessage(messageType string) Message {");
    emitter.code.line(0, "\tswitch messageType {");
    for branch in &union.branches {
        let name = emitter.name(branch.value).to_owned();
        emitter.code.line(0, &format!("\tcase {}:", literal(&branch.word)));
        emitter.code.line(0, &format!("\t\treturn new({name})"));
    }
    emitter.code.line(0, "\t}");
    emitter.code.line(0, "\treturn nil");
    emitter.code.line(0, "}");
    for branch in &union.branches {
        let (name, word) = (emitter.name(branch.value).to_owned(), literal(&branch.word));
        emitter.code.line(0, "");
        emitter.note(&format!("{method} returns {word}."));
        emitter.code.line(0, &format!("func (*{name}) {method}() string {{ return {word} }}"));
    }
}
