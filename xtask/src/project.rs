//! The project's working tree: the paths of its files and build output, and the commands that run in it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// The project's working tree.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Finds the project from which this program was built.
    ///
    /// # Errors
    /// If the program is not in cargo's target directory.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = env!("CARGO_MANIFEST_DIR");
        let root = Path::new(manifest).parent().context("xtask is a folder in the project's root")?.to_owned();
        // Cargo put this program into `<target>/<profile>/`; that holds for every way of naming another target
        // directory.
        let program = env::current_exe().context("find xtask's own program")?;
        let target = program.ancestors().nth(2).context("xtask runs from cargo's target directory")?.to_owned();
        Ok(Self { root, target })
    }

    /// Returns the directory of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of build output, which is not committed.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the path of the gateway in the dev profile.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.target.join("debug/gateway").with_extension(env::consts::EXE_EXTENSION)
    }

    /// Returns a cargo command that runs in the root with this project's target directory.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments);
        self.with_target(cargo)
    }

    /// Makes a command that calls cargo run in the root with this project's target directory.
    pub(crate) fn with_target(&self, mut command: Command) -> Command {
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Returns a command for an external program that runs in the root.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.root);
        command
    }
}
