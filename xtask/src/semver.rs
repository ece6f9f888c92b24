//! The step `semver`: checks that the version of each published crate fits the changes of its public API since the last
//! release.

use std::{
    io::{self, Write as _},
    process::Command,
};

use crate::{command, history::History, metadata::Metadata, project::Project, tools};

/// The program that compares. There is no prebuilt package, so cargo compiles it, which takes minutes, once there is a
/// release.
pub(crate) const PROGRAM: &str = "cargo-semver-checks";
pub(crate) const VERSION: &str = "0.51.0";

/// Compares the crates with those of the last release tag, `v` and a version.
///
/// # Errors
/// If a change of the public API requires another version than the manifests have.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let Some(release) = last_release(project) else {
        writeln!(io::stdout(), "nothing to compare with: no tag of a release, such as v0.1.0, is before this commit")?;
        return Ok(());
    };
    let mut checks = project.with_target(Command::new(tools::built(project, PROGRAM)));
    checks.args(["semver-checks", "check-release", "--baseline-rev", &release]);
    for package in Metadata::read(project)?.packages.iter().filter(|package| package.is_published()) {
        checks.args(["--package", &package.name]);
    }
    command::run(&mut checks)
}

/// Returns the tag of the last release, if there is one.
pub(crate) fn last_release(project: &Project) -> Option<String> {
    History::of(project)?.last_release()
}
