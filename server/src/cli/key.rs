//! `gateway key new`: creates an API key and the configuration for it.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use sha2::{Digest, Sha256};

use crate::config::hexadecimal;

/// The prefix of API keys, by which secret scanners recognize them.
const PREFIX: &str = "gw_";
/// The maximum length of a name, in characters.
const NAME_CHARACTERS: usize = 64;

/// Creates keys of the HTTP API.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a new key and the line that configures it. A shell can source the output.
    New(New),
}

#[derive(Debug, Args)]
struct New {
    /// The name of the key in the configuration and in the log.
    #[arg(long, value_name = "NAME", default_value = "backend", value_parser = name)]
    name: String,
    /// The scopes of the key, separated by commas.
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_values = ["publish", "read"])]
    scopes: Vec<Scope>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Send notifications, messages and events.
    Publish,
    /// Read history, sessions and nodes.
    Read,
    /// Disconnect, unsubscribe and delete.
    Admin,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Command::New(new) = self.command;
        super::print(&new.text(&format!("{PREFIX}{}", hexadecimal::<32>()?)))
    }
}

impl New {
    /// Returns the output for a key.
    fn text(&self, key: &str) -> String {
        let Self { name, .. } = self;
        let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.word()).collect();
        // A list of strings has the same syntax in JSON and TOML.
        let scopes = format!("[\"{}\"]", scopes.join("\", \""));
        format!(
            "# The API key, for your backend: Authorization: Bearer ... It is shown once, because the gateway gets its \
             SHA-256 only.\n\
             GATEWAY_API_KEY={key}\n\
             # For the gateway, in its environment or .env file:\n\
             GATEWAY_AUTH__API_KEYS='[{{\"name\": \"{name}\", \"sha256\": \"{digest}\", \"scopes\": {scopes}}}]'\n\
             # Or in gateway.toml, where several keys can follow one another:\n\
             # [[auth.api_keys]]\n\
             # name = \"{name}\"\n\
             # sha256 = \"{digest}\"\n\
             # scopes = {scopes}\n"
        )
    }
}

/// Parses a name that needs no escaping in JSON, in TOML and in a quoted shell string.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > NAME_CHARACTERS || !text.chars().all(is_plain) {
        return Err(format!("a name has 1 to {NAME_CHARACTERS} of the characters A-Z a-z 0-9 - _ ."));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_names_that_need_no_escaping() {
        for good in ["backend", "shop-1", "a.b_c"] {
            assert_eq!(name(good).unwrap(), good);
        }
        for bad in ["", "a b", "it's", "a\"b", "größe", "a\nb", &"x".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
