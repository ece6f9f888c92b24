//! The packages for crates.io: packs what `cargo publish` would upload, and compiles each package from its own files
//! only.

use std::path::PathBuf;

use super::{Release, copy_into};
use crate::{command, metadata::Metadata};

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
    let folder = release.project.target().join("package");
    let files = published.iter().map(|package| folder.join(format!("{}-{}.crate", package.name, package.version)));
    files.map(|file| copy_into(&file, &release.folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

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
