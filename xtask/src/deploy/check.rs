//! One check of the step `deploy`: a program that is silent when all is well, and heard when it is not.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::project::Project;

/// One thing that must hold.
pub(super) struct Check {
    /// What is looked at.
    pub(super) name: &'static str,
    /// Looks at it.
    pub(super) run: fn(&Project) -> anyhow::Result<()>,
}

/// Runs a validator; what it says is shown only if it fails.
///
/// # Errors
/// If it cannot be started or fails, with all that it said.
pub(super) fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        bail!("{command:?} failed ({})\n{}", output.status, said.join("\n"));
    }
    Ok(())
}
