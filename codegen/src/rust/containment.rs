//! Which types contain each other, so that Rust needs a box between them.

use std::collections::BTreeSet;

use crate::model::{Model, Shape, Type, TypeId};

/// The types that each type contains directly, without a vector or map between them.
pub(crate) struct Containment {
    direct: Vec<Vec<TypeId>>,
    /// The types that an alias names anywhere, if they are aliases too.
    aliases: Vec<Vec<TypeId>>,
}

impl Containment {
    pub(crate) fn of(model: &Model) -> Self {
        let direct = model.definitions.iter().map(|definition| match &definition.shape {
            Shape::Object(object) => object.fields.iter().filter_map(|field| target(&field.value)).collect(),
            Shape::Union(union) => union.branches.iter().map(|branch| branch.value).collect(),
            Shape::Enum(_) => Vec::new(),
            Shape::Alias(value) => target(value).into_iter().collect(),
        });
        let is_alias = |id: &TypeId| matches!(model.definition(*id).shape, Shape::Alias(_));
        let aliases = model.definitions.iter().map(|definition| match &definition.shape {
            Shape::Alias(value) => innermost(value).into_iter().filter(is_alias).collect(),
            _ => Vec::new(),
        });
        Self { direct: direct.collect(), aliases: aliases.collect() }
    }

    /// Returns whether a member of this type, in this object, needs a box.
    pub(super) fn needs_box(&self, object: TypeId, member: &Type) -> bool {
        target(member).is_some_and(|target| reaches(&self.direct, target, object))
    }

    /// Returns whether an alias names itself, which a type alias of Rust cannot.
    pub(crate) fn is_recursive_alias(&self, alias: TypeId) -> bool {
        self.aliases.get(alias.0).into_iter().flatten().any(|target| reaches(&self.aliases, *target, alias))
    }
}

/// Returns whether one type is another, or leads to it.
fn reaches(edges: &[Vec<TypeId>], from: TypeId, to: TypeId) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(id) = open.pop() {
        if id == to {
            return true;
        }
        open.extend(edges.get(id.0).into_iter().flatten().filter(|next| seen.insert(**next)));
    }
    false
}

/// Returns the type that a member contains without a vector or map.
fn target(value: &Type) -> Option<TypeId> {
    match value {
        Type::Named(id) => Some(*id),
        Type::Nullable(inner) => target(inner),
        _ => None,
    }
}

/// Returns the named type within vectors and maps.
fn innermost(value: &Type) -> Option<TypeId> {
    match value {
        Type::Named(id) => Some(*id),
        Type::Nullable(inner) | Type::Array(inner) | Type::Map(inner) => innermost(inner),
        _ => None,
    }
}
