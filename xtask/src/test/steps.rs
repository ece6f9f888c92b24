//! The steps of `cargo xtask test`, in the order in which they run: those that use no further tools come first, so that
//! `--setup` can install the tools meanwhile.

use super::cargo;
use crate::{browser, clients, counts::Counts, deploy, fuzz, policy, project::Project, tidy, tools::Tool, wasm};

/// The name of the step that filters choose tests of.
pub(super) const TESTS: &str = "tests";

/// The name of the step that they choose cases of, where it is named beside them.
pub(super) const FAULTS: &str = "faults";

/// The step that makes the gateway, and those that run it.
pub(super) const BUILD: &str = "build";
pub(super) const AFTER_BUILD: [&str; 5] = [TESTS, "npm", "clients", "browser", FAULTS];

/// One thing that must hold.
pub(super) struct Step {
    /// How it is chosen on the command line.
    pub(super) name: &'static str,
    /// What it makes sure of, in a few words.
    pub(super) about: &'static str,
    /// What must be installed before it runs.
    pub(super) tools: &'static [Tool],
    /// Whether the project has what it looks at.
    pub(super) applies: fn(&Project) -> bool,
    action: Action,
}

enum Action {
    /// Holds or does not.
    Check(fn(&Project) -> anyhow::Result<()>),
    /// Runs the tests that these filters choose, and tells how many.
    Tests(fn(&Project, &[String]) -> anyhow::Result<Counts>),
}

/// Every step. They share the profile and the features, so that each crate is checked once and built once.
pub(super) const ALL: &[Step] = &[
    Step::new("format", "the code is formatted", Action::Check(cargo::format)),
    Step::new("tidy", "the rules of style that no compiler knows", Action::Check(tidy::check)),
    Step::new("lints", "no warning of rustc or clippy", Action::Check(cargo::lints)),
    Step::new("docs", "the documentation has no warnings", Action::Check(cargo::docs)),
    Step { applies: fuzz::are_there, ..Step::new("fuzz", "the fuzz targets compile", Action::Check(fuzz::check)) },
    Step::new(BUILD, "the gateway and the examples compile", Action::Check(cargo::build)),
    Step::new("doctests", "the examples in the documentation", Action::Tests(cargo::doctests)),
    Step::new("policy", "the dependencies are such as deny.toml allows", Action::Check(policy::check))
        .with(&[Tool::VENV, Tool::PYTHON]),
    Step::new("deploy", "what deploy/ holds is valid", Action::Tests(deploy::test)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::HAPROXY,
        Tool::NGINX,
        Tool::PROMTOOL,
        Tool::SHELLCHECK,
        Tool::SYSTEMD_ANALYZE,
    ]),
    Step::new(TESTS, "unit tests and stories", Action::Tests(cargo::tests)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_EXAMPLES,
        Tool::FAKETIME,
        Tool::HAPROXY,
        Tool::NGINX,
        Tool::OPENSSL,
        Tool::RABBITMQ,
        Tool::REDIS,
        Tool::SENTINEL,
    ]),
    Step::new("npm", "the browser SDK as its npm package, in Node", Action::Tests(wasm::test)).with(&[
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
    ]),
    Step::new("clients", "clients that public generators write compile and work", Action::Tests(clients::test))
        .with(&[Tool::VENV, Tool::PYTHON, Tool::NODE, Tool::NPM, Tool::NPM_CLIENTS, Tool::JAVA, Tool::GO]),
    Step {
        applies: browser::is_there,
        ..Step::new("browser", "the demo page and the browser SDK in Chromium", Action::Tests(browser::test))
    }
    .with(&[Tool::NODE, Tool::NPM, Tool::NPM_BROWSER, Tool::NPM_SDK, Tool::WASM, Tool::CHROMIUM]),
    Step::new(FAULTS, "brokers, stores and nodes fail, and nothing is lost", Action::Tests(cargo::faults)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::RABBITMQ,
        Tool::REDIS,
        Tool::SENTINEL,
    ]),
];

impl Step {
    const fn new(name: &'static str, about: &'static str, action: Action) -> Self {
        Self { name, about, tools: &[], applies: |_| true, action }
    }

    /// The step with the tools that it uses.
    const fn with(self, tools: &'static [Tool]) -> Self {
        Self { tools, ..self }
    }

    /// Does it, and tells how many tests ran in it.
    ///
    /// # Errors
    /// If what it checks does not hold; failed tests are counted and are no error.
    pub(super) fn run(&self, project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
        match self.action {
            Action::Check(check) => check(project).map(|()| Counts::default()),
            Action::Tests(tests) => tests(project, filters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_run_the_gateway_come_after_its_build() {
        let position = |name: &str| ALL.iter().position(|step| step.name == name);
        for name in AFTER_BUILD {
            assert!(position(name) > position(BUILD), "{name} is no step or comes too early");
        }
    }

    #[test]
    fn steps_without_tools_come_first() {
        let first = ALL.iter().position(|step| !step.tools.is_empty()).unwrap_or(ALL.len());
        let late: Vec<_> = ALL[first..].iter().filter(|step| step.tools.is_empty()).map(|step| step.name).collect();
        assert_eq!(late, [""; 0], "these would wait for an installation that they do not need");
    }
}
