//! `cargo xtask codegen`: everything that is generated, written anew; tests fail where it was forgotten.

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::{command, project::Project};

/// Files that programs of the gateway print: each path, and which program with which arguments prints it.
const PRINTED: [(&str, &[&str]); 3] = [
    ("gateway.example.toml", &["--bin", "gateway", "--", "config", "--example", "toml"]),
    ("env.example", &["--bin", "gateway", "--", "config", "--example", "env"]),
    ("deploy/grafana/gateway.json", &["--example", "dashboard"]),
];

/// Writes every generated file.
///
/// # Errors
/// If a generator cannot be built or fails; a file whose generator failed keeps its content.
pub(crate) fn run(project: &Project) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    command::run(&mut project.cargo(&["run", "--package", "realtime-gateway-protocol", "--example", "export"]))?;
    writeln!(out, "wrote what the protocol exports")?;
    for (path, program) in PRINTED {
        let mut gateway = project.cargo(&["run", "--quiet", "--package", "realtime-gateway-server"]);
        let printed = command::output(gateway.args(program))?;
        fs::write(project.root().join(path), printed).with_context(|| format!("write {path}"))?;
        writeln!(out, "wrote {path}")?;
    }
    Ok(ExitCode::SUCCESS)
}
