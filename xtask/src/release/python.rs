//! The Python SDK: a wheel for each platform, and its source distribution, with a bill of materials next to them. maturin puts
//! one into each wheel too.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::{Release, program, sbom};
use crate::{command, project::Project, python::Environment};

/// The folder of the package.
const FOLDER: &str = "sdk-python";
/// The package URL.
const PURL: &str = concat!("pkg:pypi/realtime-gateway@", env!("CARGO_PKG_VERSION"));
/// The name of the package in the index.
const NAME: &str = "realtime-gateway";
/// The platforms of wheels.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Builds the wheels, for every glibc from 2.17 on, and the source distribution.
///
/// # Errors
/// If maturin fails, or has built something else.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for architecture in ARCHITECTURES {
        let target = format!("{architecture}-unknown-linux-gnu");
        // zig links with an old glibc, so that the machine needs neither an old system nor a cross compiler.
        let options =
            ["build", "--release", "--locked", "--zig", "--compatibility", "manylinux2014", "--target", &target];
        command::run(&mut maturin(release.project, &options, &release.folder)?)?;
        files.push(release.file(&wheel(release.version, architecture)));
    }
    command::run(&mut maturin(release.project, &["sdist"], &release.folder)?)?;
    files.push(release.file(&sdist(release.version)));
    for file in &files {
        ensure!(file.exists(), "maturin has not built {}", file.display());
    }
    for wheel in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "whl")) {
        check(release.project, wheel)?;
    }
    let websockets = sbom::library("pkg:pypi/websockets", "websockets", None, "BSD-3-Clause");
    let artefact = sbom::Artefact { purl: PURL, name: NAME, components: vec![websockets] };
    let (target, time) = (Some("x86_64-unknown-linux-gnu"), Some(release.time.as_str()));
    let published = sbom::Published::Artefact(&artefact);
    let subject = sbom::Subject { package: "realtime-gateway-python", target, time, published };
    let bill = release.file(&format!("realtime-gateway-python-{}.cdx.json", release.version));
    fs::write(&bill, sbom::write(release.project, &subject)?).context("write the bill of materials")?;
    files.push(bill);
    Ok(files)
}

/// Checks that a wheel has its licences and a bill of materials.
fn check(project: &Project, wheel: &Path) -> anyhow::Result<()> {
    let mut list = Command::new(Environment::of_release(project).program("python"));
    let list = command::output(list.args(["-m", "zipfile", "--list"]).arg(wheel))?;
    let list = String::from_utf8_lossy(&list);
    for part in [".dist-info/licenses/LICENSE-MIT", ".dist-info/licenses/LICENSES.md", ".dist-info/sboms/"] {
        ensure!(list.contains(part), "{} has no {part}", wheel.display());
    }
    Ok(())
}

/// Returns the name of the source distribution.
pub(crate) fn sdist(version: &str) -> String {
    format!("realtime_gateway-{version}.tar.gz")
}

/// Returns the name of a wheel.
fn wheel(version: &str, architecture: &str) -> String {
    format!("realtime_gateway-{version}-cp310-abi3-manylinux2014_{architecture}.manylinux_2_17_{architecture}.whl")
}

/// Returns a command of maturin with its output in a folder.
///
/// # Errors
/// If `PATH` cannot be extended.
pub(crate) fn maturin(project: &Project, arguments: &[&str], folder: &Path) -> anyhow::Result<Command> {
    let environment = Environment::of_release(project);
    let mut maturin = project.with_target(Command::new(environment.program("maturin")));
    maturin.args(arguments).arg("--out").arg(folder).current_dir(project.root().join(FOLDER));
    // maturin takes the zig of the Python on the path.
    maturin.env("PATH", program::zigbuild_path(&environment)?);
    Ok(maturin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_have_the_names_of_their_platforms() {
        let name = "realtime_gateway-0.1.0-cp310-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl";
        assert_eq!(wheel("0.1.0", "aarch64"), name);
    }
}
