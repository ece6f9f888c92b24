//! The project's development commands: `cargo xtask dev`, `test`, `bench`, `fuzz`, `codegen`, `core`, `wasm` and `release`.

mod bench;
mod browser;
mod clients;
mod codegen;
mod command;
mod commits;
mod conformance;
mod core_module;
mod counts;
mod deploy;
mod dev;
mod fuzz;
mod github;
mod go_sdk;
mod history;
mod install;
mod kotlin_sdk;
mod metadata;
mod policy;
mod project;
mod python;
mod python_sdk;
mod release;
mod rust_target;
mod semver;
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
    /// Runs all checks and tests; with filters, the named steps or tests.
    Test(test::Arguments),
    /// Runs the benchmarks in release mode and prints their table.
    Bench(bench::Arguments),
    /// Runs each fuzz target for a limited time.
    Fuzz(fuzz::Arguments),
    /// Writes all generated files.
    Codegen,
    /// Builds the core of the SDKs as a WebAssembly module, for Go and the JVM, in `target/core/`.
    Core,
    /// Builds the npm package of the browser SDK into `sdk-wasm/pkg/`.
    Wasm,
    /// Makes what a release publishes: programs, packages, checksums and bills of materials. Publishes nothing.
    Release(release::Arguments),
    /// Prints the links of the gateway at this address once it is ready, and builds the browser SDK; `dev` starts this
    /// in the background.
    #[command(hide = true)]
    Announce(dev::links::Arguments),
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        // Prints the chain of causes without a backtrace.
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
        Task::Core => core_module::run(&project),
        Task::Wasm => wasm::run(&project),
        Task::Release(arguments) => release::run(&project, &arguments),
        Task::Announce(arguments) => dev::links::run(&project, &arguments),
    }
}
