//! What the steps of `cargo xtask test` use and the project does not bring: one list, which is checked before the first
//! step, and which `--setup` installs.

mod debian;

use std::{
    env,
    fmt::Write as _,
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{browser, clients, command, project::Project, python::Environment, wasm};

/// Something that must be installed before a step that uses it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// What it is called in messages; for a program, its name.
    name: &'static str,
    source: Source,
}

/// Where a tool comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// A program that this Debian package installs.
    Program(&'static str),
    /// Any of the programs that count as Chromium, from Debian's package.
    Chromium,
    /// The module `venv` of Python 3, which Debian keeps in a package of its own.
    Venv,
    /// The Python packages of `xtask/requirements.txt`, in `target/venv`.
    Python,
    /// The npm packages of this folder's lock file, in its `node_modules`.
    Npm(&'static str),
    /// A Rust toolchain that builds for wasm32.
    Wasm,
}

impl Tool {
    pub(crate) const CHROMIUM: Self = Self { name: "chromium", source: Source::Chromium };
    pub(crate) const FAKETIME: Self = Self::program("faketime", "faketime");
    pub(crate) const GO: Self = Self::program("go", "golang-go");
    pub(crate) const HAPROXY: Self = Self::program("haproxy", "haproxy");
    pub(crate) const JAVA: Self = Self::program("java", "default-jre-headless");
    pub(crate) const NGINX: Self = Self::program("nginx", "nginx-light");
    pub(crate) const NODE: Self = Self::program("node", "nodejs");
    pub(crate) const NPM: Self = Self::program("npm", "npm");
    pub(crate) const NPM_BROWSER: Self = Self::npm("npm packages of the browser tests", browser::TESTS);
    pub(crate) const NPM_CLIENTS: Self = Self::npm("npm packages of the generated clients", clients::TESTS);
    pub(crate) const NPM_EXAMPLES: Self = Self::npm("npm packages of the examples", "docs/examples");
    pub(crate) const NPM_SDK: Self = Self::npm("npm packages of the browser SDK", "sdk-wasm");
    pub(crate) const OPENSSL: Self = Self::program("openssl", "openssl");
    pub(crate) const PROMTOOL: Self = Self::program("promtool", "prometheus");
    pub(crate) const PYTHON: Self = Self { name: "Python packages of the tests", source: Source::Python };
    pub(crate) const RABBITMQ: Self = Self::program("rabbitmq-server", "rabbitmq-server");
    pub(crate) const REDIS: Self = Self::program("redis-server", "redis-server");
    pub(crate) const SENTINEL: Self = Self::program("redis-sentinel", "redis-sentinel");
    pub(crate) const SHELLCHECK: Self = Self::program("shellcheck", "shellcheck");
    pub(crate) const SYSTEMD_ANALYZE: Self = Self::program("systemd-analyze", "systemd");
    pub(crate) const VENV: Self = Self { name: "Python 3 with venv", source: Source::Venv };
    pub(crate) const WASM: Self = Self { name: "Rust for wasm32", source: Source::Wasm };

    /// A program that a Debian package installs.
    pub(crate) const fn program(name: &'static str, package: &'static str) -> Self {
        Self { name, source: Source::Program(package) }
    }

    /// The npm packages of a folder's lock file.
    pub(crate) const fn npm(name: &'static str, folder: &'static str) -> Self {
        Self { name, source: Source::Npm(folder) }
    }

    /// Whether it is installed, and, where a lock file or a list says which versions, in those versions.
    fn is_there(&self, project: &Project) -> bool {
        match self.source {
            Source::Program(_) => program(self.name).is_some(),
            Source::Chromium => browser::chromium().is_some(),
            Source::Venv => {
                let modules = ["-c", "import ensurepip, venv"];
                Environment::of(project).is_fresh() || command::succeeds(Command::new("python3").args(modules))
            }
            Source::Python => Environment::of(project).is_fresh(),
            Source::Npm(folder) => browser::has_npm_packages(project, folder),
            Source::Wasm => wasm::has_toolchain(project),
        }
    }

    /// The Debian package that brings it.
    fn package(&self) -> Option<&'static str> {
        match self.source {
            Source::Program(package) => Some(package),
            Source::Chromium => Some("chromium"),
            Source::Venv => Some("python3-venv"),
            Source::Python | Source::Npm(_) | Source::Wasm => None,
        }
    }
}

/// Where a program is: on the path, or where Debian keeps what administrators run.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// The tools that are not installed, each once.
pub(crate) struct Missing(Vec<&'static Tool>);

impl Missing {
    /// Those that are missing of the tools that some steps use.
    pub(crate) fn of(project: &Project, tools: impl Iterator<Item = &'static Tool>) -> Self {
        let mut missing: Vec<&Tool> = Vec::new();
        for tool in tools {
            if !missing.contains(&tool) && !tool.is_there(project) {
                missing.push(tool);
            }
        }
        Self(missing)
    }

    /// Whether nothing is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every missing tool, a line each.
    pub(crate) fn list(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, tool| {
            let source = match tool.source {
                Source::Program(_) | Source::Chromium | Source::Venv => {
                    "Debian package ".to_owned() + tool.package().unwrap_or_default()
                }
                Source::Python => "PyPI, into target/venv: xtask/requirements.txt".to_owned(),
                Source::Npm(folder) => format!("npm, into {folder}/node_modules: {folder}/package-lock.json"),
                Source::Wasm => "rustup target wasm32-unknown-unknown".to_owned(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {:<34} {source}", tool.name);
            text
        })
    }

    /// The commands that bring all of them, in the order in which they must run.
    pub(crate) fn commands(&self, project: &Project) -> Vec<String> {
        let mut commands = Vec::new();
        let packages: Vec<_> = self.0.iter().filter_map(|tool| tool.package()).collect();
        if !packages.is_empty() {
            let sudo = if debian::is_root() { "" } else { "sudo " };
            commands.push(format!("{sudo}apt-get update"));
            commands.push(format!("{sudo}apt-get install --yes --no-install-recommends {}", packages.join(" ")));
        }
        commands.extend(self.0.iter().filter_map(|tool| match tool.source {
            Source::Python => Some(Environment::of(project).command()),
            Source::Npm(folder) => Some(format!("npm ci --prefix {folder} {}", browser::NPM_CI.join(" "))),
            Source::Wasm => Some(wasm::SETUP.to_owned()),
            Source::Program(_) | Source::Chromium | Source::Venv => None,
        }));
        commands
    }

    /// Installs all of them. What the installers print goes to the log.
    ///
    /// # Errors
    /// If one cannot be installed.
    pub(crate) fn install(&self, project: &Project, log: &File) -> anyhow::Result<()> {
        let packages: Vec<_> = self.0.iter().filter_map(|tool| tool.package()).collect();
        if !packages.is_empty() {
            debian::install(&packages, log)?;
        }
        for tool in &self.0 {
            match tool.source {
                Source::Program(_) | Source::Chromium | Source::Venv => {}
                Source::Python => Environment::of(project).create(log)?,
                Source::Npm(folder) => browser::npm_ci(project, folder, log)?,
                Source::Wasm => wasm::set_up(project, log)?,
            }
        }
        let left = Self::of(project, self.0.iter().copied());
        if !left.is_empty() {
            bail!("these are missing after the installation:\n{}", left.list());
        }
        Ok(())
    }
}

/// Installs Debian packages.
///
/// # Errors
/// If this machine has no apt-get, or apt-get fails.
pub(crate) fn install_packages(packages: &[&str], log: &File) -> anyhow::Result<()> {
    debian::install(packages, log)
}

/// Runs an installer. What it prints goes to the log.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn run_logged(command: &mut Command, log: &File) -> anyhow::Result<()> {
    let output = || log.try_clone().context("write the log of the installation");
    command::run(command.stdin(Stdio::null()).stdout(output()?).stderr(output()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    static ALL: [Tool; 5] = [
        Tool::program("no-such-program", "no-such-package"),
        Tool::program("sh", "dash"),
        Tool::program("no-such-program", "no-such-package"),
        Tool::npm("more npm packages", "no-such-folder"),
        Tool::program("another-missing-program", "another-package"),
    ];

    #[test]
    fn each_missing_tool_is_listed_once_with_the_command_that_brings_it() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let missing = Missing::of(&project, ALL.iter());
        assert_eq!(missing.list().lines().count(), 3, "{}", missing.list());
        assert!(missing.list().contains("no-such-program") && !missing.list().contains("dash"), "{}", missing.list());
        let commands = missing.commands(&project);
        assert_eq!(commands.len(), 3, "{commands:?}");
        assert!(commands[1].ends_with("--no-install-recommends no-such-package another-package"), "{commands:?}");
        assert!(commands[2].starts_with("npm ci --prefix no-such-folder"), "{commands:?}");
    }

    #[test]
    fn nothing_is_missing_where_everything_is_installed() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        assert!(Missing::of(&project, [&Tool::program("sh", "dash")].into_iter().map(|_| &ALL[1])).is_empty());
    }
}
