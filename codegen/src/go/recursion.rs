//! Which structs would contain themselves, so that Go needs a pointer between them.

use std::collections::BTreeSet;

use crate::model::{Model, Shape, Type, TypeId};

/// Returns whether a required member of this type, in this object, leads back to the object without a pointer.
pub(super) fn needs_pointer(model: &Model, object: TypeId, member: &Type) -> bool {
    let Type::Named(first) = member else { return false };
    let (mut seen, mut open) = (BTreeSet::from([*first]), vec![*first]);
    while let Some(id) = open.pop() {
        if id == object {
            return true;
        }
        open.extend(contained(model, id).into_iter().filter(|next| seen.insert(*next)));
    }
    false
}

/// Returns the types that a value of a type contains without a pointer, list, map or interface between them.
fn contained(model: &Model, id: TypeId) -> Vec<TypeId> {
    let target = |value: &Type| match value {
        Type::Named(id) => Some(*id),
        _ => None,
    };
    match &model.definition(id).shape {
        Shape::Object(object) => {
            let required = object.fields.iter().filter(|field| field.is_required);
            required.filter_map(|field| target(&field.value)).collect()
        }
        Shape::Alias(value) => target(value).into_iter().collect(),
        Shape::Union(_) | Shape::Enum(_) => Vec::new(),
    }
}
