//! Clients that public generators write from the gateway's documents: they are compiled, and send notifications.

use crate::{browser, command, counts::Counts, installed, project::Project, python::Environment};

/// Where the tests are.
const TESTS: &str = "tests/clients";

/// Programs that the generators and their clients run with, and the Debian packages that install them.
const PROGRAMS: [(&str, &str); 2] = [("java", "default-jre-headless"), ("go", "golang-go")];

/// Generates the clients and runs them against the gateway of this tree. What was generated stays in
/// `tests/clients/generated`.
///
/// # Errors
/// If something that they need cannot be installed, or the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // They are parts of the names of Rust's tests.
        return Ok(Counts::default());
    }
    for (name, package) in PROGRAMS {
        installed::ensure_program(name, package)?;
    }
    Environment::of(project).ensure()?;
    browser::npm_ci(project, TESTS)?;
    let arguments = ["build", "--package", "realtime-gateway-server", "--bin", "gateway", "--locked"];
    command::run(&mut project.cargo(&arguments))?;
    let gateway = project.target().join("debug/gateway").with_extension(std::env::consts::EXE_EXTENSION);
    let mut npm = project.program("npm", &["test", "--silent"]);
    npm.current_dir(project.root().join(TESTS))
        .env("GATEWAY_PROGRAM", gateway)
        .envs(Environment::of(project).variables());
    command::run_counted(&mut npm)
}
