//! `gateway schema`: writes the machine-readable documents of the protocol and of the HTTP API, or compares two contracts.

mod diff;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use realtime_gateway_protocol::{
    asyncapi_document,
    backend::{Flow, backend_schema},
    client_schema, server_schema,
};
use serde_json::Value;

use crate::http::openapi_document;

/// Writes JSON Schema, AsyncAPI and OpenAPI documents, or compares two contracts.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Schema {
    /// The folder to write to. It is created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "schema")]
    out: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares two contract files of a service, and reports the changes that break clients.
    ///
    /// Exits with 1 if a client that was written for the old contract may fail with the new one, with 0 if none can, and
    /// with 2 if a contract cannot be read. Each schema is read from the path in its contract.
    Diff(diff::Diff),
}

impl Schema {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(Command::Diff(diff)) = self.command {
            return diff.run();
        }
        let folder = self.out.display();
        fs::create_dir_all(&self.out).with_context(|| format!("{folder} cannot be made"))?;
        let mut written = String::new();
        for (name, document) in documents() {
            let path = self.out.join(name);
            fs::write(&path, format!("{document:#}\n"))
                .with_context(|| format!("{} cannot be written", path.display()))?;
            written.push_str(&format!("{}\n", path.display()));
        }
        super::print(&written)
    }
}

/// Returns the documents by the names under which the gateway serves them.
fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("client.json", client_schema()),
        ("server.json", server_schema()),
        ("inbound.json", backend_schema(Flow::Inbound)),
        ("outbound.json", backend_schema(Flow::Outbound)),
        ("asyncapi.json", asyncapi_document(&[])),
        ("openapi.json", openapi_document()),
    ]
}
