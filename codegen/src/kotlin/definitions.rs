//! Writes the types.

use super::{Emitter, LANGUAGE, literal, member, reserved};
use crate::{
    CodegenError,
    model::{Constant, Definition, Enum, Field, Object, Shape, Type, TypeId, Union},
    names::{Scope, snake},
};

/// Writes all types.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    for (id, definition) in model.in_order() {
        emitter.code.gap();
        match &definition.shape {
            Shape::Object(object) => self::object(emitter, id, definition, object)?,
            Shape::Union(union) => self::union(emitter, id, definition, union)?,
            Shape::Enum(words) if words.is_closed => closed_words(emitter, id, definition, words)?,
            Shape::Enum(words) => open_words(emitter, id, definition, words)?,
            Shape::Alias(value) => alias(emitter, id, definition, value)?,
        }
    }
    Ok(())
}

/// Writes another name for a type. A type alias cannot name itself, so that is a class. It is no value class, because Java cannot
/// call functions with such parameters.
fn alias(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, value: &Type) -> Result<(), CodegenError> {
    emitter.comment(0, &definition.notes, &[]);
    let (name, written) = (emitter.name(id).to_owned(), emitter.written(value));
    if !emitter.containment.is_recursive_alias(id) {
        emitter.code.line(0, &format!("public typealias {name} = {written}"));
        return Ok(());
    }
    let serializer = format!("{name}Serializer");
    emitter.scope.add(&serializer, &definition.position)?;
    emitter.code.line(0, &format!("@Serializable(with = {serializer}::class)"));
    emitter.code.line(0, &format!("public data class {name}(public val value: {written})"));
    emitter.code.gap();
    emitter.code.line(0, &format!("internal object {serializer} : AliasSerializer<{name}, {written}>() {{"));
    emitter.code.line(4, &format!("override fun inner(): KSerializer<{written}> = serializer<{written}>()"));
    emitter.code.gap();
    emitter.code.line(4, &format!("override fun read(value: {written}): {name} = {name}(value)"));
    emitter.code.gap();
    emitter.code.line(4, &format!("override fun write(value: {name}): {written} = value.value"));
    emitter.code.line(0, "}");
    Ok(())
}

/// The value of a required constant, as it is written. Such members are no parameters of the constructor.
fn fixed(field: &Field) -> Option<String> {
    match &field.value {
        Type::Constant(_) if !field.is_required => None,
        Type::Constant(Constant::Text(text)) => Some(literal(text)),
        Type::Constant(Constant::Boolean(value)) => Some(value.to_string()),
        Type::Constant(Constant::Integer(value)) => Some(value.to_string()),
        _ => None,
    }
}

fn object(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, object: &Object) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let unions = emitter.unions.get(&id).cloned().unwrap_or_default();
    let unions: Vec<String> = unions.iter().map(|union| emitter.name(*union).to_owned()).collect();
    let parents = if unions.is_empty() { String::new() } else { format!(" : {}", unions.join(", ")) };
    let mut scope = Scope::new(LANGUAGE);
    let mut members = Vec::new();
    for field in &object.fields {
        let member = member(&field.base_name);
        scope.add(&member, &field.position)?;
        members.push((member, field));
    }
    let (constants, values): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, field)| fixed(field).is_some());
    emitter.comment(0, &definition.notes, &[]);
    emitter.code.line(0, "@Serializable");
    if values.is_empty() {
        // A data class needs a member.
        emitter.code.line(0, &format!("public class {name}{parents} {{"));
    } else {
        let has_defaults = values.iter().any(|(_, field)| !field.is_required);
        let constructor = if has_defaults { " @JvmOverloads constructor" } else { "" };
        emitter.code.line(0, &format!("public data class {name}{constructor}("));
        for (member, field) in &values {
            parameter(emitter, member, field);
        }
        let end = if constants.is_empty() { "" } else { " {" };
        emitter.code.line(0, &format!("){parents}{end}"));
    }
    for (index, (member, field)) in constants.iter().enumerate() {
        if index > 0 {
            emitter.code.gap();
        }
        let value = fixed(field).unwrap_or_default();
        emitter.comment(4, &field.notes, &[format!("Always `{value}`.")]);
        emitter.code.line(4, "@Required");
        serial_name(emitter, 4, member, field);
        let written = emitter.written(&field.value);
        emitter.code.line(4, &format!("public val {member}: {written} = {value}"));
    }
    if values.is_empty() {
        if !constants.is_empty() {
            emitter.code.gap();
        }
        emitter.code.line(4, &format!("override fun equals(other: Any?): Boolean = other is {name}"));
        emitter.code.gap();
        emitter.code.line(4, &format!("override fun hashCode(): Int = {name}::class.hashCode()"));
        emitter.code.gap();
        emitter.code.line(4, &format!("override fun toString(): String = \"{name}()\""));
    }
    if values.is_empty() || !constants.is_empty() {
        emitter.code.line(0, "}");
    }
    Ok(())
}

fn serial_name(emitter: &mut Emitter<'_>, indent: usize, member: &str, field: &Field) {
    if member != field.name {
        emitter.code.line(indent, &format!("@SerialName({})", literal(&field.name)));
    }
}

/// Writes a parameter of a constructor, which is a property.
fn parameter(emitter: &mut Emitter<'_>, member: &str, field: &Field) {
    emitter.comment(4, &field.notes, &[]);
    serial_name(emitter, 4, member, field);
    let written = emitter.written(&field.value);
    let written = if field.is_required {
        written
    } else if emitter.is_untyped(&field.value) {
        // Otherwise `null` of JSON would be a member that is absent.
        emitter.code.line(4, "@Serializable(with = PresentJson::class)");
        format!("{written}? = null")
    } else if emitter.is_nullable(&field.value) {
        format!("Member<{}> = Member.absent()", emitter.without_null(&field.value))
    } else {
        format!("{written}? = null")
    };
    emitter.code.line(4, &format!("public val {member}: {written},"));
}

fn union(emitter: &mut Emitter<'_>, id: TypeId, definition: &Definition, union: &Union) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let serializer = format!("{name}Serializer");
    emitter.scope.add(&serializer, &definition.position)?;
    let more = if union.is_closed { "" } else { "`Unknown` is a branch that this file does not know." };
    let more: Vec<String> = Some(more.to_owned()).into_iter().filter(|text| !text.is_empty()).collect();
    emitter.comment(0, &definition.notes, &more);
    emitter.code.line(0, &format!("@Serializable(with = {serializer}::class)"));
    if union.is_closed {
        emitter.code.line(0, &format!("public sealed interface {name}"));
    } else {
        emitter.code.line(0, &format!("public sealed interface {name} {{"));
        emitter.note(4, "A branch that this file does not know, as it was received.");
        emitter.code.line(4, &format!("public data class Unknown(public val json: JsonElement) : {name}"));
        emitter.code.line(0, "}");
    }
    emitter.code.gap();
    let tag = literal(&union.tag);
    emitter.code.line(0, &format!("internal object {serializer} : UnionSerializer<{name}>({tag}) {{"));
    emitter.code.line(4, &format!("override fun branch(word: String?): KSerializer<out {name}>? = when (word) {{"));
    for branch in &union.branches {
        let line = format!("{} -> {}.serializer()", literal(&branch.word), emitter.name(branch.value));
        emitter.code.line(8, &line);
    }
    emitter.code.line(8, "else -> null");
    emitter.code.line(4, "}");
    emitter.code.gap();
    emitter.code.line(4, &format!("override fun branchOf(value: {name}): KSerializer<out {name}>? = when (value) {{"));
    for branch in &union.branches {
        let branch = emitter.name(branch.value).to_owned();
        emitter.code.line(8, &format!("is {branch} -> {branch}.serializer()"));
    }
    if !union.is_closed {
        emitter.code.line(8, &format!("is {name}.Unknown -> null"));
    }
    emitter.code.line(4, "}");
    if !union.is_closed {
        emitter.code.gap();
        emitter.code.line(4, &format!("override fun unknown(json: JsonElement): {name} = {name}.Unknown(json)"));
        emitter.code.gap();
        emitter
            .code
            .line(4, &format!("override fun jsonOf(value: {name}): JsonElement? = (value as? {name}.Unknown)?.json"));
    }
    emitter.code.line(0, "}");
    Ok(())
}

/// Returns the names of the words of an enumeration.
fn words(definition: &Definition, words: &Enum) -> Result<Vec<String>, CodegenError> {
    let mut scope = Scope::new(LANGUAGE);
    let mut names = Vec::new();
    for word in &words.words {
        let name = snake(&word.base_name).to_ascii_uppercase();
        scope.add(&name, &format!("{}, the word {}", definition.position, literal(&word.text)))?;
        names.push(name);
    }
    Ok(names)
}

fn closed_words(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    words: &Enum,
) -> Result<(), CodegenError> {
    emitter.comment(0, &definition.notes, &[]);
    emitter.code.line(0, "@Serializable");
    let line = format!("public enum class {} {{", emitter.name(id));
    emitter.code.line(0, &line);
    for (word, name) in words.words.iter().zip(self::words(definition, words)?) {
        let text = literal(&word.text);
        emitter.comment(4, &word.notes, &[format!("The word {text}.")]);
        if name != word.text {
            emitter.code.line(4, &format!("@SerialName({text})"));
        }
        emitter.code.line(4, &format!("{name},"));
    }
    emitter.code.line(0, "}");
    Ok(())
}

fn open_words(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    words: &Enum,
) -> Result<(), CodegenError> {
    let name = emitter.name(id).to_owned();
    let serializer = format!("{name}Serializer");
    emitter.scope.add(&serializer, &definition.position)?;
    emitter.comment(0, &definition.notes, &["Other words may come.".to_owned()]);
    emitter.code.line(0, &format!("@Serializable(with = {serializer}::class)"));
    emitter.code.line(0, &format!("public data class {name}(public val word: String) {{"));
    emitter.code.line(4, "override fun toString(): String = word");
    emitter.code.gap();
    emitter.code.line(4, "public companion object {");
    for (word, constant) in words.words.iter().zip(self::words(definition, words)?) {
        let text = literal(&word.text);
        emitter.comment(8, &word.notes, &[format!("The word {text}.")]);
        emitter.code.line(8, &format!("@JvmField public val {constant}: {name} = {name}({text})"));
    }
    emitter.code.line(4, "}");
    emitter.code.line(0, "}");
    emitter.code.gap();
    emitter.code.line(0, &format!("internal object {serializer} : WordSerializer<{name}>({}) {{", literal(&name)));
    emitter.code.line(4, &format!("override fun read(word: String): {name} = {name}(word)"));
    emitter.code.gap();
    emitter.code.line(4, &format!("override fun write(value: {name}): String = value.word"));
    emitter.code.line(0, "}");
    Ok(())
}

/// Returns the name of a method, which must not be one that every object has.
pub(super) fn method(name: &str) -> String {
    crate::names::unreserved(member(name), &reserved::METHODS)
}
