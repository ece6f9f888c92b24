//! The gateway's own `main`, built beside the tests so that they always run what is in the tree.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli::main()
}
