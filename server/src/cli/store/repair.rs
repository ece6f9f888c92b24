//! `gateway store repair` for a damaged data file, and `gateway store new-epoch` for one that was restored from a
//! backup.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::{print, warn},
    config::{Config, Durability},
    runtime::{clock::NodeClock, supervision::Supervisor},
    store::{
        Log, NodeName, Options, SpaceLimits, Store as _,
        copy::copy,
        redb::{
            RedbStore,
            repair::{Salvage, renew_epoch},
        },
    },
};

#[derive(Debug, Args)]
pub(super) struct Repair {
    /// The damaged data file (PATH or redb:PATH). It is not changed.
    from: String,
    /// The data file to create. It must not exist.
    to: String,
}

#[derive(Debug, Args)]
pub(super) struct NewEpoch {
    /// The data file (PATH or redb:PATH).
    file: String,
}

impl Repair {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (from, to) = (path_of(&self.from), path_of(&self.to));
        anyhow::ensure!(!to.exists(), "{} exists; name a file that does not", to.display());
        // Write to a temporary name, so that an incomplete file cannot be mistaken for a repaired one.
        let partial = PathBuf::from(format!("{}.partial", to.display()));
        anyhow::ensure!(
            !partial.exists(),
            "{} was left by a repair that did not end; remove it first",
            partial.display()
        );
        let opening = from.clone();
        let salvage = tokio::task::spawn_blocking(move || Salvage::open(&opening)).await??;
        let window = Config::default().idempotency_window;
        // No limit: all events that wait for the broker have to be copied.
        let (node, supervisor, clock) = (NodeName::new("repair"), Supervisor::default(), NodeClock::default());
        let options = Options {
            window,
            node,
            outbox: Some(u64::MAX),
            webhooks: [].into(),
            space: SpaceLimits::default(),
            supervisor,
        };
        let target = RedbStore::open(&partial, Durability::Fsync, options, clock.for_store())?;
        let copied = copy(&salvage, &target, window, clock.now()).await;
        let epoch = target.epoch();
        target.close().await;
        drop(target);
        let tally = match copied {
            Ok(tally) => tally,
            Err(error) => {
                // Remove the incomplete file.
                let _ = fs::remove_file(&partial);
                return Err(error.into());
            }
        };
        rename_new(&partial, &to)?;
        let survey = salvage.survey();
        if let Some(pages) = &survey.pages {
            warn(&format!("warning  {}: {pages}", from.display()));
        }
        let losses = survey.losses();
        let mut report = format!(
            "wrote {} with {} logs with {} entries, {} idempotency keys, {} pending notifications, {} events\n\
             its epoch is {epoch}: clients are informed that entries may be missing\n",
            to.display(),
            tally.logs,
            tally.entries,
            tally.keys,
            tally.pending,
            tally.events
        );
        if losses.is_empty() {
            report.push_str("nothing was lost\n");
        }
        losses.iter().for_each(|lost| report.push_str(&format!("lost  {lost}\n")));
        print(&report)
    }
}

impl NewEpoch {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let path = path_of(&self.file);
        let (old, new) = renew_epoch(&path)?;
        print(&format!("{} has the epoch {new}; it had {old}\n", path.display()))
    }
}

fn path_of(argument: &str) -> PathBuf {
    PathBuf::from(argument.strip_prefix("redb:").unwrap_or(argument))
}

/// Renames a file unless the new name exists, and flushes the directory.
fn rename_new(from: &Path, to: &Path) -> anyhow::Result<()> {
    // A hard link fails if the name exists, whereas a rename would replace the file.
    fs::hard_link(from, to).with_context(|| format!("{} cannot be named {}", from.display(), to.display()))?;
    fs::remove_file(from)?;
    let directory = to.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}
