//! Writes Go, formatted as gofmt does: types for `encoding/json`, and handles that call the Go SDK.

mod definitions;
mod format;
mod handles;
mod messages;
mod names;
mod objects;
mod operations;
mod publishers;
mod recursion;
mod reserved;
mod unions;

use std::collections::{BTreeMap, BTreeSet};

use names::exported;
pub(crate) use names::{is_package, is_tag_name};

use crate::{
    CodegenError,
    code::{Code, comment, one_line},
    generator::{Content, Options},
    model::{Constant, Model, Notes, Shape, Type, TypeId},
    names::{Scope, unreserved},
};

const LANGUAGE: &str = "Go";

/// The package of the SDK.
const SDK: &str = "github.com/realtime-gateway/realtime-gateway/sdk-go";

/// The package with which backends publish.
const PUBLISH: &str = "github.com/realtime-gateway/realtime-gateway/sdk-go/publish";

/// What a file with contracts says about itself, below the line that names the command.
const CONTRACTS: &str = "
Optional members are pointers, lists or maps that are nil; those that may be null, too, are an Optional. Required lists and
maps that are nil are written as empty ones. Constant members are no members of structs: they are written with the others.
Unknown members are ignored.

Go does not express that a member is required: a missing one is read as its zero value. Names of members that differ in their
case only are read as the same, unless the type has both.
";

/// What the file with the built-in messages says about itself.
const MESSAGES: &str = "
Optional numbers, times and objects are pointers, because zero has a meaning. Optional texts, lists and flags have their zero
value. The member `type` is no member of structs: it is written with the others.
";

/// What the file with the operations of the HTTP API says about itself.
const API: &str = "
Optional numbers and objects are pointers, because zero has a meaning. Optional texts, lists and flags have their zero value.
";

/// Functions and types of the file that others use, each with the packages that it imports.
struct Support {
    name: &'static str,
    imports: &'static [&'static str],
    text: &'static str,
}

const SUPPORT: [Support; 4] = [
    Support {
        name: "Optional",
        imports: &["encoding/json"],
        text: r"
// Optional is a member that may be missing, null or a value. Its zero value is missing.
type Optional[T any] struct {
	// IsSet is whether the member is there.
	IsSet bool
	// Value is its value; nil for null.
	Value *T
}

// IsZero returns whether the member is missing, so that it is not written.
func (o Optional[T]) IsZero() bool {
	return !o.IsSet
}

// MarshalJSON writes the value or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads the value or null.
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	o.IsSet = true
	return json.Unmarshal(text, &o.Value)
}
",
    },
    Support {
        name: "withConstants",
        imports: &["encoding/json"],
        text: r#"
// withConstants writes an object with constant members before its others.
func withConstants(constants string, members any) ([]byte, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	object := append([]byte("{"), constants...)
	if len(text) > len("{}") {
		object = append(object, ',')
	}
	return append(object, text[1:]...), nil
}
"#,
    },
    Support {
        name: "tagOf",
        imports: &["encoding/json"],
        text: r#"
// tagOf returns the text of the member that selects the branch of a union; "" if there is none.
func tagOf(object []byte, name string) string {
	var members map[string]json.RawMessage
	var tag string
	if json.Unmarshal(object, &members) != nil || json.Unmarshal(members[name], &tag) != nil {
		return ""
	}
	return tag
}
"#,
    },
    Support {
        name: "appendValue",
        imports: &["fmt", "strings"],
        text: r#"
// appendValue appends the value of a parameter, and the literal after it, to the name of a topic.
func appendValue(topic, name, value, after string) (string, error) {
	if value == "" {
		return "", invalid("the value of " + name + " is empty")
	}
	// A value that ends with the beginning of the literal would be read back as a shorter one.
	if after != "" && strings.Index(value+after, after) != len(value) {
		return "", invalid(fmt.Sprintf("the value of %s must not contain %q", name, after))
	}
	return topic + value + after, nil
}
"#,
    },
];

/// The function of the file for arguments that cannot be sent, which `appendValue` needs.
const INVALID: &str = "
// invalid returns the error of an argument that cannot be sent.
func invalid(message string) error {
	return &PACKAGE.Error{Code: PACKAGE.CodeInvalid, Message: message, Outcome: PACKAGE.NotSent}
}
";

/// Writes the file.
///
/// # Errors
/// [`CodegenError::EqualNames`] when two names become equal.
pub(crate) fn emit(model: &Model, options: &Options<'_>) -> Result<String, CodegenError> {
    let mut emitter = Emitter::new(model, options.content)?;
    definitions::write(&mut emitter)?;
    match options.content {
        Content::Contracts => handles::write(&mut emitter, options)?,
        Content::Publishers => publishers::write(&mut emitter, options)?,
        Content::Api => operations::write(&mut emitter)?,
        Content::Messages => {}
    }
    for support in &SUPPORT {
        if !emitter.code.names(support.name) {
            continue;
        }
        emitter.imports.extend(support.imports);
        support.text.trim_end().lines().for_each(|line| emitter.code.line(0, line));
    }
    if emitter.code.names("appendValue") {
        let package = if options.content == Content::Publishers { "publish" } else { "gateway" };
        INVALID.replace("PACKAGE", package).trim_end().lines().for_each(|line| emitter.code.line(0, line));
    }
    let mut file = Code::default();
    file.line(0, &format!("// Code generated by `{}`. DO NOT EDIT.", one_line(options.command)));
    let (about, package) = match options.content {
        Content::Contracts | Content::Publishers => (CONTRACTS, options.package.unwrap_or("gatewaygen")),
        Content::Messages => (MESSAGES, options.package.unwrap_or("gateway")),
        Content::Api => (API, options.package.unwrap_or("publish")),
    };
    about.trim_end().lines().for_each(|line| file.line(0, format!("// {line}").trim_end()));
    file.gap();
    if matches!(options.content, Content::Contracts | Content::Publishers) {
        file.line(0, &format!("// Package {package} has the types and handles of declared services."));
    }
    file.line(0, &format!("package {package}"));
    imports(&mut file, &emitter.imports);
    file.append(&emitter.code);
    Ok(file.into_text())
}

/// Writes the imports: those of the standard library, then the SDK.
fn imports(file: &mut Code, imported: &BTreeSet<&str>) {
    if imported.is_empty() {
        return;
    }
    file.gap();
    file.line(0, "import (");
    let (own, standard): (Vec<&&str>, Vec<&&str>) = imported.iter().partition(|path| [SDK, PUBLISH].contains(*path));
    standard.iter().for_each(|path| file.line(0, &format!("\t\"{path}\"")));
    if !own.is_empty() && !standard.is_empty() {
        file.gap();
    }
    for path in own {
        // The name of the package differs from the end of its path.
        let name = if *path == SDK { "gateway " } else { "" };
        file.line(0, &format!("\t{name}\"{path}\""));
    }
    file.line(0, ")");
}

/// The state of writing a file.
struct Emitter<'a> {
    model: &'a Model,
    content: Content,
    /// The types that are written, in their order.
    types: Vec<TypeId>,
    code: Code,
    /// The names of types.
    names: BTreeMap<TypeId, String>,
    /// All names of the package.
    scope: Scope,
    /// The paths of imported packages.
    imports: BTreeSet<&'static str>,
    /// Whether the type that is being written is only sent, so that data without a type may be any value.
    is_sent: bool,
}

impl<'a> Emitter<'a> {
    fn new(model: &'a Model, content: Content) -> Result<Self, CodegenError> {
        let (mut names, mut scope) = (BTreeMap::new(), Scope::new(LANGUAGE));
        let types = match content {
            Content::Contracts | Content::Publishers | Content::Api => model.order.clone(),
            Content::Messages => messages::received(model),
        };
        for id in &types {
            let definition = model.definition(*id);
            let name = unreserved(exported(&definition.name), &reserved::TYPES);
            scope.add(&name, &definition.position)?;
            names.insert(*id, name);
        }
        Ok(Self {
            model,
            content,
            types,
            code: Code::default(),
            names,
            scope,
            imports: BTreeSet::new(),
            is_sent: false,
        })
    }

    fn name(&self, id: TypeId) -> &str {
        self.names.get(&id).map_or("any", String::as_str)
    }

    /// Returns a type as it is written.
    fn written(&mut self, value: &Type) -> String {
        match value {
            Type::Named(id) => self.name(*id).to_owned(),
            // Lists, maps and untyped values have a nil of their own, which is `null`.
            Type::Nullable(inner) if self.has_nil(inner) => self.written(inner),
            Type::Nullable(inner) => format!("*{}", self.written(inner)),
            Type::Array(inner) => format!("[]{}", self.written(inner)),
            // An app decodes the data of messages to a type of its own.
            Type::Map(inner) if self.content == Content::Messages && **inner == Type::Untyped => {
                self.written(&Type::Untyped)
            }
            Type::Map(inner) => format!("map[string]{}", self.written(inner)),
            Type::Text | Type::Constant(Constant::Text(_)) => "string".to_owned(),
            Type::Boolean | Type::Constant(Constant::Boolean(_)) => "bool".to_owned(),
            Type::Int32 => "int32".to_owned(),
            Type::Int64 | Type::Integer | Type::Constant(Constant::Integer(_)) => "int64".to_owned(),
            Type::Number => "float64".to_owned(),
            // Always nil, which is written as `null`.
            Type::Null => "*struct{}".to_owned(),
            Type::Untyped if self.is_sent => "any".to_owned(),
            Type::Untyped => {
                self.imports.insert("encoding/json");
                "json.RawMessage".to_owned()
            }
        }
    }

    /// Returns the type of a text with a time.
    fn time(&mut self) -> String {
        self.imports.insert("time");
        "time.Time".to_owned()
    }

    /// Returns whether a type is a text, a word of an enumeration or a flag.
    fn is_text_or_flag(&self, value: &Type) -> bool {
        match value {
            Type::Text | Type::Boolean | Type::Constant(Constant::Text(_) | Constant::Boolean(_)) => true,
            Type::Named(id) => match &self.model.definition(*id).shape {
                Shape::Enum(_) => true,
                Shape::Alias(inner) => self.is_text_or_flag(inner),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns whether a type as it is written has the value nil.
    fn has_nil(&self, value: &Type) -> bool {
        match value {
            Type::Nullable(_) | Type::Array(_) | Type::Map(_) | Type::Null | Type::Untyped => true,
            Type::Named(id) => match &self.model.definition(*id).shape {
                Shape::Alias(inner) => self.has_nil(inner),
                _ => false,
            },
            _ => false,
        }
    }

    /// Writes a comment, if there is something to say.
    fn comment(&mut self, notes: &Notes, more: &[String]) {
        for line in comment_lines(notes, more) {
            self.code.line(0, &line);
        }
    }

    fn note(&mut self, text: &str) {
        self.comment(&Notes::default(), &[text.to_owned()]);
    }
}

/// Returns the lines of a comment.
fn comment_lines(notes: &Notes, more: &[String]) -> Vec<String> {
    let mut lines = comment(notes, more);
    if notes.is_deprecated {
        // Tools of Go read a paragraph that begins with this word.
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("Deprecated: it may be removed.".to_owned());
    }
    // gofmt joins empty lines.
    lines.dedup_by(|second, first| second.is_empty() && first.is_empty());
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    // gofmt turns two quotes into a typographic one.
    let plain = |line: &String| line.replace("''", "\"").replace("``", "`");
    lines.iter().skip(first).map(|line| format!("// {}", plain(line)).trim_end().to_owned()).collect()
}
