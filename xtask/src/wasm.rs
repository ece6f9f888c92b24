//! `cargo xtask wasm`: the npm package of the browser's SDK, built into `sdk-wasm/pkg/`.

mod bundles;
mod no_wasm;
mod package;
mod progress;
mod text;
mod toolchain;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::{
    browser, command,
    counts::{Counts, Format},
    project::Project,
};
use progress::Progress;
use toolchain::Toolchain;

pub(crate) use toolchain::SETUP;

/// The crate's file, as cargo names it.
const WASM: &str = "wasm32-unknown-unknown/wasm/realtime_gateway_wasm.wasm";

/// How eagerly code of one crate is inlined into another. Of 0, 5, 10, 15, 20, 30 and 40, this threshold gives the fewest
/// bytes after brotli; more inlining makes the same code many times over, less makes more calls.
const RUSTC: [&str; 2] = ["--", "-Cllvm-args=-inline-threshold=30"];

/// Small, within what every browser of the last years has; more would exclude some of them. The compiler lists two features
/// more that it uses nothing of, and without which the module runs in older browsers and can be turned into JavaScript.
/// Functions with one caller stay functions: inlined they are fewer bytes, but compress less.
const WASM_OPT: [&str; 13] = [
    "-Oz",
    "--converge",
    // The stack lies lowest, and its last KiB is never an address that a struct begins at.
    "--low-memory-unused",
    "--one-caller-inline-max-function-size=0",
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--disable-reference-types",
    "--disable-multivalue",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];

/// Whether there is a toolchain that builds for wasm32.
pub(crate) fn has_toolchain(project: &Project) -> bool {
    Toolchain::installed(project).is_some()
}

/// Installs a toolchain that builds for wasm32. What the installers print goes to the log.
///
/// # Errors
/// If none can be installed.
pub(crate) fn set_up(project: &Project, log: &File) -> anyhow::Result<()> {
    Toolchain::set_up(project, log)
}

/// Builds the package and runs its tests against the gateway that the step `build` made.
///
/// # Errors
/// If it cannot be built, or Node.js cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // They are parts of the names of Rust's tests.
        return Ok(Counts::default());
    }
    browser::ensure_sdk(project)?;
    package::install_node_modules(project)?;
    let mut npm = project.program("npm", &["test"]);
    npm.current_dir(project.root().join("sdk-wasm")).env("GATEWAY", project.gateway());
    command::run_counted(&mut npm, Format::Node)
}

/// Builds the package.
///
/// # Errors
/// If no toolchain for wasm32 is to be had, which the error tells two ways to bring, or if a step fails.
pub(crate) fn run(project: &Project) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::begin(project);
    let result = build(project, &mut progress);
    progress.end(&result)?;
    result.map(|()| ExitCode::SUCCESS)
}

fn build(project: &Project, progress: &mut Progress) -> anyhow::Result<()> {
    progress.step("looking for a Rust toolchain for wasm32")?;
    let toolchain = Toolchain::find(project)?;
    progress.step(&format!("compiling the browser SDK to WebAssembly, with {toolchain}"))?;
    // A target directory of its own: two compilers must not invalidate each other's artefacts.
    let target = project.target().join("wasm-build");
    let mut build = toolchain.cargo(project)?;
    command::run(build.args(RUSTC).env("CARGO_TARGET_DIR", &target))?;

    let scratch = target.join("package");
    fs::create_dir_all(&scratch).with_context(|| format!("make {}", scratch.display()))?;
    progress.step("installing the npm packages that make it small")?;
    package::install_node_modules(project)?;
    progress.step("making it small with wasm-opt")?;
    let (quiet, small) = (scratch.join("quiet.wasm"), scratch.join("gateway.wasm"));
    command::run(project.program("node", &["sdk-wasm/build/quiet-panics.js"]).arg(target.join(WASM)).arg(&quiet))?;
    let mut wasm_opt = project.program("sdk-wasm/node_modules/.bin/wasm-opt", &WASM_OPT);
    command::run(wasm_opt.arg(&quiet).arg("-o").arg(&small))?;

    progress.step("translating it to JavaScript, for places without WebAssembly")?;
    let machine = no_wasm::machine(project, &small, &scratch)?;
    progress.step("writing the npm package")?;
    let folder = package::write(project, &small, &machine)?;
    writeln!(io::stdout(), "wrote {}", folder.display())?;
    Ok(())
}
