//! Programs from PyPI that run the tests, drive the gateway and check files, in a virtual environment under
//! `target/venv`, those that compile releases, in one under `target/release-venv`, Go, in one under `target/go-venv`, and what checks
//! and tests the Python SDK, in one under `target/python-sdk-venv`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use anyhow::Context as _;

use crate::{project::Project, tools};

/// A list of names and versions, as pip reads them.
struct Requirements {
    /// The path of the list in the project.
    path: &'static str,
    text: &'static str,
}

const OF_TESTS: Requirements =
    Requirements { path: "xtask/requirements.txt", text: include_str!("../requirements.txt") };
const OF_RELEASES: Requirements =
    Requirements { path: "xtask/release-requirements.txt", text: include_str!("../release-requirements.txt") };
const OF_GO: Requirements =
    Requirements { path: "xtask/go-requirements.txt", text: include_str!("../go-requirements.txt") };
const OF_PYTHON_SDK: Requirements =
    Requirements { path: "xtask/python-requirements.txt", text: include_str!("../python-requirements.txt") };

/// The copy of the requirements in the environment, which records what is installed.
const STAMP: &str = "requirements.txt";

/// Programs that tests run, each with the environment variable for its path.
const PROGRAMS: [(&str, &str); 2] = [("GATEWAY_TEST_KOSOKU", "kosoku"), ("GATEWAY_TEST_SCHEMATHESIS", "schemathesis")];

/// A virtual environment.
pub(crate) struct Environment {
    directory: PathBuf,
    requirements: Requirements,
}

impl Environment {
    /// Returns the environment of the tests, which may not exist yet.
    pub(crate) fn of(project: &Project) -> Self {
        Self { directory: project.target().join("venv"), requirements: OF_TESTS }
    }

    /// Returns the environment with which releases are compiled. It may not exist yet.
    pub(crate) fn of_release(project: &Project) -> Self {
        Self { directory: project.target().join("release-venv"), requirements: OF_RELEASES }
    }

    /// Returns the environment with Go, for systems whose own is too old. It may not exist yet.
    pub(crate) fn of_go(project: &Project) -> Self {
        Self { directory: project.target().join("go-venv"), requirements: OF_GO }
    }

    /// Returns the environment that checks and tests the Python SDK. It may not exist yet.
    pub(crate) fn of_python_sdk(project: &Project) -> Self {
        Self { directory: project.target().join("python-sdk-venv"), requirements: OF_PYTHON_SDK }
    }

    /// Returns the path of the list of its packages.
    pub(crate) fn requirements(&self) -> &'static str {
        self.requirements.path
    }

    /// Returns whether the packages of the requirements are installed.
    pub(crate) fn is_fresh(&self) -> bool {
        let stamp = fs::read_to_string(self.directory.join(STAMP));
        stamp.is_ok_and(|installed| installed == self.requirements.text) && self.program("python").exists()
    }

    /// Returns the shell command that creates the environment.
    pub(crate) fn command(&self) -> String {
        let (folder, python, list) = (self.directory.display(), self.program("python"), self.requirements.path);
        format!(
            "python3 -m venv --clear {folder} && {} -m pip install --requirement {list} && cp {list} {}",
            python.display(),
            self.directory.join(STAMP).display()
        )
    }

    /// Creates the environment from scratch. The output of pip is written to the log.
    ///
    /// # Errors
    /// If there is no Python 3 with `venv`, or pip cannot install.
    pub(crate) fn create(&self, log: &File) -> anyhow::Result<()> {
        let python = if cfg!(windows) { "python" } else { "python3" };
        tools::run_logged(Command::new(python).args(["-m", "venv", "--clear"]).arg(&self.directory), log)?;
        // The stamp is renamed last, so that an interrupted installation is repeated.
        let requirements = self.directory.join("requested.txt");
        fs::write(&requirements, self.requirements.text)?;
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
        tools::run_logged(&mut pip, log)?;
        fs::rename(requirements, self.directory.join(STAMP)).context("record the installed requirements")
    }

    /// Returns the environment variables with the paths of the programs and of Python, for the tests.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let python = ("GATEWAY_TEST_PYTHON", "python");
        PROGRAMS.into_iter().chain([python]).map(|(variable, program)| (variable, self.program(program)))
    }

    /// Returns the path of a program in the environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        self.directory.join(programs).join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_pinned_requirement() {
        for (_, program) in PROGRAMS {
            let pinned = format!("{program}==");
            assert!(OF_TESTS.text.lines().any(|line| line.starts_with(&pinned)), "{program} is not pinned");
        }
    }
}
