//! The browser tests: Chromium, the demo page, and the gateway that serves it with the SDK inside.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context as _, bail};

use crate::{command, counts::Counts, installed, project::Project};

/// Where the tests are.
const TESTS: &str = "tests/browser";

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

/// Builds the SDK's package unless it is newer than all that it is made of, so that the gateway is not built anew for nothing.
///
/// # Errors
/// If no toolchain can be had, which the output tells how to bring.
pub(crate) fn ensure_sdk(project: &Project) -> anyhow::Result<()> {
    let newest = |paths: &[&str]| paths.iter().filter_map(|path| changed(&project.root().join(path))).max();
    let built = newest(&["sdk-wasm/pkg/package.json"]);
    if built.is_some() && newest(&SDK_SOURCES) <= built {
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

/// Runs the browser tests against a gateway with the SDK of this tree inside; screenshots stay in `test-output/`.
///
/// # Errors
/// If something that they need cannot be had; the error says what to do by hand.
pub(crate) fn test(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    let chromium = chromium()?;
    npm_ci(project, TESTS)?;
    ensure_sdk(project)?;
    let arguments = ["build", "--package", "realtime-gateway-server", "--bin", "gateway", "--locked"];
    command::run(&mut project.cargo(&arguments))?;
    let mut node = project.program("npm", &["test", "--silent"]);
    node.current_dir(project.root().join(TESTS))
        .env("GATEWAY_PROGRAM", project.target().join("debug/gateway").with_extension(env::consts::EXE_EXTENSION))
        .env("SCREENSHOTS", project.root().join("test-output/screenshots"))
        .env("CHROMIUM", chromium);
    command::run_counted(&mut node)
}

/// The browser, which is installed where that is possible.
fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(found) = in_path() {
        return Ok(found);
    }
    installed::debian_package("chromium");
    in_path().context("the browser tests need Chromium; install it by hand, on Debian: apt-get install chromium")
}

fn in_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    NAMES
        .iter()
        .find_map(|name| env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file()))
}

/// Installs what the lock file of a folder names, unless it is installed.
///
/// # Errors
/// If npm is missing or fails.
pub(crate) fn npm_ci(project: &Project, folder: &str) -> anyhow::Result<()> {
    let folder = project.root().join(folder);
    // npm writes the second when it has finished.
    if changed(&folder.join("package-lock.json")) <= changed(&folder.join("node_modules/.package-lock.json")) {
        return Ok(());
    }
    let mut npm = project.program("npm", &["ci", "--no-audit", "--no-fund"]);
    if !command::succeeds(Command::new("npm").arg("--version")) {
        bail!("the tests need Node 20 or later with npm; on Debian: apt-get install nodejs npm");
    }
    command::run(npm.current_dir(folder))
}
