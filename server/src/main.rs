//! The command line of the gateway.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
