//! The steps of `cargo xtask test` in the order in which they run. Steps that need no tools come first, so that
//! `--setup` can install the tools in the meantime.

use super::cargo;
use crate::{
    browser, clients, commits, conformance, core_module, counts::Counts, deploy, fuzz, github, go_sdk, install,
    kotlin_sdk, policy, project::Project, python_sdk, semver, tidy, tools::Tool, wasm,
};

/// The step whose tests filters select.
pub(super) const TESTS: &str = "tests";

/// The step whose cases filters select if it is named too.
pub(super) const FAULTS: &str = "faults";

/// The step that builds the gateway.
pub(super) const BUILD: &str = "build";
/// The steps that run the gateway, or an example.
pub(super) const AFTER_BUILD: [&str; 11] =
    [TESTS, "core", "go", "python", "kotlin", "npm", "install", "conformance", "clients", "browser", FAULTS];

/// A step: a check or a set of tests.
pub(super) struct Step {
    /// The name on the command line.
    pub(super) name: &'static str,
    /// A short description.
    pub(super) about: &'static str,
    /// The tools that it needs.
    pub(super) tools: &'static [Tool],
    /// Returns whether the project contains what the step checks.
    pub(super) applies: fn(&Project) -> bool,
    action: Action,
}

enum Action {
    /// A check that passes or fails as a whole.
    Check(fn(&Project) -> anyhow::Result<()>),
    /// Tests, selected by filters and counted.
    Tests(fn(&Project, &[String]) -> anyhow::Result<Counts>),
}

/// All steps. They share profile and features, so that each crate is checked once and built once.
pub(super) const ALL: &[Step] = &[
    Step::new("format", "the code is formatted", Action::Check(cargo::format)),
    Step::new("tidy", "style rules that the compiler does not check", Action::Check(tidy::check)),
    Step::new("commits", "the subjects of commits have their form", Action::Check(commits::check)),
    Step::new("lints", "no warning of rustc or clippy", Action::Check(cargo::lints)),
    Step::new("docs", "the documentation has no warnings", Action::Check(cargo::docs)),
    Step { applies: fuzz::are_there, ..Step::new("fuzz", "the fuzz targets compile", Action::Check(fuzz::check)) },
    Step::new(BUILD, "the gateway and the examples compile", Action::Check(cargo::build)),
    Step::new("doctests", "the examples in the documentation", Action::Tests(cargo::doctests)),
    Step::new("policy", "the dependencies comply with deny.toml", Action::Check(policy::check))
        .with(&[Tool::VENV, Tool::PYTHON]),
    Step::new("github", "the workflows and templates of GitHub are valid", Action::Check(github::check)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::GO,
        Tool::ACTIONLINT,
        Tool::SHELLCHECK,
    ]),
    Step::new("semver", "the public API fits the version of the crates", Action::Check(semver::check))
        .with(&[Tool::SEMVER_CHECKS]),
    Step::new("deploy", "the files in deploy/ are valid", Action::Tests(deploy::test)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::HAPROXY,
        Tool::NGINX,
        Tool::PROMTOOL,
        Tool::SHELLCHECK,
        Tool::SYSTEMD_ANALYZE,
    ]),
    Step::new(TESTS, "unit tests and end-to-end tests", Action::Tests(cargo::tests)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_EXAMPLES,
        Tool::GO,
        Tool::JAVA,
        Tool::KOTLIN,
        Tool::FAKETIME,
        Tool::HAPROXY,
        Tool::NGINX,
        Tool::OPENSSL,
        Tool::RABBITMQ,
        Tool::REDIS,
        Tool::SENTINEL,
    ]),
    Step::new("core", "the core of the SDKs as a C library and a WebAssembly module", Action::Tests(core_module::test))
        .with(&[Tool::NODE, Tool::NPM, Tool::NPM_SDK, Tool::WASM, Tool::CBINDGEN]),
    Step::new("go", "the Go SDK, also with the race detector", Action::Tests(go_sdk::test)).with(&[
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
        Tool::VENV,
        Tool::GO_OF_SDK,
        Tool::STATICCHECK,
    ]),
    Step::new("python", "the Python SDK, its checks and its generated code", Action::Tests(python_sdk::test)).with(&[
        Tool::NODE,
        Tool::NPM,
        Tool::VENV,
        Tool::PYTHON_SDK,
    ]),
    Step::new("kotlin", "the SDK for Kotlin and Java", Action::Tests(kotlin_sdk::test)).with(&[
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
        Tool::JDK,
        Tool::MAVEN,
    ]),
    Step::new("npm", "the browser SDK as its npm package, in Node", Action::Tests(wasm::test)).with(&[
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
    ]),
    Step::new("install", "every package installs into a new project and works", Action::Tests(install::test)).with(&[
        Tool::VENV,
        Tool::ZIG,
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
        Tool::GO_OF_SDK,
        Tool::JDK,
        Tool::MAVEN,
        Tool::PKG_CONFIG,
    ]),
    Step::new("conformance", "all SDKs behave alike, and as they should", Action::Tests(conformance::test)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::PYTHON_SDK,
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_SDK,
        Tool::WASM,
        Tool::GO_OF_SDK,
        Tool::JDK,
        Tool::MAVEN,
    ]),
    Step::new("clients", "generated API clients compile and work", Action::Tests(clients::test)).with(&[
        Tool::VENV,
        Tool::PYTHON,
        Tool::NODE,
        Tool::NPM,
        Tool::NPM_TESTS,
        Tool::JAVA,
        Tool::GO,
    ]),
    Step {
        applies: browser::is_there,
        ..Step::new("browser", "the demo page and the browser SDK in Chromium", Action::Tests(browser::test))
    }
    .with(&[Tool::NODE, Tool::NPM, Tool::NPM_TESTS, Tool::NPM_SDK, Tool::WASM, Tool::CHROMIUM]),
    Step::new(FAULTS, "nothing is lost when brokers, stores and nodes fail", Action::Tests(cargo::faults)).with(&[
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

    /// Sets the tools that the step needs.
    const fn with(self, tools: &'static [Tool]) -> Self {
        Self { tools, ..self }
    }

    /// Runs the step and returns the number of its tests.
    ///
    /// # Errors
    /// If a check fails. Failed tests are counted and are not an error.
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
    fn steps_that_run_the_gateway_follow_its_build() {
        let position = |name: &str| ALL.iter().position(|step| step.name == name);
        for name in AFTER_BUILD {
            assert!(position(name) > position(BUILD), "{name} is not a step or precedes the build");
        }
    }

    #[test]
    fn steps_without_tools_come_first() {
        let first = ALL.iter().position(|step| !step.tools.is_empty()).unwrap_or(ALL.len());
        let late: Vec<_> = ALL[first..].iter().filter(|step| step.tools.is_empty()).map(|step| step.name).collect();
        assert_eq!(late, [""; 0], "these steps would wait for tools that they do not need");
    }
}
