//! One binary, several commands. Exit codes: 0 for done, 1 for a failure with one line that says how to mend it, 2 for
//! wrong usage.

mod accept_clock;
mod check;
mod config;
mod healthcheck;
mod key;
mod notify;
mod process;
mod reload;
mod running_gateway;
mod schema;
mod serve;
mod store;
mod store_check;
mod token;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    config::{Flags, command_line},
    gateway::Gateway,
    telemetry::print_to_stderr,
};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};

/// A realtime gateway: one WebSocket per client, and nothing that was confirmed is ever lost.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve(serve::Serve),
    /// Prints a token that is signed with the configured secret.
    Token(token::Token),
    /// Makes an API key for backend services.
    Key(key::Key),
    /// Tells a running gateway of this machine to read its configuration again.
    Reload(reload::Reload),
    /// Tells whether the gateway would start, and what would hurt it.
    Check(check::Check),
    /// Asks a running gateway whether it is well.
    Healthcheck(healthcheck::Healthcheck),
    /// Sends one notification through the HTTP API of a running gateway.
    Notify(notify::Notify),
    /// Writes JSON Schema, AsyncAPI and OpenAPI documents.
    Schema(schema::Schema),
    /// Copies a store while no gateway runs on it, or confirms a clock that has jumped.
    Store(store::Store),
    /// Prints the configuration with secrets masked and where each value came from, or an example.
    Config(config::Config),
}

/// Where the configuration is read from.
#[derive(Debug, Args)]
struct Source {
    /// The configuration file; without it gateway.toml in the working directory, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn flags(self) -> Flags {
        Flags { config: self.config, ..Flags::default() }
    }
}

/// Runs the command that the process was started with, and tells how it ended.
pub fn main() -> ExitCode {
    main_with(|gateway| gateway)
}

/// The same, for a gateway that `serve` adds something to, such as services.
pub fn main_with(customise: impl FnOnce(Gateway) -> Gateway) -> ExitCode {
    main_or(&[], customise)
}

/// The same, for a program that does something else than print its help when it is started without arguments.
pub fn main_or(default: &[&str], customise: impl FnOnce(Gateway) -> Gateway) -> ExitCode {
    let mut arguments = command_line();
    if arguments.len() <= 1 {
        arguments.extend(default.iter().map(OsString::from));
    }
    match command(Cli::parse_from(arguments).command, customise) {
        Ok(code) => code,
        Err(error) => {
            print_to_stderr(format!("gateway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command, customise: impl FnOnce(Gateway) -> Gateway) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(serve) => run(serve.run(customise)),
        Command::Token(token) => token.run(),
        Command::Key(key) => key.run(),
        Command::Reload(reload) => reload.run(),
        Command::Check(check) => run(check.run()),
        Command::Healthcheck(healthcheck) => run(healthcheck.run()),
        Command::Notify(notify) => run(notify.run()),
        Command::Schema(schema) => schema.run(),
        Command::Store(store) => run(store.run()),
        Command::Config(config) => config.run(),
    }
}

/// Runs a command on a runtime of its own.
fn run(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let ended = runtime.block_on(command);
    // What still runs, such as the look-up of a name that no server answers, must not hold up the end of the process.
    runtime.shutdown_background();
    ended
}

/// Prints to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Tells on standard error what is worth knowing although it is no failure.
fn warn(text: &str) {
    print_to_stderr(format!("gateway: {text}"));
}
