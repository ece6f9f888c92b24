//! The browser tests: Chromium, the demo page, and the gateway that serves it with the SDK inside.

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

/// Where the tests are.
pub(crate) const TESTS: &str = "tests/browser";

/// How npm installs what a lock file names. No package here needs to run a script of its own for that.
pub(crate) const NPM_CI: [&str; 3] = ["--ignore-scripts", "--no-audit", "--no-fund"];

/// What the SDK's package is made of.
const SDK_SOURCES: [&str; 10] = [
    "sdk-wasm/Cargo.toml",
    "sdk-wasm/src",
    "sdk-wasm/js",
    "sdk-wasm/npm",
    "sdk-rust/src",
    "protocol/src",
    "xtask/src/wasm",
    "sdk-wasm/build",
    "Cargo.toml",
    "Cargo.lock",
];

/// What Chromium is called, first choice first.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Whether the project has a browser SDK to test.
pub(crate) fn is_there(project: &Project) -> bool {
    project.root().join("sdk-wasm/Cargo.toml").exists()
}

/// Whether the SDK's package is newer than all that it is made of.
pub(crate) fn is_sdk_fresh(project: &Project) -> bool {
    let newest = |paths: &[&str]| paths.iter().filter_map(|path| changed(&project.root().join(path))).max();
    let built = newest(&["sdk-wasm/pkg/package.json"]);
    built.is_some() && newest(&SDK_SOURCES) <= built
}

/// Builds the SDK's package unless it is fresh.
///
/// # Errors
/// If no toolchain can be had, which the output tells how to bring.
pub(crate) fn ensure_sdk(project: &Project) -> anyhow::Result<()> {
    if is_sdk_fresh(project) {
        return Ok(());
    }
    let xtask = env::current_exe().context("find xtask's own program")?;
    command::run(Command::new(xtask).arg("wasm").current_dir(project.root()))
}

/// When a file, or the newest below a directory, was last changed.
fn changed(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().filter_map(|entry| changed(&entry.path())).max(),
        Err(_) => path.metadata().and_then(|it| it.modified()).ok(),
    }
}

/// Runs the browser tests against the gateway that the step `build` made, which reads the page and the SDK of this tree.
/// Screenshots stay in `test-output/`.
///
/// # Errors
/// If the SDK cannot be built, or the tests cannot be started.
pub(crate) fn test(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    let chromium = chromium().context("the browser tests need Chromium")?;
    ensure_sdk(project)?;
    let mut node = project.program("npm", &["test", "--silent"]);
    node.current_dir(project.root().join(TESTS))
        .env("GATEWAY_PROGRAM", project.gateway())
        .env("SCREENSHOTS", project.root().join("test-output/screenshots"))
        .env("CHROMIUM", chromium);
    command::run_counted(&mut node, Format::Node)
}

/// The browser.
pub(crate) fn chromium() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| tools::program(name))
}

/// Whether a folder has the packages that its lock file names.
pub(crate) fn has_npm_packages(project: &Project, folder: &str) -> bool {
    let folder = project.root().join(folder);
    // npm writes the second file when it has finished.
    let installed = changed(&folder.join("node_modules/.package-lock.json"));
    installed.is_some() && changed(&folder.join("package-lock.json")) <= installed
}

/// Installs the packages that the lock file of a folder names. What npm prints goes to the log.
///
/// # Errors
/// If npm is missing or fails.
pub(crate) fn npm_ci(project: &Project, folder: &str, log: &File) -> anyhow::Result<()> {
    let mut npm = project.program("npm", &["ci"]);
    tools::run_logged(npm.args(NPM_CI).current_dir(project.root().join(folder)), log)
}
