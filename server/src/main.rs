//! The binary `gateway`: its command line is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli::main()
}
