//! Tests of clients that public generators create from the gateway's documents: they must compile and work.

use crate::{
    browser, command,
    counts::{Counts, Format},
    project::Project,
    python::Environment,
};

/// Generates the clients and runs them against the gateway that the step `build` compiled. The generated code remains
/// in `tests/clients/generated`.
///
/// # Errors
/// If the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    let mut npm = project.program("npm", &["run", "--silent", "test:clients"]);
    npm.current_dir(project.root().join(browser::NPM_FOLDER))
        .env("GATEWAY_PROGRAM", project.gateway())
        .envs(Environment::of(project).variables());
    command::run_counted(&mut npm, Format::Node)
}
