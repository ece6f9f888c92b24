//! A check of the step `deploy`: a validator whose output is shown only when it fails.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::project::Project;

/// A check.
pub(super) struct Check {
    /// The name of the checked files.
    pub(super) name: &'static str,
    /// Runs the check.
    pub(super) run: fn(&Project) -> anyhow::Result<()>,
}

/// Runs a validator and hides its output unless it fails.
///
/// # Errors
/// If it cannot be started, or fails; the error contains its output.
pub(super) fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        bail!("{command:?} failed ({})\n{}", output.status, printed.join("\n"));
    }
    Ok(())
}
