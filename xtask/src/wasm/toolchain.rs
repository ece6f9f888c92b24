//! Finds or installs a Rust toolchain for wasm32.

use std::{
    env, fmt,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{command, project::Project, rust_target, tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// The arguments with which rustup adds the target to the active toolchain.
const RUSTUP: [&str; 3] = ["target", "add", TARGET];

/// The shell command that `--setup` shows for the toolchain.
pub(crate) const SETUP: &str = "rustup target add wasm32-unknown-unknown || apt-get install --yes --no-install-recommends \
                                rustc-web cargo-web rust-web-src lld";

/// Debian's second Rust toolchain, which is newer than that of the release, with the source of the standard library.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// The possible toolchains, in the order in which they are tried.
pub(crate) enum Toolchain {
    /// The active toolchain has the target.
    Active,
    /// Debian's second toolchain, with this linker. It builds the standard library too.
    Debian(PathBuf),
}

impl Toolchain {
    /// Finds an installed toolchain.
    pub(crate) fn installed(project: &Project) -> Option<Self> {
        if rust_target::is_installed(project, TARGET) { Some(Self::Active) } else { debian(project).map(Self::Debian) }
    }

    /// Finds an installed toolchain. If there is none, adds the target to the active toolchain with rustup.
    ///
    /// # Errors
    /// If there is none, and rustup cannot add the target. The error names the commands that install one.
    pub(crate) fn find(project: &Project) -> anyhow::Result<Self> {
        if let Some(installed) = Self::installed(project) {
            return Ok(installed);
        }
        if command::run(&mut project.program("rustup", &RUSTUP)).is_ok() && rust_target::is_installed(project, TARGET) {
            return Ok(Self::Active);
        }
        bail!(
            "no Rust toolchain here can build for {TARGET}; any of these brings one:\n  \
             rustup target add {TARGET}\n  \
             sudo apt-get install --no-install-recommends {}\n  \
             cargo xtask test --setup",
            DEBIAN_PACKAGES.join(" ")
        )
    }

    /// Installs a toolchain: with rustup, or from Debian if rustup cannot download.
    ///
    /// # Errors
    /// If both fail.
    pub(crate) fn set_up(project: &Project, log: &File) -> anyhow::Result<()> {
        let Err(error) = rust_target::add(project, TARGET, log) else { return Ok(()) };
        tools::install_packages(&DEBIAN_PACKAGES, log).with_context(|| format!("{error:#}; and then"))
    }

    /// Returns the cargo command that builds the module of a package with this toolchain.
    ///
    /// # Errors
    /// If `PATH` cannot be extended.
    pub(crate) fn cargo(&self, project: &Project, package: &str) -> anyhow::Result<Command> {
        let build =
            ["rustc", "--lib", "--crate-type", "cdylib", "--package", package, "--profile", "wasm", "--target", TARGET];
        let Self::Debian(linker) = self else { return Ok(project.cargo(&build)) };
        let mut cargo = project.program("/usr/bin/cargo", &build);
        let paths = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
        let paths = env::join_paths([PathBuf::from("/usr/bin")].into_iter().chain(paths)).context("extend PATH")?;
        // This toolchain has only the source of the standard library, and building it is an unstable feature.
        cargo.arg("-Zbuild-std=std,panic_abort").env("PATH", paths).env("RUSTC_BOOTSTRAP", "1");
        cargo.env_remove("RUSTUP_TOOLCHAIN").env("RUSTC", "/usr/bin/rustc");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        Ok(cargo)
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => write!(f, "the active toolchain, which has {TARGET}"),
            Self::Debian(linker) => {
                write!(f, "Debian's rustc-web, its standard library built from source, linked by {}", linker.display())
            }
        }
    }
}

/// Returns the linker for Debian's toolchain, if that is installed.
fn debian(project: &Project) -> Option<PathBuf> {
    let compiler = Path::new("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/std");
    let is_there = compiler.exists() && source.exists();
    if !is_there {
        return None;
    }
    // rustup's linker is newer than Debian's `wasm-ld`, and supports the output of newer compilers.
    let sysroot = project.program("rustc", &["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let rust_lld = Path::new(&sysroot).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    let linkers = [rust_lld, PathBuf::from("/usr/bin/wasm-ld")];
    linkers.into_iter().find(|linker| linker.exists())
}
