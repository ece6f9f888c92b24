//! The Python SDK: a wheel for each platform, and its source distribution. maturin puts a bill of materials into each wheel.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use super::{Release, program};
use crate::{command, python::Environment};

/// The folder of the package.
const FOLDER: &str = "sdk-python";
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
        run(release, &options)?;
        files.push(release.file(&wheel(release.version, architecture)));
    }
    run(release, &["sdist"])?;
    files.push(release.file(&format!("realtime_gateway-{}.tar.gz", release.version)));
    for file in &files {
        ensure!(file.exists(), "maturin has not built {}", file.display());
    }
    Ok(files)
}

/// Returns the name of a wheel.
fn wheel(version: &str, architecture: &str) -> String {
    format!("realtime_gateway-{version}-cp310-abi3-manylinux2014_{architecture}.manylinux_2_17_{architecture}.whl")
}

/// Runs maturin with its output in the folder of the release.
fn run(release: &Release, arguments: &[&str]) -> anyhow::Result<()> {
    let environment = Environment::of_release(release.project);
    let mut maturin = release.project.with_target(std::process::Command::new(environment.program("maturin")));
    maturin.args(arguments).arg("--out").arg(&release.folder).current_dir(release.project.root().join(FOLDER));
    // maturin takes the zig of the Python on the path.
    let programs = program::zigbuild_path(&environment)?;
    command::run(maturin.env("PATH", programs)).context("build the Python SDK")
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
