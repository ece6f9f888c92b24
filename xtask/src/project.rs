//! The checked-out project: where its files and its build output are, and how its cargo is called.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// The checked-out project.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// The project that this program was built from.
    ///
    /// # Errors
    /// If the program does not stand in cargo's target directory.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = env!("CARGO_MANIFEST_DIR");
        let root = Path::new(manifest).parent().context("xtask stands in the project's root")?.to_owned();
        // Cargo put this program into `<target>/<profile>/`; that holds for every way of naming another target directory.
        let program = env::current_exe().context("find xtask's own program")?;
        let target = program.ancestors().nth(2).context("xtask runs from cargo's target directory")?.to_owned();
        Ok(Self { root, target })
    }

    /// The directory of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where build output goes; nothing in it is committed.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The gateway, as a build of the dev profile leaves it.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.target.join("debug/gateway").with_extension(env::consts::EXE_EXTENSION)
    }

    /// Cargo, called in the root with these arguments and with this project's target directory.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments);
        self.with_target(cargo)
    }

    /// A program that calls cargo, called in the root with this project's target directory.
    pub(crate) fn with_target(&self, mut command: Command) -> Command {
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A program that is no part of the project, called in the root.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.root);
        command
    }
}
