//! Turns contracts into the intermediate form. What it does not know stays untyped, with a warning that names it.

mod notes;
mod objects;
mod openapi;
pub(crate) mod tags;
mod unions;

pub(crate) use openapi::lower_publishing;
pub(crate) use unions::{is_closed, is_word};

use std::collections::BTreeMap;

use gateway_contracts::{Contract, DataType, OrderedValue, Schema, TopicHistory, TopicPresence};
use serde_json::Value;

use crate::{
    CodegenError, Warning,
    model::{Call, Definition, Model, Presence, Service, Shape, Topic, Type, TypeId},
    names::{is_name, pascal},
};

/// The beginning of a reference to a type.
pub(crate) const DEFINITIONS: &str = "#/$defs/";

/// Keywords that shape a value, so that they are lost where a reference stands next to them.
const STRUCTURAL: [&str; 8] =
    ["properties", "items", "oneOf", "anyOf", "allOf", "enum", "const", "additionalProperties"];

/// Turns contracts into one model.
///
/// # Errors
/// [`CodegenError::InvalidName`] for an `x-name` that is no name.
pub(crate) fn lower(contracts: &[Contract]) -> Result<Model, CodegenError> {
    let mut model = Model::default();
    for contract in contracts {
        let ids = lower_types(&contract.schema, &mut model)?;
        model.services.push(service(contract, &ids));
    }
    Ok(model)
}

/// Turns the types of a schema into a model without services.
///
/// # Errors
/// [`CodegenError::InvalidName`] for an `x-name` that is no name.
pub(crate) fn lower_schema(schema: &Schema) -> Result<Model, CodegenError> {
    let mut model = Model::default();
    lower_types(schema, &mut model)?;
    Ok(model)
}

/// Adds the types of a schema to a model, and returns their ids.
fn lower_types<'a>(schema: &'a Schema, model: &mut Model) -> Result<BTreeMap<&'a str, TypeId>, CodegenError> {
    let file = schema.file().display().to_string();
    let mut lowering = Lowering { schema, file, ids: BTreeMap::new(), model };
    lowering.definitions()?;
    Ok(lowering.ids)
}

fn service(contract: &Contract, ids: &BTreeMap<&str, TypeId>) -> Service {
    let id = |data: &DataType| ids.get(data.name()).copied().unwrap_or(TypeId(0));
    let topics = contract.topics.iter().map(|(name, topic)| Topic {
        name: name.to_string(),
        pattern: topic.pattern.to_string(),
        first_literal: topic.pattern.first_literal().to_owned(),
        parameters: topic.pattern.parameters().to_vec(),
        event: id(&topic.event),
        publish: topic.publish.as_ref().map(|publish| id(&publish.data)),
        keeps_history: matches!(topic.history, TopicHistory::Kept { .. }),
        presence: match &topic.presence {
            TopicPresence::Off => Presence::None,
            TopicPresence::On => Presence::Plain,
            TopicPresence::WithData(data) => Presence::WithData(id(data)),
        },
    });
    let calls = contract.calls.iter().map(|(name, call)| Call {
        name: name.to_string(),
        request: id(&call.request),
        response: id(&call.response),
    });
    Service {
        name: contract.name.as_str().to_owned(),
        title: contract.title.clone(),
        file: contract.file.display().to_string(),
        topics: topics.collect(),
        calls: calls.collect(),
    }
}

/// Appends names to a JSON pointer.
pub(crate) fn pointer(base: &str, names: &[&str]) -> String {
    let escaped = names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
    base.to_owned() + &escaped.collect::<String>()
}

/// What a schema becomes.
enum Lowered {
    /// A type that needs no name.
    Inline(Type),
    /// A shape that needs a name.
    Named(Shape),
    /// Either of them, or `null`.
    Nullable(Box<Lowered>),
}

struct Lowering<'a, 'm> {
    schema: &'a Schema,
    file: String,
    ids: BTreeMap<&'a str, TypeId>,
    model: &'m mut Model,
}

impl<'a> Lowering<'a, '_> {
    fn definitions(&mut self) -> Result<(), CodegenError> {
        let schemas: Vec<_> = self.schema.definitions().collect();
        // The ids come first, because types refer to each other in any order.
        for (name, schema) in &schemas {
            let at = pointer("/$defs", &[name]);
            let chosen = self.chosen_name(*schema, &at)?;
            let id = self.reserve(chosen.unwrap_or_else(|| pascal(name)), *schema, &at);
            self.ids.insert(name, id);
        }
        for (name, schema) in schemas {
            let Some(id) = self.ids.get(name).copied() else { continue };
            let at = pointer("/$defs", &[name]);
            self.model.order.push(id);
            let base = self.model.definition(id).name.clone();
            let lowered = self.schema(schema, &at, &base)?;
            let shape = match lowered {
                Lowered::Named(shape) => shape,
                // The shape within gets a name of its own.
                other => Shape::Alias(self.named(other, schema, &at, &format!("{base}Value"))),
            };
            self.define(id, shape);
        }
        Ok(())
    }

    fn position(&self, at: &str) -> String {
        format!("{}: `{at}`", self.file)
    }

    fn warn(&mut self, at: &str, text: &str) {
        let warning = Warning { file: self.file.clone(), pointer: at.to_owned(), text: text.to_owned() };
        self.model.warnings.push(warning);
    }

    fn untyped(&mut self, at: &str, reason: &str) -> Lowered {
        self.warn(at, &format!("{reason}: it stays untyped"));
        Lowered::Inline(Type::Untyped)
    }

    /// Returns `x-name`.
    fn chosen_name(&self, schema: OrderedValue<'_>, at: &str) -> Result<Option<String>, CodegenError> {
        match schema.value().get("x-name") {
            None => Ok(None),
            Some(name) => match name.as_str().filter(|name| is_name(name)) {
                Some(name) => Ok(Some(name.to_owned())),
                None => Err(CodegenError::InvalidName { position: self.position(at) }),
            },
        }
    }

    fn reserve(&mut self, name: String, schema: OrderedValue<'_>, at: &str) -> TypeId {
        let id = TypeId(self.model.definitions.len());
        self.model.definitions.push(Definition {
            name: pascal(&name),
            position: self.position(at),
            notes: notes::of(schema.value()),
            shape: Shape::Alias(Type::Untyped),
        });
        id
    }

    fn define(&mut self, id: TypeId, shape: Shape) {
        if let Some(definition) = self.model.definitions.get_mut(id.0) {
            definition.shape = shape;
        }
    }

    /// Returns the type of a schema within a definition. A shape gets `name`.
    fn within(&mut self, schema: OrderedValue<'a>, at: &str, name: &str) -> Result<Type, CodegenError> {
        // The order of types is that of the schema: outer types come before those within them.
        let reserved = self.model.order.len();
        let lowered = self.schema(schema, at, name)?;
        let inner = self.model.order.split_off(reserved);
        let value = self.named(lowered, schema, at, name);
        self.model.order.extend(inner);
        Ok(value)
    }

    /// Returns the type of what a schema has become. A shape gets `name`.
    fn named(&mut self, lowered: Lowered, schema: OrderedValue<'_>, at: &str, name: &str) -> Type {
        match lowered {
            Lowered::Inline(value) => value,
            Lowered::Nullable(inner) => match self.named(*inner, schema, at, name) {
                nullable @ (Type::Nullable(_) | Type::Null | Type::Untyped) => nullable,
                value => Type::Nullable(Box::new(value)),
            },
            Lowered::Named(shape) => {
                let id = self.reserve(name.to_owned(), schema, at);
                self.model.order.push(id);
                self.define(id, shape);
                Type::Named(id)
            }
        }
    }

    /// Turns a schema into a type or shape. Types within it are named after `name`.
    fn schema(&mut self, schema: OrderedValue<'a>, at: &str, name: &str) -> Result<Lowered, CodegenError> {
        if let Some(target) = schema.value().get("$ref").and_then(Value::as_str) {
            if STRUCTURAL.iter().any(|keyword| schema.value().get(*keyword).is_some()) {
                self.warn(at, "adds to a type that it refers to, which is not expressed");
            }
            let id = target.strip_prefix(DEFINITIONS).and_then(|target| self.ids.get(target));
            return Ok(Lowered::Inline(id.map_or(Type::Untyped, |id| Type::Named(*id))));
        }
        if let Some(parts) = schema.member("allOf") {
            let parts: Vec<_> = parts.elements().collect();
            return match parts.as_slice() {
                [part] if schema.value().get("properties").is_none() => {
                    self.schema(*part, &pointer(at, &["allOf", "0"]), name)
                }
                _ => Ok(self.untyped(at, "joins several schemas by `allOf`")),
            };
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.member(keyword) {
                let branches: Vec<_> = branches.elements().collect();
                return self.alternatives(schema, &branches, keyword, at, name);
            }
        }
        if let Some(value) = schema.value().get("const") {
            return Ok(self.constant(value, at));
        }
        if let Some(Value::Array(words)) = schema.value().get("enum") {
            return Ok(self.words(schema, words, at));
        }
        self.by_type(schema, at, name)
    }

    fn by_type(&mut self, schema: OrderedValue<'a>, at: &str, name: &str) -> Result<Lowered, CodegenError> {
        let value = schema.value();
        let names: Vec<&str> = match value.get("type") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(name) => name.as_str().into_iter().collect(),
            None if value.get("properties").is_some() => vec!["object"],
            None if value.get("items").is_some() => vec!["array"],
            None => return Ok(self.untyped(at, "has no `type`")),
        };
        let others: Vec<&str> = names.iter().copied().filter(|name| *name != "null").collect();
        let lowered = match others.as_slice() {
            [] => return Ok(Lowered::Inline(Type::Null)),
            ["object"] => self.object(schema, at, name)?,
            ["array"] => self.array(schema, at, name)?,
            ["string"] => Lowered::Inline(Type::Text),
            ["boolean"] => Lowered::Inline(Type::Boolean),
            ["integer" | "number"] | ["integer", "number"] | ["number", "integer"] => {
                Lowered::Inline(self.number(value, &others, at))
            }
            _ => return Ok(self.untyped(at, "has several types")),
        };
        Ok(if others.len() < names.len() { Lowered::Nullable(Box::new(lowered)) } else { lowered })
    }

    fn number(&mut self, schema: &Value, names: &[&str], at: &str) -> Type {
        match schema.get("format").and_then(Value::as_str) {
            Some("int32") => Type::Int32,
            Some("int64") => {
                let text = "is an `int64`, and a number of the language is exact up to 2^53 only".to_owned();
                self.model.long_integers.push(Warning { file: self.file.clone(), pointer: at.to_owned(), text });
                Type::Int64
            }
            _ if names == ["integer"] => Type::Integer,
            _ => Type::Number,
        }
    }
}
