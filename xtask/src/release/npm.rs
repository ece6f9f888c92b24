//! The npm package of the browser SDK.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::Release;
use crate::{browser, command};

/// Builds the package and packs it.
///
/// # Errors
/// If the package cannot be built, npm fails, or the package has another version than the workspace.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    browser::ensure_sdk(release.project)?;
    let mut npm = release.project.program("npm", &["pack", "--silent", "--pack-destination"]);
    npm.arg(&release.folder).current_dir(release.project.root().join("sdk-wasm/pkg"));
    let printed = String::from_utf8(command::output(&mut npm)?).context("npm names the file")?;
    let name = printed.trim();
    if name != format!("realtime-gateway-{}.tgz", release.version) {
        bail!("npm packed {name}: sdk-wasm/npm/package.json has another version than Cargo.toml");
    }
    Ok(vec![release.file(name)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn npm_package_has_the_version_of_the_workspace() {
        let manifest: serde_json::Value =
            serde_json::from_str(include_str!("../../../sdk-wasm/npm/package.json")).expect("the manifest is JSON");
        assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    }
}
