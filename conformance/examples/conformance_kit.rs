//! `gateway conformance` without the gateway, which is quicker to compile for work on the kit itself.

use std::process::ExitCode;

use clap::Parser;
use realtime_gateway_conformance::Arguments;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().arguments.run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
