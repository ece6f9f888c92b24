//! The browser tests, which run the demo page and the browser SDK in Chromium.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::Context as _;

use crate::{
    command,
    counts::{Counts, Format},
    project::Project,
    tools,
};

/// The folder of the npm packages and scripts of all tests in JavaScript.
pub(crate) const NPM_FOLDER: &str = "tests";

/// The options of `npm ci`. No package here needs an install script.
pub(crate) const NPM_CI: [&str; 3] = ["--ignore-scripts", "--no-audit", "--no-fund"];

/// The sources of the SDK's npm package.
const SDK_SOURCES: [&str; 11] = [
    "sdk-wasm/Cargo.toml",
    "sdk-wasm/LICENSES.md",
    "sdk-wasm/src",
    "sdk-wasm/js",
    "sdk-wasm/npm",
    "sdk-core/src",
    "protocol/src",
    "xtask/src/wasm",
    "sdk-wasm/build",
    "Cargo.toml",
    "Cargo.lock",
];

/// The program names of Chromium, in order of preference.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Returns whether the project has a browser SDK.
pub(crate) fn is_there(project: &Project) -> bool {
    project.root().join("sdk-wasm/Cargo.toml").exists()
}

/// Returns whether the SDK's package is newer than all its sources.
pub(crate) fn is_sdk_fresh(project: &Project) -> bool {
    is_fresh(project, &project.root().join("sdk-wasm/pkg/package.json"), &SDK_SOURCES)
}

/// Returns whether a file is newer than all sources, which are files and folders.
pub(crate) fn is_fresh(project: &Project, built: &Path, sources: &[&str]) -> bool {
    let newest = sources.iter().filter_map(|path| changed(&project.root().join(path))).max();
    changed(built).is_some_and(|built| newest <= Some(built))
}

/// Builds the SDK's package unless it is up to date.
///
/// # Errors
/// If the toolchain is missing; the output names the command that installs it.
pub(crate) fn ensure_sdk(project: &Project) -> anyhow::Result<()> {
    if is_sdk_fresh(project) {
        return Ok(());
    }
    let xtask = env::current_exe().context("find xtask's own program")?;
    command::run(Command::new(xtask).arg("wasm").current_dir(project.root()))
}

/// Returns when a file, or the newest file below a directory, was last changed.
fn changed(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().filter_map(|entry| changed(&entry.path())).max(),
        Err(_) => path.metadata().and_then(|it| it.modified()).ok(),
    }
}

/// Runs the browser tests against the gateway that the step `build` compiled, with the page and the SDK of this tree.
/// Screenshots are stored in `test-output/`.
///
/// # Errors
/// If the SDK cannot be built, or the tests cannot be started.
pub(crate) fn test(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    let chromium = chromium().context("the browser tests need Chromium")?;
    ensure_sdk(project)?;
    let mut node = project.program("npm", &["run", "--silent", "test:browser"]);
    node.current_dir(project.root().join(NPM_FOLDER))
        .env("GATEWAY_PROGRAM", project.gateway())
        .env("SCREENSHOTS", project.root().join("test-output/screenshots"))
        .env("CHROMIUM", chromium);
    command::run_counted(&mut node, Format::Node)
}

/// Returns the path of the browser.
pub(crate) fn chromium() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| tools::program(name))
}

/// Returns whether the packages in a folder's lock file are installed.
pub(crate) fn has_npm_packages(project: &Project, folder: &str) -> bool {
    let folder = project.root().join(folder);
    // npm writes this file at the end of an installation.
    let installed = changed(&folder.join("node_modules/.package-lock.json"));
    installed.is_some() && changed(&folder.join("package-lock.json")) <= installed
}

/// Installs the packages in a folder's lock file. The output of npm is written to the log.
///
/// # Errors
/// If npm is missing or fails.
pub(crate) fn npm_ci(project: &Project, folder: &str, log: &File) -> anyhow::Result<()> {
    let mut npm = project.program("npm", &["ci"]);
    tools::run_logged(npm.args(NPM_CI).current_dir(project.root().join(folder)), log)
}
