//! The project's own commands: `cargo xtask dev`, `test`, `bench`, `fuzz`, `codegen` and `wasm`.

mod bench;
mod browser;
mod clients;
mod codegen;
mod command;
mod counts;
mod deploy;
mod dev;
mod fuzz;
mod policy;
mod project;
mod python;
mod test;
mod tidy;
mod tools;
mod wasm;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Parser)]
#[command(name = "cargo xtask", about, bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the gateway, runs it with `--dev` and prints its links.
    Dev(dev::Arguments),
    /// Checks everything that must hold; with filters, the steps or the tests that they name.
    Test(test::Arguments),
    /// Runs the benches in release and prints their table.
    Bench(bench::Arguments),
    /// Runs the fuzz targets for a bounded time each.
    Fuzz(fuzz::Arguments),
    /// Writes every generated file anew.
    Codegen,
    /// Builds the npm package of the browser's SDK into `sdk-wasm/pkg/`.
    Wasm,
    /// Prints the links of the gateway at this address once it is ready, and builds the browser SDK; `dev` starts this
    /// beside the gateway.
    #[command(hide = true)]
    Announce(dev::links::Arguments),
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        // For a person who runs a command: what went wrong and why, without a trace of our own code.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    match task {
        Task::Dev(arguments) => dev::run(&project, &arguments),
        Task::Test(arguments) => test::run(&project, &arguments),
        Task::Bench(arguments) => bench::run(&project, &arguments),
        Task::Fuzz(arguments) => fuzz::run(&project, &arguments),
        Task::Codegen => codegen::run(&project),
        Task::Wasm => wasm::run(&project),
        Task::Announce(arguments) => dev::links::run(&project, &arguments),
    }
}
