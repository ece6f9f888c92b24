//! A compiler for wasm32, wherever it can be had.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{command, installed, project::Project};

const TARGET: &str = "wasm32-unknown-unknown";

/// A second toolchain of Debian's, newer than the one of its release, with the source of the standard library.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// The ways to a compiler, in the order in which they are tried.
pub(super) enum Toolchain {
    /// The active toolchain has the target.
    Active,
    /// rustup has added the target to it just now.
    Added,
    /// Debian's second toolchain, which builds the standard library itself, with this linker.
    Debian(PathBuf),
}

impl Toolchain {
    /// Finds one, and installs it where that needs nobody's consent.
    ///
    /// # Errors
    /// If there is none; the error names the commands that bring one.
    pub(super) fn find(project: &Project) -> anyhow::Result<Self> {
        if is_there(project) {
            return Ok(Self::Active);
        }
        if command::succeeds(&mut project.program("rustup", &["target", "add", TARGET])) && is_there(project) {
            return Ok(Self::Added);
        }
        if let Some(linker) = debian(project) {
            return Ok(Self::Debian(linker));
        }
        bail!(
            "no Rust toolchain here can build for {TARGET}; either of these brings one:\n  \
             rustup target add {TARGET}\n  \
             sudo apt-get install --no-install-recommends {}",
            DEBIAN_PACKAGES.join(" ")
        )
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
            Self::Added => write!(f, "the active toolchain, to which rustup has added {TARGET}"),
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

/// The linker for Debian's toolchain, once that is installed.
fn debian(project: &Project) -> Option<PathBuf> {
    let compiler = Path::new("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/std");
    let is_there = compiler.exists() && source.exists();
    if !is_there && !DEBIAN_PACKAGES.iter().all(|name| installed::debian_package(name)) {
        return None;
    }
    // rustup's linker is newer than Debian's `wasm-ld`, and knows what a newer compiler writes.
    let sysroot = project.program("rustc", &["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let rust_lld = Path::new(&sysroot).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    let linkers = [rust_lld, PathBuf::from("/usr/bin/wasm-ld")];
    linkers.into_iter().find(|linker| linker.exists())
}
