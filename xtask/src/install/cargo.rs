//! The crates of the Rust SDK: packed as for crates.io, unpacked, and the dependencies of a new project.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::Place;
use crate::{command, project::Project};

/// The crates, each of which is a folder for the project.
const PACKAGES: [&str; 3] = ["realtime-gateway-protocol", "realtime-gateway-sdk-core", "realtime-gateway-sdk"];
/// The project.
const FIXTURE: &str = "tests/fixtures/install/rust";

/// Returns the target directory of what this step compiles. It is not that of the workspace, because other selections of
/// packages would compile its dependencies again, with other features.
pub(super) fn target(project: &Project) -> PathBuf {
    project.target().join("install-cargo")
}

/// Packs the crates, and compiles a program that depends on them.
///
/// # Errors
/// If a crate cannot be packed, or does not compile from what it contains.
pub(super) fn install(place: &Place) -> anyhow::Result<Vec<Command>> {
    let target = target(place.project);
    let mut cargo = place.project.cargo(&["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    command::run(cargo.env("CARGO_TARGET_DIR", &target))?;
    let packages = place.create("packages")?;
    for package in PACKAGES {
        unpack(
            place,
            &target.join(format!("package/{package}-{}.crate", env!("CARGO_PKG_VERSION"))),
            package,
            &packages,
        )?;
    }
    place.copy(&format!("{FIXTURE}/Cargo.toml"), "Cargo.toml")?;
    place.copy(&format!("{FIXTURE}/src/main.rs"), "src/main.rs")?;
    // The versions of the workspace, which are on this machine.
    place.copy("Cargo.lock", "Cargo.lock")?;
    let mut build = place.project.cargo(&["build", "--offline"]);
    build.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_TARGET_DIR", &target).current_dir(&place.folder);
    command::run(&mut build)?;
    Ok(vec![place.program(target.join("debug/quickstart"), &[])])
}

/// Unpacks a crate into a folder with its name.
fn unpack(place: &Place, file: &Path, name: &str, packages: &Path) -> anyhow::Result<()> {
    let folder = packages.join(name);
    fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut tar = place.program("tar", &["--extract", "--strip-components=1", "--file"]);
    command::run(tar.arg(file).arg("--directory").arg(folder))
}
