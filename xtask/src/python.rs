//! Programs from PyPI that run the tests, drive the gateway and check files, in a virtual environment under
//! `target/venv`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use anyhow::Context as _;

use crate::{project::Project, tools};

/// Names and versions, as pip reads them.
const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The copy of the requirements that says what is installed.
const STAMP: &str = "requirements.txt";

/// Programs of the environment, each with the variable that tells the tests its path.
const PROGRAMS: [(&str, &str); 2] = [("GATEWAY_TEST_KOSOKU", "kosoku"), ("GATEWAY_TEST_SCHEMATHESIS", "schemathesis")];

/// The virtual environment of the tests.
pub(crate) struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// Where the environment is, or will be.
    pub(crate) fn of(project: &Project) -> Self {
        Self { directory: project.target().join("venv") }
    }

    /// Whether the environment holds what `requirements.txt` names.
    pub(crate) fn is_fresh(&self) -> bool {
        let stamp = fs::read_to_string(self.directory.join(STAMP));
        stamp.is_ok_and(|installed| installed == REQUIREMENTS) && self.variables().all(|(_, program)| program.exists())
    }

    /// The command that makes the environment, for a person.
    pub(crate) fn command(&self) -> String {
        let (folder, python) = (self.directory.display(), self.program("python"));
        format!(
            "python3 -m venv --clear {folder} && {} -m pip install --requirement xtask/requirements.txt && \
             cp xtask/requirements.txt {}",
            python.display(),
            self.directory.join(STAMP).display()
        )
    }

    /// Creates the environment again from nothing. What pip prints goes to the log.
    ///
    /// # Errors
    /// If there is no Python 3 with `venv`, or pip cannot install.
    pub(crate) fn create(&self, log: &File) -> anyhow::Result<()> {
        let python = if cfg!(windows) { "python" } else { "python3" };
        tools::run_logged(Command::new(python).args(["-m", "venv", "--clear"]).arg(&self.directory), log)?;
        // The stamp gets its name last: an installation that broke off is begun again.
        let requirements = self.directory.join("requested.txt");
        fs::write(&requirements, REQUIREMENTS)?;
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
        tools::run_logged(&mut pip, log)?;
        fs::rename(requirements, self.directory.join(STAMP)).context("note what was installed")
    }

    /// The variables that tell the tests where each program is, and the Python that runs examples.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let python = ("GATEWAY_TEST_PYTHON", "python");
        PROGRAMS.into_iter().chain([python]).map(|(variable, program)| (variable, self.program(program)))
    }

    /// Where a program of the environment is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        self.directory.join(programs).join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_among_the_requirements_with_its_version() {
        for (_, program) in PROGRAMS {
            let pinned = format!("{program}==");
            assert!(REQUIREMENTS.lines().any(|line| line.starts_with(&pinned)), "{program} is not pinned");
        }
    }
}
