//! `cargo xtask codegen`: writes all generated files. Tests fail if a generated file is stale.

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::{
    command, core_module, go_sdk,
    project::Project,
    release::{go, sdk_licenses},
    tidy::core_digest,
};

/// Files that programs of the server package print: the path, and the arguments of `cargo run`.
const PRINTED: [(&str, &[&str]); 5] = [
    ("gateway.example.toml", &["--bin", "gateway", "--", "config", "--example", "toml"]),
    ("env.example", &["--bin", "gateway", "--", "config", "--example", "env"]),
    ("docs/configuration.md", &["--bin", "gateway", "--", "config", "--example", "markdown"]),
    ("deploy/grafana/gateway.json", &["--example", "dashboard"]),
    ("docs/metrics.md", &["--example", "metrics_page"]),
];

/// The arguments by which the gateway writes the typed code of an example, as an app does.
const TYPED_EXAMPLE: [&str; 8] = [
    "codegen",
    "--lang",
    "kotlin",
    "--package",
    "com.example.orders",
    "--out",
    "sdk-kotlin/examples/services/src/main/kotlin",
    "docs/examples/orders/orders.service.toml",
];

/// Writes every generated file.
///
/// # Errors
/// If a generator cannot be built or fails. A file whose generator failed keeps its content.
pub(crate) fn run(project: &Project) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    sdk_licenses::write(project)?;
    go::write_bill(project)?;
    writeln!(out, "wrote the LICENSES.md of the SDKs, and the bill of materials of sdk-go/")?;
    command::run(&mut project.cargo(&["run", "--package", "realtime-gateway-protocol", "--example", "export"]))?;
    writeln!(out, "wrote the exports of the protocol")?;
    // After the exports, which are sources of the core.
    core_digest::write(project)?;
    writeln!(out, "wrote sdk-core/src/digest.rs")?;
    write_openapi(project)?;
    command::run(&mut project.cargo(&["run", "--package", "realtime-gateway-codegen", "--example", "messages"]))?;
    writeln!(out, "wrote codegen/tests/, the messages of the SDKs, and the operations for backends")?;
    let mut gateway =
        project.cargo(&["run", "--quiet", "--package", "realtime-gateway-server", "--bin", "gateway", "--"]);
    command::run(gateway.args(TYPED_EXAMPLE))?;
    writeln!(out, "wrote the typed code of sdk-kotlin/examples/services/")?;
    let transcripts = ["run", "--quiet", "--package", "realtime-gateway-sdk-core", "--example", "transcripts"];
    command::run(&mut project.cargo(&transcripts))?;
    writeln!(out, "wrote sdk-core/transcripts/")?;
    core_module::write_header(project)?;
    writeln!(out, "wrote sdk-c/include/gateway_core.h")?;
    for (path, program) in PRINTED {
        let mut gateway = project.cargo(&["run", "--quiet", "--package", "realtime-gateway-server"]);
        let printed = command::output(gateway.args(program))?;
        fs::write(project.root().join(path), printed).with_context(|| format!("write {path}"))?;
        writeln!(out, "wrote {path}")?;
    }
    // Last, because it needs Go and Rust for wasm32, which the others do not.
    if go_sdk::write(project)? {
        writeln!(out, "wrote the core of sdk-go/")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the OpenAPI document, from which the packages for backends are generated.
fn write_openapi(project: &Project) -> anyhow::Result<()> {
    let folder = project.root().join("target/schema");
    let mut gateway = project.cargo(&["run", "--quiet", "--package", "realtime-gateway-server", "--bin", "gateway"]);
    command::output(gateway.args(["--", "schema", "--out"]).arg(&folder))?;
    let document = fs::read(folder.join("openapi.json")).context("read the OpenAPI document of the gateway")?;
    fs::write(project.root().join("codegen/tests/openapi.json"), document).context("write codegen/tests/openapi.json")
}
