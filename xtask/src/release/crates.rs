//! The packages for crates.io: packs what `cargo publish` would upload, and compiles each package from its own files
//! only. Each has a bill of materials next to it.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use super::{Release, copy_into, sbom};
use crate::{command, metadata::Metadata, project::Project};

/// Packs and compiles the published packages of the workspace.
///
/// # Errors
/// If cargo fails, such as for a package that needs a file of another folder.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    let metadata = Metadata::read(release.project)?;
    let mut cargo = release.project.cargo(&["package", "--locked"]);
    if release.commit.is_none() {
        cargo.arg("--allow-dirty");
    }
    let published: Vec<_> = metadata.packages.iter().filter(|package| package.is_published()).collect();
    for package in &published {
        cargo.args(["--package", &package.name]);
    }
    command::run(&mut cargo)?;
    let mut files = Vec::new();
    for package in published {
        files.push(copy_into(&packed(release.project, &package.name), &release.folder)?);
        let (time, published) = (Some(release.time.as_str()), sbom::Published::Crate);
        let subject = sbom::Subject { package: &package.name, target: None, time, published };
        let bill = release.file(&format!("{}-{}.cdx.json", package.name, package.version));
        fs::write(&bill, sbom::write(release.project, &subject)?).context("write the bill of materials")?;
        files.push(bill);
    }
    Ok(files)
}

/// Returns the path at which cargo puts a package of the workspace.
pub(crate) fn packed(project: &Project, package: &str) -> PathBuf {
    project.target().join("package").join(format!("{package}-{}.crate", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the files that `cargo package` would include in a package.
    fn contents(project: &Project, package: &str) -> Vec<String> {
        let mut cargo = project.cargo(&["package", "--list", "--allow-dirty", "--locked", "--package", package]);
        let printed = command::output(&mut cargo).expect("list the package");
        String::from_utf8(printed).expect("the list is text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn published_packages_contain_their_licences_and_what_they_include() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let metadata = Metadata::read(&project).expect("read the metadata");
        let published: Vec<_> = metadata.packages.iter().filter(|package| package.is_published()).collect();
        let mut names: Vec<_> = published.iter().map(|package| package.name.as_str()).collect();
        names.sort_unstable();
        let expected =
            ["codegen", "conformance", "contracts", "protocol", "runtime", "sdk", "sdk-core", "server", "store"];
        assert_eq!(names, expected.map(|name| format!("realtime-gateway-{name}")));
        for package in published {
            let contents = contents(&project, &package.name);
            let has = |name: &str| contents.iter().any(|path| path == name);
            for name in ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"] {
                assert!(has(name), "{} has no {name}: {contents:?}", package.name);
            }
            let embeds_the_demo = package.name == "realtime-gateway-server";
            assert_eq!(has("web-demo/index.html") && has("web-demo/csp.txt"), embeds_the_demo, "{}", package.name);
        }
    }
}
