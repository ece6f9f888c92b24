//! `gateway codegen`: writes typed code for the declared services of contract files, or of a running gateway. The code
//! itself comes from the crate `codegen/`.

mod download;
mod output;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use gateway_codegen::{Generator, Language};
use gateway_contracts::Contract;

use super::{contract_file::read_contract, print, printable, warn};
use crate::config::Environment;

/// Writes typed code for declared services.
#[derive(Debug, Args)]
pub(super) struct Codegen {
    /// The language of the code.
    #[arg(long, value_name = "LANGUAGE")]
    lang: RequestedLanguage,
    /// The folder to write to. It is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Writes nothing, and exits with 1 if a file differs from what would be written.
    #[arg(long)]
    check: bool,
    /// The package of code in Go or Kotlin. [default: `gatewaygen` in Go, `gateway` in Kotlin]
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// Writes code for backends, which publish events over HTTP, instead of code for clients. Not in Rust.
    #[arg(long)]
    backend: bool,
    #[command(flatten)]
    contracts: ContractSource,
}

/// Where the contracts are.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ContractSource {
    /// The contract files. Their order is the order of the code.
    #[arg(value_name = "CONTRACT")]
    files: Vec<PathBuf>,
    /// The address of a gateway, such as https://gateway.example.com. Its API key is read from GATEWAY_API_KEY and needs
    /// the scope `read`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RequestedLanguage {
    /// gateway.gen.ts, for the npm package realtime-gateway.
    #[value(name = "typescript")]
    TypeScript,
    /// gateway_gen.rs, for the crate realtime-gateway-sdk.
    Rust,
    /// gateway_gen.go, for the module sdk-go.
    Go,
    /// gateway_gen.py, for the package realtime-gateway of PyPI.
    Python,
    /// GatewayGen.kt, for apps in Kotlin and Java with the Maven artefact io.github.realtime-gateway:realtime-gateway.
    Kotlin,
}

impl From<RequestedLanguage> for Language {
    fn from(requested: RequestedLanguage) -> Self {
        match requested {
            RequestedLanguage::TypeScript => Self::TypeScript,
            RequestedLanguage::Rust => Self::Rust,
            RequestedLanguage::Go => Self::Go,
            RequestedLanguage::Python => Self::Python,
            RequestedLanguage::Kotlin => Self::Kotlin,
        }
    }
}

impl Codegen {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let language = self.lang.into();
        let contracts = self.contracts.read().await.map_err(|error| anyhow!(printable(&format!("{error:#}"))))?;
        check_names(&contracts)?;
        let generator = self.generator(language)?;
        let generated =
            if self.backend { generator.generate_publishers(&contracts) } else { generator.generate(&contracts) };
        let generated = generated.map_err(|error| anyhow!(printable(&error.to_string())))?;
        let printed = if self.check {
            let differences = output::differences(&self.out, &generated.files)?;
            if !differences.is_empty() {
                bail!("{}; to write again: {}", differences.join(", "), self.refresh_command(language));
            }
            let paths = generated.files.iter().map(|file| self.out.join(&file.name));
            paths.map(|path| format!("{} is up to date\n", path.display())).collect()
        } else {
            output::write(&self.out, &generated.files)?
        };
        for warning in &generated.warnings {
            warn(&format!("warning  {}", printable(&warning.to_string())));
        }
        print(&printed)
    }

    /// Returns the generator with the options for the language.
    fn generator(&self, language: Language) -> anyhow::Result<Generator> {
        let generator = Generator::new(language);
        let Some(package) = &self.package else { return Ok(generator) };
        let example = match language {
            Language::Go => "ordersapi",
            Language::Kotlin => "com.example.orders",
            Language::TypeScript | Language::Rust | Language::Python => {
                bail!("--package {package}: code in {} is in no package, leave it out", language.word())
            }
        };
        if !language.is_package(package) {
            bail!("--package {package} is no name of a package: use a-z, 0-9 and _, such as {example}");
        }
        Ok(generator.package(package))
    }

    /// Returns the command that writes the files again, for a shell.
    fn refresh_command(&self, language: Language) -> String {
        let files = self.contracts.files.iter().map(|file| quoted(file));
        let url = self.contracts.url.iter().map(|url| format!("--url {}", quoted(Path::new(url))));
        let source: Vec<_> = url.chain(files).collect();
        let package = self.package.as_ref().map_or_else(String::new, |package| format!(" --package {package}"));
        let backend = if self.backend { " --backend" } else { "" };
        let out = quoted(&self.out);
        format!("gateway codegen --lang {}{package}{backend} --out {out} {}", language.word(), source.join(" "))
    }
}

impl ContractSource {
    async fn read(&self) -> anyhow::Result<Vec<Contract>> {
        match &self.url {
            Some(url) => download::contracts(url, Environment::read()?.get("GATEWAY_API_KEY")).await,
            None => self.files.iter().map(|file| read_contract(file)).collect(),
        }
    }
}

/// Checks that no two contracts declare the same service.
fn check_names(contracts: &[Contract]) -> anyhow::Result<()> {
    let mut files = BTreeMap::new();
    for contract in contracts {
        if let Some(earlier) = files.insert(contract.name.as_str(), &contract.file) {
            bail!(
                "{} and {} both declare the service `{}`: name each contract once",
                earlier.display(),
                contract.file.display(),
                contract.name
            );
        }
    }
    Ok(())
}

/// Returns a path or URL as a word of a shell command.
fn quoted(word: &Path) -> String {
    let word = word.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_words_that_a_shell_would_split_or_expand() {
        for (word, expected) in [
            ("src/a-b_c.toml", "src/a-b_c.toml"),
            ("http://[::1]:4000", "'http://[::1]:4000'"),
            ("my app", "'my app'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(word)), expected);
        }
    }
}
