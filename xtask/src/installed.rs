//! Programs that the checks need: cargo subcommands from crates.io, others from Debian's packages.

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::{command, project::Project};

/// Makes sure that `cargo <subcommand>` is there, which the package `cargo-<subcommand>` brings.
///
/// # Errors
/// If it is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn ensure(project: &Project, subcommand: &str) -> anyhow::Result<()> {
    if is_there(project, subcommand) {
        return Ok(());
    }
    let package = format!("cargo-{subcommand}");
    writeln!(io::stderr(), "{package} is missing: installing it, which takes a few minutes once")?;
    let mut install = project.cargo(&["install", "--locked", &package]);
    // Its build output is of no use to the project's own, and would only fill the target directory.
    install.env_remove("CARGO_TARGET_DIR");
    command::run(&mut install).with_context(|| format!("install it by hand: cargo install --locked {package}"))
}

/// Whether cargo knows this subcommand.
pub(crate) fn is_there(project: &Project, subcommand: &str) -> bool {
    command::succeeds(&mut project.cargo(&[subcommand, "--version"]))
}

/// Where a program is: on the path, or where Debian keeps what administrators run.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// Makes sure that a program is there, which this Debian package brings, and tells where it is.
///
/// # Errors
/// If it is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn ensure_program(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    if program(name).is_none() {
        writeln!(io::stderr(), "{name} is missing: installing Debian's package {package}")?;
        debian_package(package);
    }
    program(name).with_context(|| format!("{name} is missing; install it by hand (Debian: apt-get install {package})"))
}

/// While this lives, Debian's packages begin no services (Debian Policy, section 9.3.3.1), unless this machine has a
/// rule of its own for that.
struct Quiet(bool);

impl Quiet {
    const RULE: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Self {
        let rule = File::options().write(true).create_new(true).mode(0o755).open(Self::RULE);
        Self(rule.and_then(|mut rule| rule.write_all(b"#!/bin/sh\nexit 101\n")).is_ok())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.0 {
            fs::remove_file(Self::RULE).ok();
        }
    }
}

/// Installs a Debian package if this machine has apt-get and we are root; says whether it did. A server that it brings is
/// not begun: tests begin their own, and what runs on this machine is none of ours.
pub(crate) fn debian_package(package: &str) -> bool {
    let is_root = Command::new("id")
        .arg("-u")
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let apt_get = |arguments: &[&str]| {
        command::succeeds(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let _quiet = is_root.then(Quiet::begin);
    is_root && apt_get(&["update"]) && apt_get(&["install", "--yes", "--no-install-recommends", package])
}
