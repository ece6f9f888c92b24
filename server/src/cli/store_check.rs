//! Checks whether the store can be opened, without creating one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::check::Finding;
use crate::{
    config::Config,
    runtime::clock::NodeClock,
    store::{
        NodeName,
        open::{OpenError, open},
        redb::{
            exposure,
            survey::{Depth, Survey, survey},
        },
    },
};

/// Checks the store without changing it, including the settings of a shared store that are risks.
pub(super) async fn store(config: &Config, depth: Depth) -> Vec<Finding> {
    if let Some(path) = config.store.url.0.strip_prefix("redb:").map(Path::new) {
        return data_file(path.to_owned(), depth).await;
    }
    match open(&config.store, config.store_options(&NodeName::new(&config.node_id)), &NodeClock::default()).await {
        Ok(store) => {
            let warnings = store.status().warnings;
            store.close().await;
            let found = warnings.iter().map(|warning| Finding::Warning(warning.to_string()));
            [Finding::Fine("the store can be opened".into())].into_iter().chain(found).collect()
        }
        Err(error) => vec![Finding::Error(error.to_string())],
    }
}

async fn data_file(path: PathBuf, depth: Depth) -> Vec<Finding> {
    if !path.exists() {
        return vec![match unwritable(&path) {
            None => Finding::Fine(format!("{} will be made by the first start", path.display())),
            Some((folder, error)) => Finding::Error(format!(
                "{} cannot be created: {} is not writable ({error}); set store.url to another path",
                path.display(),
                folder.display()
            )),
        }];
    }
    let mut findings: Vec<Finding> = exposure(&path).map(Finding::Warning).into_iter().collect();
    let looking = path.clone();
    let found = tokio::task::spawn_blocking(move || survey(&looking, depth)).await;
    match found {
        Ok(Ok(survey)) => {
            // A survey only reads, but the gateway has to write.
            if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(&path) {
                let what = format!("{} cannot be written ({error}); let this user write it", path.display());
                findings.push(Finding::Error(what));
            }
            findings.extend(soundness(&path, &survey, depth));
        }
        Ok(Err(OpenError::InUse { path })) => findings.push(in_use(&path, depth)),
        Ok(Err(error)) => findings.push(Finding::Error(error.to_string())),
        Err(_) => findings.push(Finding::Error(OpenError::Interrupted.to_string())),
    }
    findings
}

fn in_use(path: &Path, depth: Depth) -> Finding {
    let path = path.display();
    match depth {
        Depth::Quick => Finding::Warning(format!("{path} is in use: a gateway uses it, so it was not checked")),
        Depth::Deep => Finding::Error(format!(
            "{path} is in use by another process, so nothing in it was verified; stop the gateway, or check a copy"
        )),
    }
}

/// Returns the findings of a survey.
fn soundness(path: &Path, survey: &Survey, depth: Depth) -> Vec<Finding> {
    let path = path.display();
    if survey.is_sound() {
        let (what, checked) = match depth {
            Depth::Quick => {
                ("can be opened", "the rows of logs and users, the pending notifications and the ends of logs")
            }
            Depth::Deep => ("is sound", "every row with its checksum, and redb's pages"),
        };
        return vec![Finding::Fine(format!("{path} {what}; checked: {checked} ({survey})"))];
    }
    let mut findings: Vec<Finding> =
        survey.pages.iter().map(|pages| Finding::Error(format!("{path}: {pages}"))).collect();
    findings.extend(survey.losses().into_iter().map(|lost| Finding::Error(format!("{path} has lost {lost}"))));
    findings.push(Finding::Error(format!(
        "{path} is damaged ({survey}); restore a backup, or write what is readable into a new file: \
         gateway store repair {path} {path}.repaired"
    )));
    findings
}

/// Returns the nearest existing folder above a path if a file cannot be created in it, with the reason.
fn unwritable(path: &Path) -> Option<(PathBuf, std::io::Error)> {
    let folders =
        path.ancestors().skip(1).map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folders.into_iter().find(|folder| folder.exists())?;
    let probe = folder.join(format!(".gateway-check-{}", std::process::id()));
    let tried = fs::OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|_| fs::remove_file(&probe));
    tried.err().map(|error| (folder.to_owned(), error))
}
