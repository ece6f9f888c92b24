//! `cargo xtask wasm`: the npm package of the browser's SDK, built into `sdk-wasm/pkg/`.

mod bundles;
mod no_wasm;
mod package;
mod text;
mod toolchain;

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::{browser, command, counts::Counts, project::Project};
use toolchain::Toolchain;

/// The crate's file, as cargo names it.
const WASM: &str = "wasm32-unknown-unknown/wasm/realtime_gateway_wasm.wasm";

/// Inlining between crates makes the same code many times over: with this threshold the module is 7 % smaller on its way
/// than with the 50 of `opt-level = "s"`. Within a crate that one stays, which is smaller than 10 everywhere.
const RUSTC: [&str; 2] = ["--", "-Cllvm-args=-inline-threshold=10"];

/// Small, within what every browser of the last years has; more would shut somebody out. The compiler lists two features
/// more that it uses nothing of, and without which the module runs in older browsers and can be turned into JavaScript.
/// Functions with one caller stay functions: inlined they are fewer bytes, but compress less.
const WASM_OPT: [&str; 12] = [
    "-Oz",
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

/// Builds the package and runs its tests against the gateway that was built before.
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
    command::run(&mut project.cargo(&["build", "--package", "realtime-gateway-server", "--bin", "gateway"]))?;
    let mut npm = project.program("npm", &["test"]);
    npm.current_dir(project.root().join("sdk-wasm")).env("GATEWAY", project.target().join("debug/gateway"));
    command::run_counted(&mut npm)
}

/// Builds the package.
///
/// # Errors
/// If no toolchain for wasm32 is to be had, which the error tells two ways to bring, or if a step fails.
pub(crate) fn run(project: &Project) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let toolchain = Toolchain::find(project)?;
    writeln!(out, "building for wasm32 with {toolchain}")?;
    // A target directory of its own: two compilers must not invalidate each other's artefacts.
    let target = project.target().join("wasm-build");
    let mut build = toolchain.cargo(project)?;
    command::run(build.args(RUSTC).env("CARGO_TARGET_DIR", &target))?;

    let scratch = target.join("package");
    fs::create_dir_all(&scratch).with_context(|| format!("make {}", scratch.display()))?;
    package::install_node_modules(project)?;
    let (quiet, small) = (scratch.join("quiet.wasm"), scratch.join("gateway.wasm"));
    command::run(project.program("node", &["sdk-wasm/build/quiet-panics.js"]).arg(target.join(WASM)).arg(&quiet))?;
    let mut wasm_opt = project.program("sdk-wasm/node_modules/.bin/wasm-opt", &WASM_OPT);
    command::run(wasm_opt.arg(&quiet).arg("-o").arg(&small))?;

    let machine = no_wasm::machine(project, &small, &scratch)?;
    let folder = package::write(project, &small, &machine)?;
    writeln!(out, "wrote {}", folder.display())?;
    Ok(ExitCode::SUCCESS)
}
