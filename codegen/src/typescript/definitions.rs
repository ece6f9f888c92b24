//! Writes the types.

use super::{Emitter, literal, property};
use crate::{
    CodegenError,
    generator::Content,
    model::{Definition, Enum, Object, Shape, TypeId, Union},
};

/// Writes all types.
pub(super) fn write(emitter: &mut Emitter<'_>, content: Content) -> Result<(), CodegenError> {
    let model = emitter.model;
    let is_open = |definition: &Definition| matches!(&definition.shape, Shape::Union(union) if !union.is_closed);
    let has_code = matches!(content, Content::Contracts | Content::Publishers);
    if has_code && model.in_order().any(|(_, definition)| is_open(definition)) {
        emitter.code.gap();
        emitter.scope.add("UnlistedTag", "the generated type of unknown tags")?;
        emitter.scope.add("UnknownTag", "the generated type of unknown tags")?;
        emitter.note(
            0,
            "The tag of a branch that this file does not know: an ordinary string, different from all known tags.",
        );
        emitter.code.line(0, "export type UnknownTag = UnlistedTag.Tag;");
        emitter.code.gap();
        // The compiler tells branches apart by types with one value only. It keeps the member of an enumeration apart from
        // all texts, and a declared enumeration has no code.
        emitter.code.line(0, "declare enum UnlistedTag {");
        emitter.code.line(2, "Tag = \"\",");
        emitter.code.line(0, "}");
    }
    for (id, definition) in model.in_order() {
        emitter.code.gap();
        match &definition.shape {
            Shape::Object(object) => self::object(emitter, id, definition, object),
            Shape::Union(union) if has_code => self::union(emitter, id, definition, union)?,
            Shape::Union(union) => known_branches(emitter, id, definition, union),
            Shape::Enum(words) => enumeration(emitter, id, definition, words),
            Shape::Alias(value) => {
                emitter.comment(0, &definition.notes, &[]);
                let line = format!("export type {} = {};", emitter.name(id), emitter.written(value));
                emitter.code.line(0, &line);
            }
        }
    }
    Ok(())
}

fn object(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, object: &Object) {
    emitter.comment(0, &definition.notes, &[]);
    if object.fields.is_empty() {
        // An empty interface would accept any value but null.
        let line = format!("export type {} = object;", emitter.name(id));
        return emitter.code.line(0, &line);
    }
    let line = format!("export interface {} {{", emitter.name(id));
    emitter.code.line(0, &line);
    for field in &object.fields {
        emitter.comment(2, &field.notes, &[]);
        let mark = if field.is_required { "" } else { "?" };
        let line = format!("{}{mark}: {};", property(&field.name), emitter.written(&field.value));
        emitter.code.line(2, &line);
    }
    emitter.code.line(0, "}");
}

fn union(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, union: &Union) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let branches: Vec<String> = union.branches.iter().map(|it| emitter.name(it.value).to_owned()).collect();
    emitter.comment(0, &definition.notes, &[]);
    if union.is_closed {
        alternatives(emitter, &name, &branches);
        return Ok(());
    }
    let (known, unknown, narrow) = (format!("Known{name}"), format!("Unknown{name}"), format!("known{name}"));
    for name in [&known, &unknown, &narrow] {
        emitter.scope.add(name, &definition.position)?;
    }
    emitter.code.line(0, &format!("export type {name} = {known} | {unknown};"));
    emitter.code.gap();
    emitter.note(0, &format!("The branches of `{name}` that this file knows."));
    alternatives(emitter, &known, &branches);
    emitter.code.gap();
    emitter.note(0, &format!("A branch of `{name}` that this file does not know. It keeps all its members."));
    emitter.code.line(0, &format!("export interface {unknown} {{"));
    let tag = property(&union.tag);
    emitter.code.line(2, &format!("{tag}: UnknownTag;"));
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.note(0, "Returns the value if this file knows its branch, and `undefined` otherwise.");
    emitter.code.line(0, &format!("export function {narrow}(value: {name}): {known} | undefined {{"));
    let access = if tag.starts_with('"') { format!("value[{tag}]") } else { format!("value.{tag}") };
    emitter.code.line(2, &format!("switch ({access}) {{"));
    for branch in &union.branches {
        emitter.code.line(4, &format!("case {}:", literal(&branch.word)));
    }
    emitter.code.line(6, "return value;");
    emitter.code.line(4, "default:");
    emitter.code.line(6, "return undefined;");
    emitter.code.line(2, "}");
    emitter.code.line(0, "}");
    Ok(())
}

/// Writes a union as its known branches. Declarations have no function that recognises the others.
fn known_branches(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, union: &Union) {
    let name = emitter.name(id).to_owned();
    let branches: Vec<String> = union.branches.iter().map(|it| emitter.name(it.value).to_owned()).collect();
    let more = format!("Ignore unknown values of `{}`, because a later version may add some.", union.tag);
    emitter.comment(0, &definition.notes, if union.is_closed { &[] } else { std::slice::from_ref(&more) });
    alternatives(emitter, &name, &branches);
}

/// Writes a type that is one of several.
fn alternatives(emitter: &mut Emitter<'_>, name: &str, alternatives: &[String]) {
    let line = format!("export type {name} = {};", alternatives.join(" | "));
    if line.chars().count() <= 100 {
        return emitter.code.line(0, &line);
    }
    emitter.code.line(0, &format!("export type {name} ="));
    for (index, alternative) in alternatives.iter().enumerate() {
        let end = if index + 1 == alternatives.len() { ";" } else { "" };
        emitter.code.line(2, &format!("| {alternative}{end}"));
    }
}

fn enumeration(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, words: &Enum) {
    let name = emitter.name(id).to_owned();
    let mut alternatives: Vec<String> = words.words.iter().map(|word| literal(&word.text)).collect();
    let mut more = Vec::new();
    if !words.is_closed {
        // Editors still suggest the words.
        alternatives.push("(string & {})".to_owned());
        more.push("Other words may come.".to_owned());
    }
    emitter.comment(0, &definition.notes, &more);
    self::alternatives(emitter, &name, &alternatives);
}
