//! The Python package: its wheel and its source distribution, each installed by pip in a new virtual environment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::Place;
use crate::{command, project::Project, python::Environment, release::python};

/// Compiles without what only a debugger reads.
const NO_DEBUG: (&str, &str) = ("CARGO_PROFILE_DEV_DEBUG", "false");

/// Builds a wheel in the dev profile, and installs it.
///
/// # Errors
/// If it cannot be built or installed.
pub(super) fn install_wheel(place: &Place) -> anyhow::Result<Vec<Command>> {
    let mut maturin = python::maturin(place.project, &["build", "--profile", "dev", "--locked"], &place.folder)?;
    command::run(maturin.env("CARGO_TARGET_DIR", super::cargo::target(place.project)).env(NO_DEBUG.0, NO_DEBUG.1))?;
    let entries = fs::read_dir(&place.folder).context("read what maturin built")?;
    let mut wheels: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    ensure!(wheels.len() == 1, "maturin built {wheels:?}");
    install(place, wheels.first().context("there is one wheel")?)
}

/// Makes a source distribution, and installs it, which compiles it in the dev profile.
///
/// # Errors
/// If it cannot be made or installed.
pub(super) fn install_sdist(place: &Place) -> anyhow::Result<Vec<Command>> {
    command::run(&mut python::maturin(place.project, &["sdist"], &place.folder)?)?;
    install(place, &place.folder.join(python::sdist(env!("CARGO_PKG_VERSION"))))
}

/// Installs a file in a new environment, and returns the quick start.
fn install(place: &Place, package: &Path) -> anyhow::Result<Vec<Command>> {
    let packages = packages(place.project)?;
    let environment = place.folder.join("venv");
    command::run(place.program("python3", &["-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python");
    // Nothing is asked for in the network, also not by the isolated build of a source distribution.
    let mut pip =
        place.program(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]);
    pip.arg("--find-links").arg(packages).arg(package);
    pip.env("MATURIN_PEP517_ARGS", "--profile dev").env(NO_DEBUG.0, NO_DEBUG.1);
    command::run(pip.env("CARGO_TARGET_DIR", super::cargo::target(place.project)))?;
    place.copy("sdk-python/examples/quickstart.py", "quickstart.py")?;
    Ok(vec![place.program(python, &["quickstart.py"])])
}

/// Returns a folder with the packages that the SDK depends on and is built with, in the versions of the tests. The first
/// run downloads them, like the environments of the tests.
fn packages(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = project.target().join("install-packages");
    let complete = folder.join("complete.txt");
    let requirements = [Environment::of_python_sdk(project), Environment::of_release(project)];
    let lists =
        requirements.iter().map(|environment| fs::read_to_string(project.root().join(environment.requirements())));
    let lists = lists.collect::<Result<Vec<_>, _>>().context("read the lists of packages")?.concat();
    if fs::read_to_string(&complete).is_ok_and(|text| text == lists) {
        return Ok(folder);
    }
    super::empty(&folder)?;
    let pinned = lists.lines().filter(|line| line.starts_with("websockets==") || line.starts_with("maturin=="));
    let mut pip = Command::new(Environment::of_release(project).program("python"));
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest"]).arg(&folder);
    command::run(pip.args(pinned))?;
    fs::write(&complete, lists).with_context(|| format!("write {}", complete.display()))?;
    Ok(folder)
}
