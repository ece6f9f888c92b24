//! `gateway config`: what is set, and where; or an example of everything that can be.

use std::process::ExitCode;

use crate::config::{Flags, Loaded, example};
use clap::{Args, ValueEnum};

/// Prints the configuration with secrets masked and where each value came from, or an example.
#[derive(Debug, Args)]
pub(super) struct Config {
    /// Prints a complete commented example instead.
    #[arg(long, value_name = "FORMAT")]
    example: Option<Example>,
    #[command(flatten)]
    source: super::Source,
    /// As with `serve --dev`.
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Example {
    /// gateway.toml
    Toml,
    /// .env
    Env,
    /// The table of the README.
    #[value(hide = true)]
    Markdown,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.example {
            Some(Example::Toml) => super::print(&example::toml()),
            Some(Example::Env) => super::print(&example::env()),
            Some(Example::Markdown) => super::print(&example::table()),
            None => {
                let flags = Flags { dev: self.dev, ..self.source.flags() };
                super::print(&Loaded::read(&flags)?.show())
            }
        }
    }
}
