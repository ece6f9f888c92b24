//! The Python programs that the tests drive the gateway with, in a virtual environment under `target/venv`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{command, installed, project::Project};

/// Names and versions, as pip reads them.
const REQUIREMENTS: &str = include_str!("../requirements.txt");

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

    /// Makes sure that the environment holds what `requirements.txt` names.
    ///
    /// # Errors
    /// If there is no Python 3 with `venv`, or pip cannot install; the error says what to do.
    pub(crate) fn ensure(&self) -> anyhow::Result<()> {
        let stamp = self.directory.join("requirements.txt");
        let is_fresh = fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS);
        if is_fresh && self.variables().all(|(_, program)| program.exists()) {
            return Ok(());
        }
        self.create()?;
        // The stamp is written last: an installation that broke off is begun again.
        let requirements = self.directory.join("requested.txt");
        fs::write(&requirements, REQUIREMENTS)?;
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements);
        command::run(&mut pip).context("the tests need these Python packages from PyPI: see xtask/requirements.txt")?;
        fs::rename(requirements, stamp).context("note what was installed")
    }

    /// The variables that tell the tests where each program is, and the Python that runs examples.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let python = ("GATEWAY_TEST_PYTHON", "python");
        PROGRAMS.into_iter().chain([python]).map(|(variable, program)| (variable, self.program(program)))
    }

    fn create(&self) -> anyhow::Result<()> {
        if new_environment(&self.directory) {
            return Ok(());
        }
        // Debian keeps `venv` in a package of its own.
        if installed::debian_package("python3-venv") && new_environment(&self.directory) {
            return Ok(());
        }
        anyhow::bail!(
            "the tests need Python 3 with its module `venv` (Debian: apt-get install python3-venv); \
             `python3 -m venv {}` failed",
            self.directory.display()
        )
    }

    /// Where a program of the environment is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        self.directory.join(programs).join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }
}

fn new_environment(directory: &Path) -> bool {
    let python = if cfg!(windows) { "python" } else { "python3" };
    command::succeeds(Command::new(python).args(["-m", "venv", "--clear"]).arg(directory))
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
