//! Whether the store can be opened, without making one where there is none yet.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::check::Finding;
use crate::{
    clock::NodeClock,
    config::Config,
    store::{
        NodeName,
        open::{OpenError, open},
    },
};

/// Opens the store and closes it again. What of a shared store's settings hurts is found too.
pub(super) async fn store(config: &Config) -> Vec<Finding> {
    let path = config.store.url.0.strip_prefix("redb:").map(Path::new);
    if let Some(path) = path.filter(|path| !path.exists()) {
        return vec![match unwritable(path) {
            None => Finding::Fine(format!("{} will be made by the first start", path.display())),
            Some((folder, error)) => Finding::Error(format!(
                "{} cannot be made: {} cannot be written ({error}); set store.url to another place",
                path.display(),
                folder.display()
            )),
        }];
    }
    match open(&config.store, config.store_options(&NodeName::new(&config.node_id)), &NodeClock::default()).await {
        Ok(store) => {
            let warnings = store.status().warnings;
            store.close().await;
            let found = warnings.iter().map(|warning| Finding::Warning(warning.to_string()));
            [Finding::Fine("the store can be opened".into())].into_iter().chain(found).collect()
        }
        Err(OpenError::InUse { path }) => {
            vec![Finding::Warning(format!("{} is in use: a gateway runs on it, so it was not opened", path.display()))]
        }
        Err(error) => vec![Finding::Error(error.to_string())],
    }
}

/// The folder that stands in the way of making a file, and why: the nearest one that is there must take a file.
fn unwritable(path: &Path) -> Option<(PathBuf, std::io::Error)> {
    let folders =
        path.ancestors().skip(1).map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folders.into_iter().find(|folder| folder.exists())?;
    let probe = folder.join(format!(".gateway-check-{}", std::process::id()));
    let tried = fs::OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|_| fs::remove_file(&probe));
    tried.err().map(|error| (folder.to_owned(), error))
}
