//! Writes the types.

use super::{Emitter, LANGUAGE, literal, reserved};
use crate::{
    CodegenError,
    model::{Constant, Definition, Enum, Field, Object, Shape, Type, TypeId, Union},
    names::{Scope, snake, unreserved},
};

/// Writes all types.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for (id, definition) in model.in_order() {
        match &definition.shape {
            Shape::Object(object) => self::object(emitter, id, definition, object)?,
            Shape::Union(union) => self::union(emitter, id, definition, union)?,
            Shape::Enum(words) => enumeration(emitter, id, definition, words)?,
            Shape::Alias(value) => alias(emitter, id, definition, value)?,
        }
    }
    Ok(())
}

/// A member of a class.
struct Member<'a> {
    name: String,
    field: &'a Field,
}

impl Member<'_> {
    /// Returns the text of a constant that every object has.
    fn constant(&self) -> Option<String> {
        match &self.field.value {
            Type::Constant(Constant::Text(text)) => Some(literal(text)),
            Type::Constant(Constant::Boolean(value)) => Some(if *value { "True" } else { "False" }.to_owned()),
            Type::Constant(Constant::Integer(value)) => Some(value.to_string()),
            _ => None,
        }
    }
}

fn object(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, object: &Object) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let mut scope = Scope::new(LANGUAGE);
    let mut members = Vec::new();
    for field in &object.fields {
        let name = unreserved(unreserved(snake(&field.base_name), &reserved::WORDS), &reserved::MEMBERS);
        scope.add(&name, &field.position)?;
        members.push(Member { name, field });
    }
    let tag = object.tag();
    let is_tag = |member: &Member<'_>| tag.is_some_and(|(name, _)| name == member.field.name);
    emitter.begin();
    emitter.code.line(0, "@dataclass(frozen=True, slots=True, kw_only=True)");
    emitter.code.line(0, &format!("class {name}:"));
    emitter.docstring(4, &definition.notes, &[]);
    for member in &members {
        let constant = member.constant();
        if is_tag(member) {
            let word = constant.unwrap_or_default();
            emitter.code.line(4, &format!("{}: ClassVar[Literal[{word}]] = {word}", member.name));
            continue;
        }
        let (written, default) = annotation(emitter, member.field, constant.as_deref());
        emitter.code.line(4, &format!("{}: {written}{default}", member.name));
        let more: Vec<String> = constant.iter().map(|value| format!("Always `{value}`.")).collect();
        emitter.docstring(4, &member.field.notes, &more);
    }
    write_decode(emitter, &name, &members, &is_tag);
    write_encode(emitter, &members, tag, &is_tag);
    Ok(())
}

/// Returns the type of a member and its default.
fn annotation(emitter: &Emitter<'_>, field: &Field, constant: Option<&str>) -> (String, String) {
    let written = emitter.written(&field.value);
    match (field.is_required, constant) {
        (true, Some(value)) => (written, format!(" = {value}")),
        (true, None) => (written, String::new()),
        (false, _) if emitter.model.is_nullable(&field.value) => {
            (format!("{written} | codec.Unset"), " = codec.UNSET".to_owned())
        }
        (false, _) => (format!("{written} | None"), " = None".to_owned()),
    }
}

fn write_decode(emitter: &mut Emitter<'_>, name: &str, members: &[Member<'_>], is_tag: &dyn Fn(&Member<'_>) -> bool) {
    emitter.code.line(0, "");
    emitter.code.line(4, "@staticmethod");
    emitter.code.line(4, &format!("def decode(value: Any) -> {name}:"));
    emitter.note(8, "Reads JSON. Raises codec.DecodeError.");
    if members.iter().all(is_tag) {
        emitter.code.line(8, "codec.members(value)");
        emitter.code.line(8, &format!("return {name}()"));
        return;
    }
    emitter.code.line(8, "members = codec.members(value)");
    emitter.code.line(8, &format!("return {name}("));
    for member in members.iter().filter(|member| !is_tag(member)) {
        let function = match (member.field.is_required, emitter.model.is_nullable(&member.field.value)) {
            (true, _) => "required",
            (false, true) => "unset",
            (false, false) => "optional",
        };
        let (own, json) = (&member.name, literal(&member.field.name));
        let line = format!("{own}=codec.{function}(members, {json}, {}),", emitter.decoder(&member.field.value));
        emitter.code.line(12, &line);
    }
    emitter.code.line(8, ")");
}

fn write_encode(
    emitter: &mut Emitter<'_>,
    members: &[Member<'_>],
    tag: Option<(&str, &str)>,
    is_tag: &dyn Fn(&Member<'_>) -> bool,
) {
    emitter.code.line(0, "");
    emitter.code.line(4, "def encode(self) -> dict[str, Any]:");
    emitter.note(8, "Returns it as JSON.");
    let first = tag.map_or_else(String::new, |(name, word)| format!("{}: {}", literal(name), literal(word)));
    if members.iter().all(is_tag) {
        emitter.code.line(8, &format!("return {{{first}}}"));
        return;
    }
    emitter.code.line(8, &format!("members: dict[str, Any] = {{{first}}}"));
    for member in members.iter().filter(|member| !is_tag(member)) {
        let variable = format!("self.{}", member.name);
        let line =
            format!("members[{}] = {}", literal(&member.field.name), emitter.encoded(&member.field.value, &variable));
        match (member.field.is_required, emitter.model.is_nullable(&member.field.value)) {
            (true, _) => emitter.code.line(8, &line),
            (false, true) => {
                emitter.code.line(8, &format!("if not isinstance({variable}, codec.Unset):"));
                emitter.code.line(12, &line);
            }
            (false, false) => {
                emitter.code.line(8, &format!("if {variable} is not None:"));
                emitter.code.line(12, &line);
            }
        }
    }
    emitter.code.line(8, "return members");
}

/// Adds the name of a function that reads or writes a type.
fn add_function(
    emitter: &mut Emitter<'_>,
    verb: &str,
    id: TypeId,
    definition: &Definition,
) -> Result<String, CodegenError> {
    let function = emitter.function(verb, id);
    emitter.scope.add(&function, &definition.position)?;
    Ok(function)
}

/// Writes an alias. It is a text, because it may name types that come later.
fn write_alias(emitter: &mut Emitter<'_>, name: &str, definition: &Definition, written: &str) {
    emitter.begin_alias();
    emitter.code.line(0, &format!("{name}: TypeAlias = {}", literal(written)));
    emitter.docstring(0, &definition.notes, &[]);
}

fn alias(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, value: &Type) -> Result<(), CodegenError> {
    let (name, written) = (emitter.name(id).to_owned(), emitter.written(value));
    write_alias(emitter, &name, definition, &written);
    let function = add_function(emitter, "decode", id, definition)?;
    emitter.begin();
    emitter.code.line(0, &format!("def {function}(value: Any) -> {name}:"));
    emitter.note(4, "Reads JSON. Raises codec.DecodeError.");
    let line = match value {
        Type::Untyped => "return value".to_owned(),
        _ => format!("return {}(value)", emitter.decoder(value)),
    };
    emitter.code.line(4, &line);
    if !emitter.is_json(value) {
        let function = add_function(emitter, "encode", id, definition)?;
        emitter.begin();
        emitter.code.line(0, &format!("def {function}(value: {name}) -> Any:"));
        emitter.note(4, "Returns it as JSON.");
        let line = format!("return {}", emitter.encoded(value, "value"));
        emitter.code.line(4, &line);
    }
    Ok(())
}

fn union(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, union: &Union) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let branches = union.branches.iter().map(|branch| emitter.name(branch.value).to_owned());
    let unknown = (!union.is_closed).then(|| "codec.Unknown".to_owned());
    let written: Vec<String> = branches.chain(unknown).collect();
    write_alias(emitter, &name, definition, &written.join(" | "));
    let function = add_function(emitter, "decode", id, definition)?;
    let table = format!("_{}", function.to_ascii_uppercase());
    emitter.begin();
    emitter.code.line(0, &format!("def {function}(value: Any) -> {name}:"));
    if union.is_closed {
        emitter.note(4, "Reads JSON. Raises codec.DecodeError.");
    } else {
        emitter.note(4, "Reads JSON. A branch that this file does not know is kept. Raises codec.DecodeError.");
    }
    let tag = literal(&union.tag);
    emitter.code.line(4, &format!("decode = {table}.get(codec.tag(value, {tag}))"));
    emitter.code.line(4, "if decode is None:");
    let otherwise = if union.is_closed {
        format!("raise codec.DecodeError({tag}, \"selects no branch\")")
    } else {
        "return codec.Unknown(value)".to_owned()
    };
    emitter.code.line(8, &otherwise);
    emitter.code.line(4, "return decode(value)");
    emitter.begin();
    emitter.code.line(0, &format!("{table}: dict[str | None, Callable[[Any], {name}]] = {{"));
    for branch in &union.branches {
        // The class may come later.
        let line = format!("{}: lambda value: {}.decode(value),", literal(&branch.word), emitter.name(branch.value));
        emitter.code.line(4, &line);
    }
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
    let list = words.words.iter().map(|word| literal(&word.text)).collect::<Vec<_>>().join(", ");
    let notes: Vec<String> = words
        .words
        .iter()
        .filter_map(|word| Some(format!("{}: {}", literal(&word.text), word.notes.description.as_ref()?)))
        .chain((!words.is_closed).then(|| "Other words may come.".to_owned()))
        .collect();
    emitter.begin_alias();
    let or_other = if words.is_closed { "" } else { " | str" };
    emitter.code.line(0, &format!("{name}: TypeAlias = Literal[{list}]{or_other}"));
    emitter.docstring(0, &definition.notes, &notes);
    if words.is_closed {
        let function = add_function(emitter, "decode", id, definition)?;
        emitter.begin();
        emitter.code.line(0, &format!("def {function}(value: Any) -> {name}:"));
        emitter.note(4, "Reads JSON. Raises codec.DecodeError.");
        emitter.code.line(4, &format!("return cast({name}, codec.word(value, ({list},)))"));
    }
    Ok(())
}
