//! `cargo xtask wasm`: builds the npm package of the browser SDK in `sdk-wasm/pkg/`.

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
    browser, command, core_module,
    counts::{Counts, Format},
    project::Project,
};
pub(crate) use package::install_node_modules;
use progress::Progress;
pub(crate) use toolchain::{SETUP, Toolchain};

/// The path of the crate's file in the target directory.
const WASM: &str = "wasm32-unknown-unknown/wasm/realtime_gateway_wasm.wasm";

/// The threshold for inlining code of one crate into another. Of 0, 5, 10, 15, 20, 30 and 40, this one gives the fewest
/// bytes after brotli: more inlining duplicates code, and less inlining needs more calls.
pub(crate) const RUSTC: [&str; 2] = ["--", "-Cllvm-args=-inline-threshold=30"];

/// Optimizes for size, with only the features that all browsers of recent years have. The compiler declares two more
/// features that it does not use. Without them the module runs in older browsers and can be translated to JavaScript.
/// Functions with one caller are not inlined: inlined they are fewer bytes, but compress worse.
pub(crate) const WASM_OPT: [&str; 13] = [
    "-Oz",
    "--converge",
    // The stack is at the lowest addresses, so no struct begins in the first KiB.
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

/// Returns whether there is a toolchain that builds for wasm32.
pub(crate) fn has_toolchain(project: &Project) -> bool {
    Toolchain::installed(project).is_some()
}

/// Installs a toolchain that builds for wasm32. The output of the installers is written to the log.
///
/// # Errors
/// If none can be installed.
pub(crate) fn set_up(project: &Project, log: &File) -> anyhow::Result<()> {
    Toolchain::set_up(project, log)
}

/// Builds the package and runs its tests against the gateway that the step `build` compiled.
///
/// # Errors
/// If it cannot be built, or Node.js cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    browser::ensure_sdk(project)?;
    install_node_modules(project)?;
    core_module::write_seeded_inputs(project)?;
    let mut npm = project.program("npm", &["test"]);
    npm.current_dir(project.root().join("sdk-wasm")).env("GATEWAY_PROGRAM", project.gateway());
    command::run_counted(&mut npm, Format::Node)
}

/// Builds the package.
///
/// # Errors
/// If there is no toolchain for wasm32, in which case the error names two ways to install one, or if a step fails.
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
    let mut build = toolchain.cargo(project, "realtime-gateway-wasm")?;
    command::run(build.args(RUSTC).env("CARGO_TARGET_DIR", &target))?;

    let scratch = target.join("package");
    fs::create_dir_all(&scratch).with_context(|| format!("make {}", scratch.display()))?;
    progress.step("installing the npm packages that make it small")?;
    install_node_modules(project)?;
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
