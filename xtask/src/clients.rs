//! Clients that public generators write from the gateway's documents: they are compiled, and send notifications.

use crate::{
    command,
    counts::{Counts, Format},
    project::Project,
    python::Environment,
};

/// Where the tests are.
pub(crate) const TESTS: &str = "tests/clients";

/// Generates the clients and runs them against the gateway that the step `build` made. What was generated stays in
/// `tests/clients/generated`.
///
/// # Errors
/// If the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // They are parts of the names of Rust's tests.
        return Ok(Counts::default());
    }
    let mut npm = project.program("npm", &["test", "--silent"]);
    npm.current_dir(project.root().join(TESTS))
        .env("GATEWAY_PROGRAM", project.gateway())
        .envs(Environment::of(project).variables());
    command::run_counted(&mut npm, Format::Node)
}
