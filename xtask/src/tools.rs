//! External tools that the steps of `cargo xtask test` need. They are checked before the first step, and `--setup`
//! installs them.

mod debian;

use std::{
    env,
    fmt::Write as _,
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{browser, command, core_module, go_sdk, project::Project, python::Environment, rust_target, semver, wasm};

/// A tool that must be installed before the steps that use it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The name in messages; for a program, its file name.
    name: &'static str,
    source: Source,
}

/// How a tool is installed.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// A program in this Debian package.
    Program(&'static str),
    /// Any Chromium or Chrome program, by default from Debian's package.
    Chromium,
    /// The module `venv` of Python 3, which is a separate package in Debian.
    Venv,
    /// The Python packages of `xtask/requirements.txt`, in `target/venv`.
    Python,
    /// The npm packages in the lock file of this folder, in its `node_modules`.
    Npm(&'static str),
    /// A Rust toolchain that builds for wasm32.
    Wasm,
    /// The Python packages of `xtask/release-requirements.txt`, in `target/release-venv`.
    ReleasePython,
    /// The Python packages of `xtask/python-requirements.txt`, in `target/python-sdk-venv`.
    PythonSdk,
    /// The standard library of Rust for this target, by rustup.
    RustTarget,
    /// A Go that is new enough for the SDK: the system's, or that of `xtask/go-requirements.txt` in `target/go-venv`.
    Go,
    /// A program that Go compiles from this module, in `target/tools`.
    GoModule(&'static str),
    /// A program that cargo compiles from this version of a crate, in `target/tools`.
    Crate(&'static str),
    /// The same, once the project has a release.
    CrateAfterRelease(&'static str),
}

impl Tool {
    pub(crate) const ACTIONLINT: Self =
        Self { name: "actionlint", source: Source::GoModule("github.com/rhysd/actionlint/cmd/actionlint@v1.7.7") };
    pub(crate) const CBINDGEN: Self =
        Self { name: core_module::CBINDGEN, source: Source::Crate(core_module::CBINDGEN_VERSION) };
    pub(crate) const CENTRIFUGO: Self =
        Self { name: "centrifugo", source: Source::GoModule("github.com/centrifugal/centrifugo/v6@v6.9.1") };
    pub(crate) const CHROMIUM: Self = Self { name: "chromium", source: Source::Chromium };
    pub(crate) const FAKETIME: Self = Self::program("faketime", "faketime");
    pub(crate) const GO: Self = Self::program("go", "golang-go");
    pub(crate) const GO_OF_SDK: Self = Self { name: "Go 1.24 or later", source: Source::Go };
    pub(crate) const GNU_AARCH64: Self = Self { name: "aarch64-unknown-linux-gnu", source: Source::RustTarget };
    pub(crate) const GNU_X86_64: Self = Self { name: "x86_64-unknown-linux-gnu", source: Source::RustTarget };
    pub(crate) const HAPROXY: Self = Self::program("haproxy", "haproxy");
    pub(crate) const JAVA: Self = Self::program("java", "default-jre-headless");
    pub(crate) const JDK: Self = Self::program("javac", "default-jdk-headless");
    pub(crate) const KOTLIN: Self = Self::npm("Kotlin compiler", "tests/fixtures/kotlin");
    pub(crate) const MAVEN: Self = Self::program("mvn", "maven");
    pub(crate) const MUSL_AARCH64: Self = Self { name: "aarch64-unknown-linux-musl", source: Source::RustTarget };
    pub(crate) const MUSL_X86_64: Self = Self { name: "x86_64-unknown-linux-musl", source: Source::RustTarget };
    pub(crate) const NGINX: Self = Self::program("nginx", "nginx-light");
    pub(crate) const NODE: Self = Self::program("node", "nodejs");
    pub(crate) const NPM: Self = Self::program("npm", "npm");
    pub(crate) const NPM_EXAMPLES: Self = Self::npm("npm packages of the examples", "docs/examples");
    pub(crate) const NPM_SDK: Self = Self::npm("npm packages of the browser SDK", "sdk-wasm");
    pub(crate) const NPM_TESTS: Self = Self::npm("npm packages of the tests", browser::NPM_FOLDER);
    pub(crate) const OPENSSL: Self = Self::program("openssl", "openssl");
    pub(crate) const PKG_CONFIG: Self = Self::program("pkg-config", "pkg-config");
    pub(crate) const PROMTOOL: Self = Self::program("promtool", "prometheus");
    pub(crate) const PYTHON: Self = Self { name: "Python packages of the tests", source: Source::Python };
    pub(crate) const PYTHON_SDK: Self = Self { name: "Python packages of the Python SDK", source: Source::PythonSdk };
    pub(crate) const RABBITMQ: Self = Self::program("rabbitmq-server", "rabbitmq-server");
    pub(crate) const REDIS: Self = Self::program("redis-server", "redis-server");
    pub(crate) const SEMVER_CHECKS: Self =
        Self { name: semver::PROGRAM, source: Source::CrateAfterRelease(semver::VERSION) };
    pub(crate) const SENTINEL: Self = Self::program("redis-sentinel", "redis-sentinel");
    pub(crate) const SHELLCHECK: Self = Self::program("shellcheck", "shellcheck");
    pub(crate) const STATICCHECK: Self =
        Self { name: go_sdk::STATICCHECK, source: Source::GoModule("honnef.co/go/tools/cmd/staticcheck@v0.8.2") };
    pub(crate) const SYSTEMD_ANALYZE: Self = Self::program("systemd-analyze", "systemd");
    pub(crate) const VENV: Self = Self { name: "Python 3 with venv", source: Source::Venv };
    pub(crate) const WASM: Self = Self { name: "Rust for wasm32", source: Source::Wasm };
    pub(crate) const ZIG: Self = Self { name: "zig, cargo-zigbuild and maturin", source: Source::ReleasePython };

    /// Creates a program in a Debian package.
    pub(crate) const fn program(name: &'static str, package: &'static str) -> Self {
        Self { name, source: Source::Program(package) }
    }

    /// Returns the npm packages in the lock file of a folder.
    pub(crate) const fn npm(name: &'static str, folder: &'static str) -> Self {
        Self { name, source: Source::Npm(folder) }
    }

    /// Returns whether the tool is installed, in the locked versions where a lock file or list exists.
    fn is_installed(&self, project: &Project) -> bool {
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
            Source::ReleasePython => Environment::of_release(project).is_fresh(),
            Source::PythonSdk => Environment::of_python_sdk(project).is_fresh(),
            Source::RustTarget => rust_target::is_installed(project, self.name),
            Source::Go => go_sdk::program(project).is_some(),
            Source::GoModule(_) | Source::Crate(_) => built(project, self.name).is_file(),
            Source::CrateAfterRelease(_) => {
                semver::last_release(project).is_none() || built(project, self.name).is_file()
            }
        }
    }

    /// Compiles a program of Go or Rust, with its output in this terminal.
    ///
    /// # Errors
    /// If it cannot be compiled, or the tool is no such program.
    pub(crate) fn compile(&self, project: &Project) -> anyhow::Result<()> {
        match self.source {
            Source::GoModule(module) => command::run(&mut go_install(project, module)),
            Source::Crate(version) => command::run(&mut cargo_install(project, self.name, version)),
            _ => bail!("{} is not a program of Go or Rust", self.name),
        }
    }

    /// Returns the Debian package that contains the tool.
    fn package(&self) -> Option<&'static str> {
        match self.source {
            Source::Program(package) => Some(package),
            Source::Chromium => Some("chromium"),
            Source::Venv => Some("python3-venv"),
            Source::Python
            | Source::Npm(_)
            | Source::Wasm
            | Source::ReleasePython
            | Source::PythonSdk
            | Source::RustTarget
            | Source::Go
            | Source::GoModule(_)
            | Source::Crate(_)
            | Source::CrateAfterRelease(_) => None,
        }
    }
}

/// Returns the command with which Go compiles a program into `target/tools/bin`.
fn go_install(project: &Project, module: &str) -> Command {
    // The newest Go there is: an old one cannot compile all of them.
    let program = go_sdk::program(project).unwrap_or_else(|| "go".into());
    let mut go = project.program(&program.to_string_lossy(), &["install", module]);
    go.env("GOBIN", project.target().join("tools/bin"));
    go
}

/// Returns the command with which cargo compiles a program into `target/tools/bin`.
fn cargo_install(project: &Project, name: &str, version: &str) -> Command {
    let mut cargo = project.program("cargo", &["install", "--locked", "--root"]);
    cargo.arg(project.target().join("tools")).arg(format!("{name}@{version}"));
    // So that its build output does not mix with that of this project.
    cargo.env_remove("CARGO_TARGET_DIR");
    cargo
}

/// Returns the path of a program that is compiled for the tests of this project. It may not exist yet.
pub(crate) fn built(project: &Project, name: &str) -> PathBuf {
    project.target().join("tools/bin").join(name)
}

/// Finds a program on the path, or in `/usr/sbin` and `/sbin`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The tools that are not installed, without duplicates.
pub(crate) struct Missing(Vec<&'static Tool>);

impl Missing {
    /// Returns those of the given tools that are not installed.
    pub(crate) fn of(project: &Project, tools: impl Iterator<Item = &'static Tool>) -> Self {
        let mut missing: Vec<&Tool> = Vec::new();
        for tool in tools {
            if !missing.contains(&tool) && !tool.is_installed(project) {
                missing.push(tool);
            }
        }
        Self(missing)
    }

    /// Returns whether all tools are installed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails if a tool is missing.
    ///
    /// # Errors
    /// If a tool is missing. The error says why it is needed, and how to install it.
    pub(crate) fn require(&self, project: &Project, reason: &str) -> anyhow::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let commands = self.commands(project).join("\n  ");
        bail!("{reason}, which is missing:\n{}install it with\n  {commands}", self.list(project))
    }

    /// Lists the missing tools, one per line.
    pub(crate) fn list(&self, project: &Project) -> String {
        self.0.iter().fold(String::new(), |mut text, tool| {
            let source = match tool.source {
                Source::Program(_) | Source::Chromium | Source::Venv => {
                    "Debian package ".to_owned() + tool.package().unwrap_or_default()
                }
                Source::Python => format!("PyPI, into target/venv: {}", Environment::of(project).requirements()),
                Source::Npm(folder) => format!("npm, into {folder}/node_modules: {folder}/package-lock.json"),
                Source::Wasm => "rustup target wasm32-unknown-unknown".to_owned(),
                Source::ReleasePython => {
                    format!("PyPI, into target/release-venv: {}", Environment::of_release(project).requirements())
                }
                Source::PythonSdk => {
                    let list = Environment::of_python_sdk(project).requirements();
                    format!("PyPI, into target/python-sdk-venv: {list}")
                }
                Source::RustTarget => "rustup target".to_owned(),
                Source::Go => format!("PyPI, into target/go-venv: {}", Environment::of_go(project).requirements()),
                Source::GoModule(module) => format!("Go, into target/tools: {module}"),
                Source::Crate(version) | Source::CrateAfterRelease(version) => {
                    format!("cargo, into target/tools: version {version}")
                }
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {:<34} {source}", tool.name);
            text
        })
    }

    /// Returns the commands that install all of them, in order.
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
            Source::ReleasePython => Some(Environment::of_release(project).command()),
            Source::Go => Some(Environment::of_go(project).command()),
            Source::PythonSdk => Some(Environment::of_python_sdk(project).command()),
            Source::RustTarget => Some(format!("rustup target add {}", tool.name)),
            Source::GoModule(module) => {
                Some(format!("GOBIN={} go install {module}", project.target().join("tools/bin").display()))
            }
            Source::Crate(version) | Source::CrateAfterRelease(version) => {
                let root = project.target().join("tools");
                Some(format!("cargo install --locked --root {} {}@{version}", root.display(), tool.name))
            }
            Source::Program(_) | Source::Chromium | Source::Venv => None,
        }));
        commands
    }

    /// Installs all of them. The output of the installers is written to the log.
    ///
    /// # Errors
    /// If a tool cannot be installed.
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
                Source::ReleasePython => Environment::of_release(project).create(log)?,
                Source::Go => Environment::of_go(project).create(log)?,
                Source::PythonSdk => Environment::of_python_sdk(project).create(log)?,
                Source::RustTarget => rust_target::add(project, tool.name, log)?,
                Source::GoModule(module) => run_logged(&mut go_install(project, module), log)?,
                Source::Crate(version) | Source::CrateAfterRelease(version) => {
                    run_logged(&mut cargo_install(project, tool.name, version), log)?;
                }
            }
        }
        let remaining = Self::of(project, self.0.iter().copied());
        if !remaining.is_empty() {
            bail!("tools are still missing after the installation:\n{}", remaining.list(project));
        }
        Ok(())
    }
}

/// Installs Debian packages.
///
/// # Errors
/// If apt-get is missing or fails.
pub(crate) fn install_packages(packages: &[&str], log: &File) -> anyhow::Result<()> {
    debian::install(packages, log)
}

/// Runs an installer with its output written to the log.
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
    fn lists_each_missing_tool_once_with_its_install_command() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let missing = Missing::of(&project, ALL.iter());
        let list = missing.list(&project);
        assert_eq!(list.lines().count(), 3, "{list}");
        assert!(list.contains("no-such-program") && !list.contains("dash"), "{list}");
        let commands = missing.commands(&project);
        assert_eq!(commands.len(), 3, "{commands:?}");
        assert!(commands[1].ends_with("--no-install-recommends no-such-package another-package"), "{commands:?}");
        assert!(commands[2].starts_with("npm ci --prefix no-such-folder"), "{commands:?}");
    }

    #[test]
    fn reports_no_missing_tool_if_all_are_installed() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        assert!(Missing::of(&project, [&Tool::program("sh", "dash")].into_iter().map(|_| &ALL[1])).is_empty());
    }
}
