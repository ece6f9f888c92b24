//! Writes the types other than structs and unions: enumerations and other names of types.

use super::{
    Emitter,
    format::{Row, literal, write_rows},
    messages,
    names::exported,
    objects, unions,
};
use crate::{
    CodegenError,
    generator::Content,
    model::{Definition, Enum, Shape, Type, TypeId},
    names::variant,
};

/// Writes all types.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for id in emitter.types.clone() {
        let definition = model.definition(id);
        emitter.code.line(0, "");
        match &definition.shape {
            Shape::Object(object) => objects::write(emitter, id, definition, object)?,
            Shape::Union(union) if emitter.content == Content::Messages => messages::write_union(emitter, union),
            Shape::Union(union) => unions::write(emitter, id, definition, union)?,
            Shape::Enum(words) => enumeration(emitter, id, definition, words)?,
            Shape::Alias(value) => alias(emitter, id, definition, value),
        }
    }
    Ok(())
}

/// Writes another name for a type. Lists and maps are types of their own, so that they may contain themselves.
fn alias(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, value: &Type) {
    emitter.comment(&definition.notes, &[]);
    let (name, written) = (emitter.name(id).to_owned(), emitter.written(value));
    let inner = if let Type::Nullable(inner) = value { inner } else { value };
    if !matches!(inner, Type::Array(_) | Type::Map(_)) {
        return emitter.code.line(0, &format!("type {name} = {written}"));
    }
    emitter.code.line(0, &format!("type {name} {written}"));
    if matches!(value, Type::Nullable(_)) {
        return;
    }
    let empty = if matches!(value, Type::Array(_)) { "[]" } else { "{}" };
    emitter.imports.insert("encoding/json");
    emitter.code.line(0, "");
    emitter.note(&format!("MarshalJSON writes {empty} for nil."));
    emitter.code.line(0, &format!("func (v {name}) MarshalJSON() ([]byte, error) {{"));
    emitter.code.line(0, "\tif v == nil {");
    emitter.code.line(0, &format!("\t\treturn []byte(\"{empty}\"), nil"));
    emitter.code.line(0, "\t}");
    emitter.code.line(0, &format!("\treturn json.Marshal({written}(v))"));
    emitter.code.line(0, "}");
}

fn enumeration(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    words: &Enum,
) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let more = if words.is_closed { Vec::new() } else { vec!["Other words may come.".to_owned()] };
    emitter.comment(&definition.notes, &more);
    emitter.code.line(0, &format!("type {name} string"));
    let (mut rows, mut constants) = (Vec::new(), Vec::new());
    for word in &words.words {
        let constant = format!("{name}{}", exported(&variant(&word.base_name)));
        let position = format!("the word {:?} of {}", word.text, definition.position);
        emitter.scope.add(&constant, &position)?;
        rows.extend(super::comment_lines(&word.notes, &[]).into_iter().map(Row::Comment));
        rows.push(Row::Columns([constant.clone(), name.clone(), format!("= {}", literal(&word.text))]));
        constants.push(constant);
    }
    emitter.code.line(0, "");
    emitter.note(&format!("The words of {name}."));
    emitter.code.line(0, "const (");
    write_rows(&mut emitter.code, &rows);
    emitter.code.line(0, ")");
    if words.is_closed {
        emitter.imports.insert("fmt");
        emitter.code.line(0, "");
        emitter.note("UnmarshalText refuses other words.");
        emitter.code.line(0, &format!("func (v *{name}) UnmarshalText(text []byte) error {{"));
        emitter.code.line(0, &format!("\tswitch word := {name}(text); word {{"));
        emitter.code.line(0, &format!("\tcase {}:", constants.join(", ")));
        emitter.code.line(0, "\t\t*v = word");
        emitter.code.line(0, "\t\treturn nil");
        emitter.code.line(0, "\tdefault:");
        emitter.code.line(0, &format!("\t\treturn fmt.Errorf(\"{name} has no word %q\", text)"));
        emitter.code.line(0, "\t}");
        emitter.code.line(0, "}");
    }
    Ok(())
}
