//! Installs Debian packages, only for `cargo xtask test --setup`.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    process::{Command, Stdio},
};

use anyhow::bail;

use super::{program, run_logged};

/// A guard that keeps installed packages from starting services (Debian Policy, section 9.3.3.1), unless the machine
/// has its own rule for that. The tests start their own servers and must not change what else runs on the machine.
struct NoServices(bool);

impl NoServices {
    const RULE: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Self {
        let rule = File::options().write(true).create_new(true).mode(0o755).open(Self::RULE);
        Self(rule.and_then(|mut rule| rule.write_all(b"#!/bin/sh\nexit 101\n")).is_ok())
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0 {
            fs::remove_file(Self::RULE).ok();
        }
    }
}

/// Returns whether this process runs as root and needs no sudo.
pub(super) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs packages, with sudo unless the user is root.
///
/// # Errors
/// If apt-get is missing or fails.
pub(super) fn install(packages: &[&str], log: &File) -> anyhow::Result<()> {
    if program("apt-get").is_none() {
        bail!(
            "apt-get is missing; install the contents of these Debian packages in another way: {}",
            packages.join(" ")
        );
    }
    let root = is_root();
    let _no_services = root.then(NoServices::begin);
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        run_logged(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"), log)
    };
    // A failed update is not fatal: the package lists may be recent enough.
    let updated = apt_get(&["update"]);
    let install = ["install", "--yes", "--no-install-recommends"];
    match apt_get(&[&install[..], packages].concat()) {
        Err(error) => Err(updated.err().unwrap_or(error)),
        Ok(()) => Ok(()),
    }
}
