//! A type of a contract: validates data.

use std::{fmt, sync::Arc};

use jsonschema::{Validator, error::ValidationErrorKind};

use super::{explain::UNION, one_pass::OnePass, validator::INTEGER_FORMAT};
use crate::{MAX_DEPTH, unique_json, unique_json::JsonProblem};

/// A definition of the schema, with its compiled validator.
#[derive(Clone)]
pub struct DataType {
    name: Arc<str>,
    validators: Arc<Validators>,
}

/// The compiled schemas of a type.
pub(super) struct Validators {
    /// Accepts most valid data without a tree of values. `None` for schemas that it cannot check.
    pub(super) one_pass: Option<OnePass>,
    /// Decides whether data is valid.
    pub(super) decide: Validator,
    /// Finds the first problem of data that is not valid (`explain.rs`).
    pub(super) explain: Validator,
}

/// The first problem of data, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidData {
    /// The JSON pointer of the value, empty for the data itself.
    pub pointer: String,
    /// The keyword of the schema that refuses the value, or `duplicate` for the second of two equal member names.
    pub keyword: String,
    /// The member that the schema requires and the value lacks, for the keyword `required`.
    pub missing: Option<String>,
}

impl InvalidData {
    fn new(pointer: String, keyword: &str) -> Self {
        Self { pointer, keyword: keyword.into(), missing: None }
    }
}

impl std::error::Error for InvalidData {}

impl fmt::Display for InvalidData {
    /// Writes a sentence with the position, the keyword and names of the schema.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value")?;
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        write!(f, " does not match its schema ({}", self.keyword)?;
        match &self.missing {
            Some(member) => write!(f, ": {member} is missing)"),
            None => f.write_str(")"),
        }
    }
}

impl DataType {
    pub(super) fn new(name: &str, validators: Validators) -> Self {
        Self { name: name.into(), validators: Arc::new(validators) }
    }

    /// Returns the name of the definition.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Validates data.
    ///
    /// # Errors
    /// The first problem. Text that is not JSON has the keyword `json`, and data that is nested too deeply `depth`.
    pub fn validate(&self, data: &str) -> Result<(), InvalidData> {
        match &self.validators.one_pass {
            Some(one_pass) if one_pass.accepts(data) => Ok(()),
            _ => self.validators.validate(data),
        }
    }

    /// Validates data as a tree of values, without the validator in one pass. Tests compare the two.
    ///
    /// # Errors
    /// As [`DataType::validate`].
    #[doc(hidden)]
    pub fn validate_as_tree(&self, data: &str) -> Result<(), InvalidData> {
        self.validators.validate(data)
    }
}

impl Validators {
    /// Validates data as a tree of values.
    pub(super) fn validate(&self, data: &str) -> Result<(), InvalidData> {
        let value = unique_json::parse(data, MAX_DEPTH).map_err(|error| match error.problem {
            JsonProblem::Syntax(_) => InvalidData::new(String::new(), "json"),
            JsonProblem::Duplicate { pointer } => InvalidData::new(pointer, "duplicate"),
            JsonProblem::Depth { pointer } => InvalidData::new(pointer, "depth"),
        })?;
        if self.decide.is_valid(&value) {
            return Ok(());
        }
        let Err(error) = self.explain.validate(&value) else {
            return Err(InvalidData::new(String::new(), "schema"));
        };
        let keyword = match error.kind().keyword() {
            INTEGER_FORMAT => "format",
            UNION => "oneOf",
            keyword => keyword,
        };
        let missing = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        };
        Err(InvalidData { missing, ..InvalidData::new(error.instance_path().as_str().to_owned(), keyword) })
    }
}

impl PartialEq for DataType {
    /// Compares the names: two types of one contract are equal if their names are.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataType({})", self.name)
    }
}
