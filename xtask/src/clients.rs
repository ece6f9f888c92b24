//! Clients that public generators write from the gateway's documents: they are compiled, and send notifications.

use crate::{command, counts::Counts, project::Project, python::Environment};

/// Where the tests are.
pub(crate) const TESTS: &str = "tests/clients";

/// Generates the clients and runs them against the gateway of this tree. What was generated stays in
/// `tests/clients/generated`.
///
/// # Errors
/// If the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // They are parts of the names of Rust's tests.
        return Ok(Counts::default());
    }
    let arguments = ["build", "--package", "realtime-gateway-server", "--bin", "gateway", "--locked"];
    command::run(&mut project.cargo(&arguments))?;
    let gateway = project.target().join("debug/gateway").with_extension(std::env::consts::EXE_EXTENSION);
    let mut npm = project.program("npm", &["test", "--silent"]);
    npm.current_dir(project.root().join(TESTS))
        .env("GATEWAY_PROGRAM", gateway)
        .envs(Environment::of(project).variables());
    command::run_counted(&mut npm)
}
