//! The command line. Exit codes: 0 for success, 1 for a failure, with one line that says how to fix it, 2 for wrong
//! usage. `schema diff` exits with 1 for breaking changes only, and with 2 for every failure.

mod accept_clock;
mod act;
mod bench;
mod check;
mod codegen;
mod config;
mod conformance;
mod contract_file;
mod healthcheck;
mod inspect;
mod key;
mod notify;
mod process;
mod reload;
mod remote;
mod running_gateway;
mod schema;
mod serve;
mod services;
mod store;
mod store_check;
mod tail;
mod token;
mod topic_name;
mod webhooks;

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

/// A realtime gateway: one WebSocket per client, with durable delivery of everything that was confirmed.
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
    /// Creates an API key for backend services.
    Key(key::Key),
    /// Reloads the configuration of a gateway that runs on this machine.
    Reload(reload::Reload),
    /// Checks whether the gateway would start, and reports risks.
    Check(check::Check),
    /// Checks whether a running gateway is healthy.
    Healthcheck(healthcheck::Healthcheck),
    /// Sends one notification through the HTTP API of a running gateway.
    Notify(notify::Notify),
    /// Lists the users who are connected to any node.
    Users(inspect::Users),
    /// Lists the sessions of a user on all nodes, with their subscriptions.
    Sessions(inspect::Sessions),
    /// Lists the topics that have subscribers on any node, or the subscribers of one topic.
    Topics(inspect::Topics),
    /// Disconnects a user from every node.
    Kick(act::Kick),
    /// Publishes an event to a topic of a service, or a message to a clan.
    Publish(act::Publish),
    /// Prints what goes through all nodes, without content.
    Tail(tail::Tail),
    /// Puts load on a running gateway, and reports latency, throughput, loss and order.
    ///
    /// Clients connect and subscribe to clans, and some of them send chat messages at a rate. The messages are stored like
    /// all others, in clans named bench-1, bench-2 and so on. All clients share one core of this machine; for higher rates
    /// start several on other machines, each with a --name of its own. Exits with 1 if a message was lost, doubled, out of
    /// order or not confirmed, or if a connection ended.
    Bench(bench::Bench),
    /// Runs a client against a scripted gateway and a fault proxy, and tells which scenarios it passes.
    ///
    /// The command of an adapter follows `--`: a program that carries out commands with the client, and reports what happens.
    /// docs/conformance.md says how to write one. Exits with 1 if a scenario is red.
    Conformance(conformance::Conformance),
    /// Lists the declared services of the configuration, with their topics.
    Services(services::Services),
    /// Lists webhooks and their dead letters, and sends dead letters again, through the HTTP API of a running gateway.
    Webhooks(webhooks::Webhooks),
    /// Writes typed code for declared services: types of their data, and a function for each topic.
    ///
    /// Reads contract files, or /contracts.json of a running gateway. A file that exists is replaced as a whole, and only
    /// if nothing has failed. Warnings name what the code does not express.
    Codegen(codegen::Codegen),
    /// Writes JSON Schema, AsyncAPI and OpenAPI documents, or compares two contracts.
    Schema(schema::Schema),
    /// Copies, repairs or compacts a store while no gateway uses it, or confirms a clock that has jumped.
    Store(store::Store),
    /// Prints the configuration with masked secrets and the source of each value, or an example.
    Config(config::Config),
}

/// The source of the configuration.
#[derive(Debug, Args)]
struct Source {
    /// The configuration file. By default gateway.toml in the working directory, if it exists.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn flags(self) -> Flags {
        Flags { config: self.config, ..Flags::default() }
    }
}

/// Runs the command of this process and returns its exit code.
pub fn main() -> ExitCode {
    main_with(|gateway| gateway)
}

/// Runs like [`main`], and lets the caller customize the gateway of `serve`, for example by adding services.
pub fn main_with(customise: impl FnOnce(Gateway) -> Gateway) -> ExitCode {
    main_or(&[], customise)
}

/// Runs like [`main_with`], with default arguments for a process that is started without arguments.
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
        Command::Users(users) => run(users.run()),
        Command::Sessions(sessions) => run(sessions.run()),
        Command::Topics(topics) => run(topics.run()),
        Command::Kick(kick) => run(kick.run()),
        Command::Publish(publish) => run(publish.run()),
        Command::Tail(tail) => run(tail.run()),
        Command::Bench(bench) => run(bench.run()),
        Command::Conformance(conformance) => run(conformance.run()),
        Command::Services(services) => services.run(),
        Command::Webhooks(webhooks) => run(webhooks.run()),
        Command::Codegen(codegen) => run(codegen.run()),
        Command::Schema(schema) => schema.run(),
        Command::Store(store) => run(store.run()),
        Command::Config(config) => config.run(),
    }
}

/// Runs a command on a new runtime.
fn run(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // For `serve` it is the first event loop. Further ones have threads of their own (`edge/accept/loops.rs`).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let ended = runtime.block_on(command);
    // Do not wait for tasks that still run, such as a DNS lookup without an answer: they would delay the exit.
    runtime.shutdown_background();
    ended
}

/// Prints to standard output. A closed pipe is not a failure.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints a warning to standard error.
fn warn(text: &str) {
    print_to_stderr(format!("gateway: {text}"));
}

/// Returns text from outside, such as that of a contract, with its control characters escaped: they could change what
/// a terminal shows, or end a line.
fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut printable, c| {
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
        printable
    })
}
