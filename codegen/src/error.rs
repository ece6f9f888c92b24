//! The errors and warnings of code generation. Each names the file and the JSON pointer of the schema.

use std::fmt;

use gateway_contracts::ContractError;

/// The reason why no code can be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodegenError {
    /// Two different names of contracts give the same name in the generated code.
    #[error("{first} and {second} both become `{name}` in {language}: rename one with `x-name`")]
    EqualNames {
        /// The name in the generated code.
        name: String,
        /// The language.
        language: &'static str,
        /// The first position, such as ``orders.schema.json: `/$defs/Order` ``.
        first: String,
        /// The second position.
        second: String,
    },
    /// The value of `x-name` is not a name.
    #[error("{position} has an `x-name` that does not match [A-Za-z][A-Za-z0-9_]{{0,127}}")]
    InvalidName {
        /// The position of the schema.
        position: String,
    },
    /// There is no contract.
    #[error("there is no contract to generate code from")]
    NoContracts,
    /// The OpenAPI document is not that of a gateway.
    #[error("the OpenAPI document {problem}")]
    OpenApi {
        /// The end of a sentence that starts with the document.
        problem: String,
    },
    /// There is no code of this kind in the language.
    #[error("code for backends is not written in {language}")]
    NoPublishing {
        /// The name of the language on the command line.
        language: &'static str,
    },
    /// The schema of the built-in messages is refused.
    #[error("the types of the built-in messages cannot be read: {0}")]
    Messages(#[from] ContractError),
}

/// A part of a contract that the generated code does not express. It is valid, and the gateway enforces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file of the schema, or its address.
    pub file: String,
    /// The JSON pointer of the schema.
    pub pointer: String,
    /// The end of a sentence that starts with the pointer.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` {}", self.file, self.pointer, self.text)
    }
}
