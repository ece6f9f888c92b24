//! A compiler for wasm32, wherever it can be had.

use std::{
    env, fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{command, project::Project, tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// How rustup adds the target to the active toolchain.
const RUSTUP: [&str; 3] = ["target", "add", TARGET];

/// What `--setup` runs for a compiler, for a person.
pub(crate) const SETUP: &str = "rustup target add wasm32-unknown-unknown || apt-get install --yes --no-install-recommends \
                                rustc-web cargo-web rust-web-src lld";

/// A second toolchain of Debian's, newer than the one of its release, with the source of the standard library.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// The ways to a compiler, in the order in which they are tried.
pub(super) enum Toolchain {
    /// The active toolchain has the target.
    Active,
    /// Debian's second toolchain, which builds the standard library itself, with this linker.
    Debian(PathBuf),
}

impl Toolchain {
    /// Finds one.
    pub(super) fn installed(project: &Project) -> Option<Self> {
        if is_there(project) { Some(Self::Active) } else { debian(project).map(Self::Debian) }
    }

    /// Finds one, and otherwise has rustup add the target to the active toolchain.
    ///
    /// # Errors
    /// If there is none, and rustup cannot add it; the error names the commands that bring one.
    pub(super) fn find(project: &Project) -> anyhow::Result<Self> {
        if let Some(installed) = Self::installed(project) {
            return Ok(installed);
        }
        if command::run(&mut project.program("rustup", &RUSTUP)).is_ok() && is_there(project) {
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

    /// Brings one: by rustup, or, where rustup cannot download, from Debian.
    ///
    /// # Errors
    /// If neither can.
    pub(super) fn set_up(project: &Project, log: &File) -> anyhow::Result<()> {
        let Err(error) = tools::run_logged(&mut project.program("rustup", &RUSTUP), log) else { return Ok(()) };
        tools::install_packages(&DEBIAN_PACKAGES, log).with_context(|| format!("{error:#}; and then"))
    }

    /// Cargo, called so that it builds the crate.
    ///
    /// # Errors
    /// If `PATH` cannot be extended.
    pub(super) fn cargo(&self, project: &Project) -> anyhow::Result<Command> {
        let build = [
            "rustc",
            "--lib",
            "--crate-type",
            "cdylib",
            "--package",
            "realtime-gateway-wasm",
            "--profile",
            "wasm",
            "--target",
            TARGET,
        ];
        let Self::Debian(linker) = self else { return Ok(project.cargo(&build)) };
        let mut cargo = project.program("/usr/bin/cargo", &build);
        let paths = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
        let paths = env::join_paths([PathBuf::from("/usr/bin")].into_iter().chain(paths)).context("extend PATH")?;
        // It has no built standard library for the target, only the source, and building that is an unstable feature.
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

/// Whether the active toolchain has the built standard library of the target.
fn is_there(project: &Project) -> bool {
    let mut rustc = project.program("rustc", &["--print", "target-libdir", "--target", TARGET]);
    let Ok(printed) = rustc.output() else { return false };
    let folder = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// The linker for Debian's toolchain, if that is installed.
fn debian(project: &Project) -> Option<PathBuf> {
    let compiler = Path::new("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/std");
    let is_there = compiler.exists() && source.exists();
    if !is_there {
        return None;
    }
    // rustup's linker is newer than Debian's `wasm-ld`, and knows what a newer compiler writes.
    let sysroot = project.program("rustc", &["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let rust_lld = Path::new(&sysroot).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    let linkers = [rust_lld, PathBuf::from("/usr/bin/wasm-ld")];
    linkers.into_iter().find(|linker| linker.exists())
}
