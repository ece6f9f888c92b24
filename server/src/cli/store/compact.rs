//! `gateway store compact`: returns the space of removed data in a data file to the disk.

use std::{path::Path, process::ExitCode};

use clap::Args;

use crate::{cli::print, store::redb::compact::compact};

#[derive(Debug, Args)]
pub(super) struct Compact {
    /// The data file (PATH or redb:PATH). No gateway may use it.
    file: String,
}

impl Compact {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let path = Path::new(self.file.strip_prefix("redb:").unwrap_or(&self.file));
        let compacted = compact(path)?;
        print(&format!("{} takes {} bytes; it took {}\n", path.display(), compacted.after, compacted.before))
    }
}
