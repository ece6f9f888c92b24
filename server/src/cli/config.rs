//! `gateway config`: prints the configuration with the source of each value, or a complete example.

use std::process::ExitCode;

use crate::config::{Flags, Loaded, example};
use clap::{Args, ValueEnum};

/// Prints the configuration with masked secrets and the source of each value, or an example.
#[derive(Debug, Args)]
pub(super) struct Config {
    /// Prints a complete commented example instead.
    #[arg(long, value_name = "FORMAT")]
    example: Option<Example>,
    #[command(flatten)]
    source: super::Source,
    /// Reads the configuration like `serve --dev`.
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Example {
    /// A gateway.toml.
    Toml,
    /// A .env file.
    Env,
    /// The page docs/configuration.md.
    #[value(hide = true)]
    Markdown,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.example {
            Some(Example::Toml) => super::print(&example::toml()),
            Some(Example::Env) => super::print(&example::env()),
            Some(Example::Markdown) => super::print(&example::markdown()),
            None => {
                let flags = Flags { dev: self.dev, ..self.source.flags() };
                super::print(&Loaded::read(&flags)?.show())
            }
        }
    }
}
