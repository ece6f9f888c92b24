//! Preparation before the steps: reports missing tools or, with `--setup`, lists and installs them.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    thread::{Scope, ScopedJoinHandle},
    time::Instant,
};

use anyhow::{Context as _, anyhow};

use crate::{project::Project, tools::Missing};

/// The number of log lines that are shown when an installation fails.
const SHOWN: usize = 20;

/// Prints the missing tools and how to install them.
///
/// # Errors
/// If standard error cannot be written.
pub(super) fn explain(project: &Project, missing: &Missing) -> anyhow::Result<()> {
    writeln!(
        io::stderr(),
        "error: tools that the steps use are missing, so nothing was run:\n{}\n\
         `cargo xtask test --setup` installs them and then runs the steps. The same by hand:\n{}\n\n\
         The steps that need no further tools run by their names: cargo xtask test format tidy lints docs",
        missing.list(project),
        indented(&missing.commands(project))
    )?;
    Ok(())
}

fn indented(commands: &[String]) -> String {
    commands.iter().map(|command| format!("  {command}")).collect::<Vec<_>>().join("\n")
}

/// A running installation.
pub(super) struct Setup<'scope> {
    task: ScopedJoinHandle<'scope, anyhow::Result<()>>,
    log: PathBuf,
    started: Instant,
}

impl<'scope> Setup<'scope> {
    /// Lists the missing tools and starts their installation; returns `None` if no tool is missing.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub(super) fn begin<'env>(
        scope: &'scope Scope<'scope, 'env>,
        project: &'env Project,
        missing: &'env Missing,
    ) -> anyhow::Result<Option<Self>> {
        let mut out = io::stdout();
        if missing.is_empty() {
            writeln!(out, "=== setup: every tool that the steps use is installed")?;
            return Ok(None);
        }
        let log = project.target().join("setup.log");
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        writeln!(
            out,
            "=== setup: these tools are missing and will be installed:\n{}\nby these commands, while the first steps \
             run; what they print goes to {}:\n{}",
            missing.list(project),
            log.display(),
            indented(&missing.commands(project))
        )?;
        let task = scope.spawn(move || missing.install(project, &file));
        Ok(Some(Self { task, log, started: Instant::now() }))
    }

    /// Waits until all tools are installed.
    ///
    /// # Errors
    /// If a tool could not be installed; the error contains the end of the log.
    pub(super) fn wait(self) -> anyhow::Result<()> {
        let mut out = io::stdout();
        if !self.task.is_finished() {
            writeln!(out, "\n=== setup: waiting for the installation; see {}", self.log.display())?;
        }
        let result = self.task.join().map_err(|_| anyhow!("the installation panicked"))?;
        result.with_context(|| {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let end = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default().join("\n");
            format!("{end}\nthe installation failed; {} has all of it", self.log.display())
        })?;
        writeln!(out, "\n=== setup: installed after {:.0} s", self.started.elapsed().as_secs_f64())?;
        Ok(())
    }
}
