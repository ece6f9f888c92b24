//! Writes the types.

use super::{Emitter, LANGUAGE, format::literal, reserved};
use crate::{
    CodegenError,
    model::{Constant, Definition, Enum, Object, Shape, Type, TypeId, Union},
    names::{Scope, snake, unreserved, variant},
};

const DERIVES: &str = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]";

/// Writes all types.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for (id, definition) in model.in_order() {
        emitter.code.gap();
        match &definition.shape {
            Shape::Object(object) => self::object(emitter, id, definition, object)?,
            Shape::Union(union) => self::union(emitter, id, definition, union)?,
            Shape::Enum(words) => enumeration(emitter, id, definition, words)?,
            Shape::Alias(value) => alias(emitter, id, definition, value),
        }
    }
    Ok(())
}

fn alias(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, value: &Type) {
    emitter.comment(0, &definition.notes, &[]);
    let (name, written) = (emitter.name(id).to_owned(), emitter.written(value, false));
    if emitter.containment.is_recursive_alias(id) {
        emitter.code.line(0, DERIVES);
        emitter.code.line(0, "#[serde(transparent)]");
        emitter.code.line(0, &format!("pub struct {name}(pub {written});"));
    } else {
        emitter.code.two_parts(0, &format!("pub type {name} ="), &format!("{written};"));
    }
}

fn object(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, object: &Object) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    emitter.comment(0, &definition.notes, &[]);
    emitter.code.line(0, DERIVES);
    // serde writes the tag, so that it needs no member.
    if let Some((tag, word)) = object.tag() {
        let arguments = [format!("tag = {}", literal(tag)), format!("rename = {}", literal(word))];
        emitter.code.attribute(0, "serde", &arguments);
    }
    let mut scope = Scope::new(LANGUAGE);
    let tag = object.tag().map(|(tag, _)| tag);
    let fields: Vec<_> = object.fields.iter().filter(|field| Some(field.name.as_str()) != tag).collect();
    if fields.is_empty() {
        emitter.code.line(0, &format!("pub struct {name} {{}}"));
        return Ok(());
    }
    emitter.code.line(0, &format!("pub struct {name} {{"));
    for field in fields {
        let member = unreserved(snake(&field.base_name), &reserved::WORDS);
        scope.add(&member, &field.position)?;
        let constant = match &field.value {
            Type::Constant(Constant::Text(text)) => Some(literal(text)),
            Type::Constant(Constant::Boolean(value)) => Some(value.to_string()),
            Type::Constant(Constant::Integer(value)) => Some(value.to_string()),
            _ => None,
        };
        let more: Vec<String> = constant.map(|value| format!("Always `{value}`.")).into_iter().collect();
        emitter.comment(4, &field.notes, &more);
        let is_boxed = emitter.containment.needs_box(id, &field.value);
        let mut written = emitter.written(&field.value, is_boxed);
        let mut arguments = Vec::new();
        if member != field.name {
            arguments.push(format!("rename = {}", literal(&field.name)));
        }
        let is_nullable = emitter.model.is_nullable(&field.value);
        if !field.is_required {
            written = format!("Option<{written}>");
            arguments.extend(["default".to_owned(), "skip_serializing_if = \"Option::is_none\"".to_owned()]);
            arguments.extend(is_nullable.then(|| "deserialize_with = \"present\"".to_owned()));
        } else if is_nullable && !matches!(field.value, Type::Untyped) {
            // Without it, a missing member would be read as `null`.
            arguments.push("deserialize_with = \"Deserialize::deserialize\"".to_owned());
        }
        emitter.code.attribute(4, "serde", &arguments);
        emitter.code.two_parts(4, &format!("pub {member}:"), &format!("{written},"));
    }
    emitter.code.line(0, "}");
    Ok(())
}

fn union(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, union: &Union) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let mut scope = Scope::new(LANGUAGE);
    let mut variants = Vec::new();
    for branch in &union.branches {
        let value = emitter.name(branch.value).to_owned();
        let variant = unreserved(emitter.model.definition(branch.value).name.clone(), &reserved::VARIANTS);
        scope.add(&variant, &definition.position)?;
        variants.push((variant, value, literal(&branch.word)));
    }
    emitter.comment(0, &definition.notes, &[]);
    emitter.code.line(0, "#[derive(Debug, Clone, PartialEq)]");
    emitter.code.line(0, &format!("pub enum {name} {{"));
    for (variant, value, word) in &variants {
        emitter.note(4, &format!("The branch {word}."));
        emitter.code.call(4, variant, std::slice::from_ref(value), ",");
    }
    if !union.is_closed {
        emitter.note(4, "A branch that this file does not know, as it was received.");
        emitter.code.line(4, "Unknown(RawJson),");
    }
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.code.line(0, &format!("impl Serialize for {name} {{"));
    emitter.code.line(4, "fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {");
    emitter.code.line(8, "match self {");
    let unknown = (!union.is_closed).then_some("Unknown");
    for variant in variants.iter().map(|(variant, _, _)| variant.as_str()).chain(unknown) {
        emitter.code.arm(12, &format!("Self::{variant}(value)"), "value.serialize(serializer)");
    }
    emitter.code.line(8, "}");
    emitter.code.line(4, "}");
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.code.line(0, &format!("impl<'de> Deserialize<'de> for {name} {{"));
    emitter.code.line(4, "fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {");
    emitter.code.line(8, "let json = RawJson::deserialize(deserializer)?;");
    let tag = literal(&union.tag);
    emitter.code.line(8, &format!("let name = {tag};"));
    emitter.code.line(8, "let value = match tag(&json, name).as_deref() {");
    for (variant, _, word) in &variants {
        emitter.code.arm(12, &format!("Some({word})"), &format!("Self::{variant}(branch(&json)?)"));
    }
    if union.is_closed {
        emitter.code.line(12, "_ => return Err(de::Error::missing_field(name)),");
    } else {
        emitter.code.line(12, "_ => Self::Unknown(json),");
    }
    emitter.code.line(8, "};");
    emitter.code.line(8, "Ok(value)");
    emitter.code.line(4, "}");
    emitter.code.line(0, "}");
    Ok(())
}

fn enumeration(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    words: &Enum,
) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    emitter.comment(0, &definition.notes, &[]);
    emitter.code.line(0, "#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]");
    emitter.code.line(0, &format!("pub enum {name} {{"));
    let mut scope = Scope::new(LANGUAGE);
    for word in &words.words {
        let text = literal(&word.text);
        let name = unreserved(variant(&word.base_name), &reserved::VARIANTS);
        scope.add(&name, &format!("{}, the word {text}", definition.position))?;
        emitter.comment(4, &word.notes, &[format!("The word {text}.")]);
        if name != word.text {
            emitter.code.attribute(4, "serde", &[format!("rename = {text}")]);
        }
        emitter.code.line(4, &format!("{name},"));
    }
    if !words.is_closed {
        emitter.note(4, "A word that this file does not know.");
        emitter.code.line(4, "#[serde(untagged)]");
        emitter.code.line(4, "Unknown(String),");
    }
    emitter.code.line(0, "}");
    Ok(())
}
