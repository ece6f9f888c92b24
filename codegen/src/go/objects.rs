//! Writes structs, and what `encoding/json` needs to write them as the schema says.

use serde_json::json;

use super::{
    Emitter, LANGUAGE, comment_lines,
    format::{Row, literal, write_rows},
    names::{exported, is_tag_name},
    recursion, reserved,
};
use crate::{
    CodegenError,
    generator::Content,
    model::{Constant, Definition, Field, Object, Type, TypeId},
    names::{Scope, unreserved},
};

/// A required list or map, of which nil is written as an empty one.
struct NeverNull {
    member: String,
    written: String,
}

/// Writes a struct.
pub(super) fn write(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    object: &Object,
) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    emitter.is_sent = emitter.model.operations.iter().any(|operation| operation.body == id);
    emitter.comment(&definition.notes, &[]);
    let (mut scope, mut rows) = (Scope::new(LANGUAGE), Vec::new());
    let (mut constants, mut never_null) = (Vec::new(), Vec::new());
    for field in &object.fields {
        if let Type::Constant(value) = &field.value
            && field.is_required
        {
            constants.push(format!("{}:{}", json!(field.name), constant(value)));
            continue;
        }
        if !is_tag_name(&field.name) {
            continue;
        }
        let member = unreserved(exported(&field.base_name), &reserved::METHODS);
        scope.add(&member, &field.position)?;
        let (written, option) = field_type(emitter, id, field);
        let more = match &field.value {
            Type::Constant(value) => vec![format!("Always `{}`.", constant(value))],
            _ => Vec::new(),
        };
        let mut notes = field.notes.clone();
        if written.ends_with("time.Time") {
            // The type says it.
            notes.constraints.retain(|constraint| constraint != "format date-time");
        }
        rows.extend(comment_lines(&notes, &more).into_iter().map(Row::Comment));
        // A name that is `-` alone would leave the member out.
        let end = if field.name == "-" && option.is_empty() { "," } else { option };
        rows.push(Row::Columns([member.clone(), written.clone(), format!("`json:\"{}{end}\"`", field.name)]));
        if field.is_required && matches!(field.value, Type::Array(_) | Type::Map(_)) {
            never_null.push(NeverNull { member, written });
        }
    }
    if rows.is_empty() {
        emitter.code.line(0, &format!("type {name} struct{{}}"));
    } else {
        emitter.code.line(0, &format!("type {name} struct {{"));
        write_rows(&mut emitter.code, &rows);
        emitter.code.line(0, "}");
    }
    emitter.is_sent = false;
    write_marshal(emitter, &name, &constants, &never_null);
    Ok(())
}

/// Returns the type of a member, and the option of its tag.
fn field_type(emitter: &mut Emitter<'_>, object: TypeId, field: &Field) -> (String, &'static str) {
    let has_zero_values = matches!(emitter.content, Content::Messages | Content::Api);
    let is_time = has_zero_values && field.is_time;
    let written = if is_time { emitter.time() } else { emitter.written(&field.value) };
    if field.is_required {
        let is_pointer = recursion::needs_pointer(emitter.model, object, &field.value);
        return (if is_pointer { format!("*{written}") } else { written }, "");
    }
    match &field.value {
        // nil is missing, and the text `null` is null.
        Type::Untyped => (written, if emitter.is_sent { ",omitempty" } else { ",omitzero" }),
        value if emitter.model.is_nullable(value) => {
            let inner = if let Type::Nullable(inner) = value { emitter.written(inner) } else { written };
            (format!("Optional[{inner}]"), ",omitzero")
        }
        value if emitter.has_nil(value) => (written, ",omitzero"),
        value if has_zero_values && !is_time && emitter.is_text_or_flag(value) => (written, ",omitempty"),
        _ => (format!("*{written}"), ",omitempty"),
    }
}

/// Writes the method that adds constants and empty lists, if the struct has some.
fn write_marshal(emitter: &mut Emitter<'_>, name: &str, constants: &[String], never_null: &[NeverNull]) {
    let about = match (constants, never_null) {
        ([], []) => return,
        (_, []) => "constant members",
        ([], _) => "empty lists and maps instead of null",
        _ => "constant members, and empty lists and maps instead of null",
    };
    emitter.code.line(0, "");
    emitter.note(&format!("MarshalJSON writes {about}."));
    emitter.code.line(0, &format!("func (v {name}) MarshalJSON() ([]byte, error) {{"));
    for NeverNull { member, written } in never_null {
        emitter.code.line(0, &format!("\tif v.{member} == nil {{"));
        emitter.code.line(0, &format!("\t\tv.{member} = {written}{{}}"));
        emitter.code.line(0, "\t}");
    }
    // A type without this method.
    emitter.code.line(0, &format!("\ttype members {name}"));
    if constants.is_empty() {
        emitter.imports.insert("encoding/json");
        emitter.code.line(0, "\treturn json.Marshal(members(v))");
    } else {
        let text = literal(&constants.join(","));
        emitter.code.line(0, &format!("\treturn withConstants({text}, members(v))"));
    }
    emitter.code.line(0, "}");
}

/// Returns a constant as JSON.
fn constant(value: &Constant) -> String {
    match value {
        Constant::Text(text) => json!(text).to_string(),
        Constant::Boolean(value) => value.to_string(),
        Constant::Integer(value) => value.to_string(),
    }
}
