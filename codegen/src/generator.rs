//! The entry of code generation: contracts, or the built-in messages, and options in; files and warnings out.

use gateway_contracts::{Contract, Schema};
use realtime_gateway_protocol::message_definitions;

use crate::{
    CodegenError, Warning, go, kotlin, lowering,
    model::{Call, Model, Service},
    python, rust, typescript,
};

/// A language of generated code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// TypeScript, for the npm package `realtime-gateway`.
    TypeScript,
    /// Rust, for the crate `realtime-gateway-sdk`.
    Rust,
    /// Go, for the module `sdk-go`.
    Go,
    /// Python, for the package `realtime-gateway`.
    Python,
    /// Kotlin, for the Maven artefact `io.github.realtime-gateway:realtime-gateway`.
    Kotlin,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 5] = [Self::TypeScript, Self::Rust, Self::Go, Self::Python, Self::Kotlin];

    /// Returns the name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Python => "python",
            Self::Kotlin => "kotlin",
        }
    }

    /// Returns the language with this name on the command line.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }

    /// Returns the name of the file with the types of the built-in messages.
    pub fn messages_file_name(self) -> &'static str {
        match self {
            Self::TypeScript => "messages.d.ts",
            Self::Rust => "gateway_messages.rs",
            Self::Go => "messages.go",
            Self::Python => "messages.py",
            Self::Kotlin => "GatewayMessages.kt",
        }
    }

    /// Returns the name of the file with the operations of the HTTP API; nothing if the language has none.
    pub fn publishing_file_name(self) -> Option<&'static str> {
        match self {
            Self::TypeScript => Some("operations.d.ts"),
            Self::Go => Some("api.go"),
            Self::Python => Some("api.py"),
            Self::Kotlin => Some("PublishApi.kt"),
            Self::Rust => None,
        }
    }

    /// Returns whether a text can be the package of a file in this language: in Go a lower-case word that is no keyword, in
    /// Kotlin such words with dots between them.
    pub fn is_package(self, name: &str) -> bool {
        match self {
            Self::Go => go::is_package(name),
            Self::Kotlin => kotlin::is_package(name),
            Self::TypeScript | Self::Rust | Self::Python => false,
        }
    }

    /// Returns the name of the generated file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::TypeScript => "gateway.gen.ts",
            Self::Rust => "gateway_gen.rs",
            Self::Go => "gateway_gen.go",
            Self::Python => "gateway_gen.py",
            Self::Kotlin => "GatewayGen.kt",
        }
    }
}

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// The name of the file.
    pub name: String,
    /// The content.
    pub content: String,
}

/// The result of code generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The files.
    pub files: Vec<GeneratedFile>,
    /// The parts of the contracts that the code does not express.
    pub warnings: Vec<Warning>,
}

/// Generates code for one language.
#[derive(Debug, Clone)]
pub struct Generator {
    language: Language,
    command: String,
    package: Option<String>,
    has_calls: bool,
}

/// What the emitters need to know besides the model.
pub(crate) struct Options<'a> {
    /// The command that writes the file again.
    pub(crate) command: &'a str,
    /// The package that was chosen, for languages whose files name theirs.
    pub(crate) package: Option<&'a str>,
    pub(crate) content: Content,
    has_calls: bool,
}

/// What a file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The types and handles of contracts.
    Contracts,
    /// The types of the built-in messages. In a language that separates declarations from code, these are declarations.
    Messages,
    /// The types of contracts, and handles for backends, which publish over HTTP.
    Publishers,
    /// The operations of the HTTP API with which backends publish, and their types.
    Api,
}

impl Options<'_> {
    /// Returns the calls of a service that are written.
    pub(crate) fn calls<'a>(&self, service: &'a Service) -> &'a [Call] {
        if self.has_calls { &service.calls } else { &[] }
    }

    /// Returns the services that have a handle: those with a topic or a call.
    pub(crate) fn services<'a>(&self, model: &'a Model) -> impl Iterator<Item = &'a Service> {
        model.services.iter().filter(|service| !service.topics.is_empty() || !self.calls(service).is_empty())
    }
}

impl Generator {
    /// Creates a generator for a language.
    pub fn new(language: Language) -> Self {
        let command = format!("gateway codegen --lang {}", language.word());
        Self { language, command, package: None, has_calls: true }
    }

    /// Sets the command that the first line of each file names. The default is `gateway codegen --lang LANGUAGE`.
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Sets the package of the file, in a language whose files name theirs: Go (`gatewaygen` by default) and Kotlin (such as
    /// `com.example.orders`; `gateway` by default).
    pub fn package(mut self, package: impl Into<String>) -> Self {
        self.package = Some(package.into());
        self
    }

    /// Leaves calls out, for an SDK whose client has no `call`.
    pub fn without_calls(mut self) -> Self {
        self.has_calls = false;
        self
    }

    /// Generates the code of contracts. The order of the contracts decides the order of the code.
    ///
    /// # Errors
    /// A [`CodegenError`] when two names become equal or a name is not valid.
    pub fn generate(&self, contracts: &[Contract]) -> Result<Generated, CodegenError> {
        if contracts.is_empty() {
            return Err(CodegenError::NoContracts);
        }
        let (file_name, model) = (self.language.file_name(), lowering::lower(contracts)?);
        self.emit(file_name, model, Content::Contracts)
    }

    /// Generates code of contracts for backends: their types, and handles that publish events over HTTP, without the core
    /// of the SDK.
    ///
    /// # Errors
    /// A [`CodegenError`] when two names become equal, a name is not valid, or the language has no such code.
    pub fn generate_publishers(&self, contracts: &[Contract]) -> Result<Generated, CodegenError> {
        if contracts.is_empty() {
            return Err(CodegenError::NoContracts);
        }
        if self.language.publishing_file_name().is_none() {
            return Err(CodegenError::NoPublishing { language: self.language.word() });
        }
        self.emit(self.language.file_name(), lowering::lower(contracts)?, Content::Publishers)
    }

    /// Generates the operations of the HTTP API with which backends publish, and their types, from the OpenAPI document of
    /// a gateway: those that need an API key with the scope `publish`. The packages for backends of the SDKs are made so.
    ///
    /// # Errors
    /// A [`CodegenError`] when two names become equal, the document is not that of a gateway, or the language has no such
    /// code.
    pub fn generate_publishing(&self, openapi: &str) -> Result<Generated, CodegenError> {
        let language = self.language.word();
        let file_name = self.language.publishing_file_name().ok_or(CodegenError::NoPublishing { language })?;
        self.emit(file_name, lowering::lower_publishing(openapi)?, Content::Api)
    }

    /// Generates the types of the built-in messages: those that every gateway has, without contracts.
    ///
    /// # Errors
    /// A [`CodegenError`] when two names become equal, or the messages of the protocol have no valid schema.
    pub fn generate_messages(&self) -> Result<Generated, CodegenError> {
        let schema = Schema::from_text("the protocol", message_definitions().to_string())?;
        let (file_name, model) = (self.language.messages_file_name(), lowering::lower_schema(&schema)?);
        self.emit(file_name, model, Content::Messages)
    }

    fn emit(&self, file_name: &str, mut model: Model, content: Content) -> Result<Generated, CodegenError> {
        let package = self.package.as_deref();
        let options = Options { command: &self.command, package, content, has_calls: self.has_calls };
        let text = match self.language {
            Language::TypeScript => typescript::emit(&model, &options)?,
            Language::Rust => rust::emit(&model, &options)?,
            Language::Go => go::emit(&model, &options)?,
            Language::Python => python::emit(&model, &options)?,
            Language::Kotlin => kotlin::emit(&model, &options)?,
        };
        let mut warnings = std::mem::take(&mut model.warnings);
        if self.language == Language::TypeScript {
            warnings.append(&mut model.long_integers);
        }
        if self.language == Language::Go {
            warnings.append(&mut model.unusual_names);
        }
        let mut files = vec![GeneratedFile { name: file_name.to_owned(), content: text }];
        if self.language == Language::TypeScript && options.content == Content::Api {
            // Declarations have no code.
            let content = typescript::operations::table(&model, &options);
            files.push(GeneratedFile { name: typescript::operations::TABLE.to_owned(), content });
        }
        Ok(Generated { files, warnings })
    }
}
