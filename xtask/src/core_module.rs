//! `cargo xtask core`: builds the core of the SDKs as a WebAssembly module without imports, from which the packages for Go
//! and the JVM are translated. Also the header of the C library.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{
    browser, command,
    counts::{Counts, Format},
    project::Project,
    tools::{self, Tool},
    wasm::{self, Toolchain},
};

/// The program that makes the header. It is compiled by cargo, because as a dependency it would make every crate with a
/// procedural macro compile again, with more features of `syn`.
pub(crate) const CBINDGEN: &str = "cbindgen";
pub(crate) const CBINDGEN_VERSION: &str = "0.29.4";

/// The header, and the options with which it is made.
const HEADER: &str = "sdk-c/include/gateway_core.h";
const HEADER_OPTIONS: [&str; 4] = ["--quiet", "--config", "sdk-c/cbindgen.toml", "sdk-c/src/abi.rs"];

/// What the module is made of.
const SOURCES: [&str; 8] = [
    "sdk-c/Cargo.toml",
    "sdk-c/src",
    "sdk-wasm/src/heap.rs",
    "sdk-wasm/build",
    "sdk-core/src",
    "protocol/src",
    "xtask/src/core_module.rs",
    "Cargo.lock",
];

/// The path of the crate's file in the target directory.
const WASM: &str = "wasm32-unknown-unknown/wasm/gateway_core.wasm";

/// The stack is 64 KiB instead of 1 MiB, because every instance has one. The deepest use that was measured is 9 KiB, with
/// frames nested as deep as the protocol allows. The stack is at the lowest addresses, so an overflow is a trap.
const STACK: &str = "-Clink-arg=-zstack-size=65536";

/// Returns the path of the module.
pub(crate) fn module(project: &Project) -> PathBuf {
    project.target().join("core/gateway_core.wasm")
}

/// Writes the header of the C library.
///
/// # Errors
/// If its generator cannot be compiled, or fails.
pub(crate) fn write_header(project: &Project) -> anyhow::Result<()> {
    if !tools::built(project, CBINDGEN).is_file() {
        Tool::CBINDGEN.compile(project)?;
    }
    fs::write(project.root().join(HEADER), header(project)?).with_context(|| format!("write {HEADER}"))
}

fn header(project: &Project) -> anyhow::Result<Vec<u8>> {
    command::output(&mut project.program(&tools::built(project, CBINDGEN).to_string_lossy(), &HEADER_OPTIONS))
}

/// Checks the header, and runs the tests of the module, which is built if it is not up to date.
///
/// # Errors
/// If the header is out of date, the module cannot be built, or Node.js cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    let committed = fs::read(project.root().join(HEADER)).with_context(|| format!("read {HEADER}"))?;
    ensure!(committed == header(project)?, "{HEADER} is out of date: run `cargo xtask codegen`");
    ensure(project)?;
    write_seeded_inputs(project)?;
    command::run_counted(&mut project.program("node", &["--test", "sdk-c/test/module.test.js"]), Format::Node)
}

/// Builds the module, unless it is newer than its sources.
///
/// # Errors
/// As [`run`].
pub(crate) fn ensure(project: &Project) -> anyhow::Result<()> {
    if !browser::is_fresh(project, &module(project), &SOURCES) {
        run(project)?;
    }
    Ok(())
}

/// Writes the seeded inputs next to the module, with the digest of the crate's outputs, and returns their path. The step
/// `build` has compiled their generator.
///
/// # Errors
/// If the generator cannot be started, or the file cannot be written.
pub(crate) fn write_seeded_inputs(project: &Project) -> anyhow::Result<PathBuf> {
    let path = module(project).with_file_name("seeded.jsonl");
    let inputs = command::output(&mut Command::new(project.target().join("debug/examples/seeded")))?;
    fs::create_dir_all(project.target().join("core")).context("make target/core")?;
    fs::write(&path, inputs).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Builds the module.
///
/// # Errors
/// If there is no toolchain for wasm32, in which case the error names two ways to install one, or if a step fails.
pub(crate) fn run(project: &Project) -> anyhow::Result<ExitCode> {
    let toolchain = Toolchain::find(project)?;
    writeln!(io::stdout(), "compiling the core to WebAssembly, with {toolchain}")?;
    // The target directory of the browser SDK, which compiles the same crates with the same options.
    let target = project.target().join("wasm-build");
    let mut build = toolchain.cargo(project, "realtime-gateway-c")?;
    command::run(build.args(wasm::RUSTC).arg(STACK).env("CARGO_TARGET_DIR", &target))?;

    let module = module(project);
    let quiet = module.with_file_name("quiet.wasm");
    fs::create_dir_all(project.target().join("core")).context("make target/core")?;
    wasm::install_node_modules(project)?;
    command::run(project.program("node", &["sdk-wasm/build/quiet-panics.js"]).arg(target.join(WASM)).arg(&quiet))?;
    let mut wasm_opt = project.program("sdk-wasm/node_modules/.bin/wasm-opt", &wasm::WASM_OPT);
    command::run(wasm_opt.arg(&quiet).arg("-o").arg(&module))?;
    let bytes = fs::metadata(&module).with_context(|| format!("read {}", module.display()))?.len();
    writeln!(io::stdout(), "wrote {} ({bytes} bytes)", module.display())?;
    Ok(ExitCode::SUCCESS)
}
