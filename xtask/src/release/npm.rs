//! The npm package of the browser SDK.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::{Release, sbom};
use crate::{browser, command, project::Project};

/// The package URL.
const PURL: &str = concat!("pkg:npm/realtime-gateway@", env!("CARGO_PKG_VERSION"));
/// The folder of the package.
const PACKAGE: &str = "sdk-wasm/pkg";

/// Builds the package, adds its bill of materials, and packs it.
///
/// # Errors
/// If the package cannot be built, npm fails, or the package has another version than the workspace.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    browser::ensure_sdk(release.project)?;
    let artefact = sbom::Artefact { purl: PURL, name: "realtime-gateway", components: Vec::new() };
    let bill = sbom::write(
        release.project,
        &sbom::Subject {
            package: "realtime-gateway-wasm",
            target: Some("wasm32-unknown-unknown"),
            time: Some(&release.time),
            published: sbom::Published::Artefact(&artefact),
        },
    )?;
    let alone = release.file(&format!("realtime-gateway-npm-{}.cdx.json", release.version));
    for path in [&alone, &release.project.root().join(PACKAGE).join("gateway.cdx.json")] {
        fs::write(path, &bill).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(vec![pack(release.project, release.version, &release.folder)?, alone])
}

/// Packs the package, and returns the path of the file.
///
/// # Errors
/// If npm fails, or the package has another version.
pub(crate) fn pack(project: &Project, version: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut npm = project.program("npm", &["pack", "--silent", "--pack-destination"]);
    npm.arg(folder).current_dir(project.root().join(PACKAGE));
    let printed = String::from_utf8(command::output(&mut npm)?).context("npm names the file")?;
    let name = printed.trim();
    if name != format!("realtime-gateway-{version}.tgz") {
        bail!("npm packed {name}: sdk-wasm/npm/package.json has another version than Cargo.toml");
    }
    Ok(folder.join(name))
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
