//! The schema of a contract: a JSON Schema (2020-12) whose definitions are the types of the data.
//!
//! A schema belongs to another team than the gateway, so its size, its depth, its references and its patterns are
//! bounded. Nothing is fetched.

mod bounds;
mod data_type;
mod explain;
mod finite;
mod keywords;
mod line;
mod one_pass;
mod patterns;
mod references;
mod rules;
mod validator;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, value::RawValue};

pub use bounds::{MAX_DEFINITIONS, MAX_DEPTH, MAX_SCHEMA_BYTES};
pub use data_type::{DataType, InvalidData};

use crate::{
    ContractError,
    nearest::suggestion,
    ordered::{MemberOrder, OrderedValue},
    source::SourceFile,
    unique_json::{self, JsonProblem},
};

/// The beginning of a reference to a type.
const DEFINITIONS: &str = "#/$defs/";

/// A valid schema.
#[derive(Clone)]
pub struct Schema {
    file: PathBuf,
    /// The text of the file, which is valid JSON.
    text: Arc<RawValue>,
    root: Arc<Value>,
    order: Arc<MemberOrder>,
    /// The types that the contract uses, by name.
    types: BTreeMap<String, DataType>,
}

/// A problem at a position in the schema.
struct SchemaProblem {
    /// The JSON pointer of the position.
    pointer: String,
    /// The end of a sentence that starts with the pointer.
    text: String,
}

impl SchemaProblem {
    fn new(pointer: impl Into<String>, text: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), text: text.into() }
    }
}

impl Schema {
    /// Reads and validates a schema file.
    ///
    /// # Errors
    /// A [`ContractError`] with the first problem. Its key is the JSON pointer of the position.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        Self::parse(SourceFile::read(path, MAX_SCHEMA_BYTES)?)
    }

    /// Validates the text of a schema that is not in a file. The name takes the place of the path.
    ///
    /// # Errors
    /// A [`ContractError`] with the first problem. Its key is the JSON pointer of the position.
    pub fn from_text(name: &str, text: impl Into<String>) -> Result<Self, ContractError> {
        Self::parse(SourceFile { path: name.into(), text: text.into() })
    }

    /// Validates the text of a schema.
    pub(crate) fn parse(file: SourceFile) -> Result<Self, ContractError> {
        let root = unique_json::parse(&file.text, MAX_DEPTH).map_err(|error| {
            let (key, problem) = match error.problem {
                JsonProblem::Syntax(problem) => (None, format!("is not valid JSON: {problem}")),
                JsonProblem::Duplicate { pointer } => (Some(pointer), "is there twice".to_owned()),
                JsonProblem::Depth { pointer } => (Some(pointer), format!("is nested deeper than {MAX_DEPTH} levels")),
            };
            file.error_in_line(error.line, key, problem)
        })?;
        let order = MemberOrder::of(&file.text).unwrap_or(MemberOrder::Scalar);
        let ordered = OrderedValue::new(&root, &order);
        bounds::check(ordered).and_then(|()| rules::check(ordered)).map_err(|problem| {
            let line = line::of(&file.text, &problem.pointer);
            let key = Some(problem.pointer).filter(|pointer| !pointer.is_empty());
            file.error_in_line(line, key, problem.text)
        })?;
        let text = RawValue::from_string(file.text).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Ok(Self {
            file: file.path,
            text: text.into(),
            root: Arc::new(root),
            order: Arc::new(order),
            types: BTreeMap::new(),
        })
    }

    /// Returns the path of the file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the text of the document.
    pub(crate) fn json(&self) -> &RawValue {
        &self.text
    }

    /// Returns the whole document.
    pub fn root(&self) -> OrderedValue<'_> {
        OrderedValue::new(&self.root, &self.order)
    }

    /// Returns the definitions, in the order of the file.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, OrderedValue<'_>)> {
        self.root().member("$defs").into_iter().flat_map(OrderedValue::members)
    }

    /// Returns the schema of a type, or `None` when there is no such definition.
    pub fn definition(&self, name: &str) -> Option<OrderedValue<'_>> {
        self.root().member("$defs")?.member(name)
    }

    /// Returns a type and compiles its validator. The error is the end of a sentence that starts with the key.
    pub(crate) fn data_type(&mut self, name: &str) -> Result<DataType, String> {
        if let Some(found) = self.types.get(name) {
            return Ok(found.clone());
        }
        if self.definition(name).is_none() {
            let nearest = suggestion("one", name, self.definitions().map(|(name, _)| name));
            return Err(format!("is {name:?}, which is not in the `$defs` of {}{nearest}", self.file.display()));
        }
        let validators = validator::compile(&self.root, name)
            .map_err(|problem| format!("is {name:?}, which cannot be compiled: {problem}"))?;
        let data_type = DataType::new(name, validators);
        self.types.insert(name.to_owned(), data_type.clone());
        Ok(data_type)
    }

    /// Returns whether a type is another one or a branch of its `oneOf`.
    pub(crate) fn is_branch_of(&self, name: &str, other: &str) -> bool {
        let (name, other) = (self.resolve(name), self.resolve(other));
        let branches = self.definition(other).and_then(|schema| schema.value().get("oneOf")?.as_array());
        let mut branches = branches.into_iter().flatten().filter_map(referenced_type);
        name == other || branches.any(|branch| self.resolve(branch) == name)
    }

    /// Returns the type that a chain of types which only refer to another one leads to.
    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        // References do not end in a circle.
        let mut name = name;
        while let Some(next) = self.definition(name).and_then(|schema| referenced_type(schema.value())) {
            name = next;
        }
        name
    }
}

/// Returns the name of the type that a schema refers to.
fn referenced_type(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.file.display())
    }
}
