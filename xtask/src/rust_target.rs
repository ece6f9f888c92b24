//! Targets of the active Rust toolchain: checks whether a target is installed, and installs it with rustup.

use std::{fs, fs::File};

use crate::{project::Project, tools};

/// Returns whether the active toolchain has the built standard library of a target.
pub(crate) fn is_installed(project: &Project, target: &str) -> bool {
    let mut rustc = project.program("rustc", &["--print", "target-libdir", "--target", target]);
    let Ok(printed) = rustc.output() else { return false };
    let folder = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// Adds a target to the active toolchain with rustup.
///
/// # Errors
/// If there is no rustup, or it cannot download.
pub(crate) fn add(project: &Project, target: &str, log: &File) -> anyhow::Result<()> {
    tools::run_logged(&mut project.program("rustup", &["target", "add", target]), log)
}
