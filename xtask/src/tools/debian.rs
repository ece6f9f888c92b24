//! Debian's packages. `cargo xtask test --setup` installs them, and no other command does.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    process::{Command, Stdio},
};

use anyhow::bail;

use super::{program, run_logged};

/// While this lives, Debian's packages start no services (Debian Policy, section 9.3.3.1), unless this machine has a rule
/// of its own for that. The tests start servers of their own, and what else runs on this machine is none of their business.
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

/// Whether this process may install packages without sudo.
pub(super) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs packages. A user who is not root is asked for a password by sudo.
///
/// # Errors
/// If this machine has no apt-get, or apt-get fails.
pub(super) fn install(packages: &[&str], log: &File) -> anyhow::Result<()> {
    if program("apt-get").is_none() {
        bail!(
            "this machine has no apt-get; install what these packages of Debian bring in another way: {}",
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
    // A mirror that is out of reach for a moment is no reason to stop: the lists may be fresh enough.
    let updated = apt_get(&["update"]);
    let install = ["install", "--yes", "--no-install-recommends"];
    match apt_get(&[&install[..], packages].concat()) {
        Err(error) => Err(updated.err().unwrap_or(error)),
        Ok(()) => Ok(()),
    }
}
