//! The Python SDK: its extension module, its checks and its tests. The step `build` compiles the module; maturin builds the wheels of
//! releases.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};

use crate::{command, core_module, counts::Counts, project::Project, python::Environment};

/// The folder of the SDK.
const FOLDER: &str = "sdk-python";
/// The extension module in the package, under the name that every CPython from 3.10 on accepts.
const MODULE: &str = "sdk-python/gateway/_core.abi3.so";

/// Checks the code, and runs the tests against the gateway that the step `build` compiled.
///
/// # Errors
/// If a check fails, or the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    install_module(project)?;
    let seeded = core_module::write_seeded_inputs(project)?;
    check(project)?;
    let report = project.target().join("pytest.xml");
    // A report of an earlier run would be taken for the one of this run.
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("remove {}", report.display()))?;
    }
    let mut tests = python(project, &["-X", "dev", "-m", "pytest", "-q", "--junitxml"]);
    tests.arg(&report).env("GATEWAY", project.gateway()).env("GATEWAY_SEEDED", &seeded);
    let is_success = tests.status().context("start pytest")?.success();
    let text = fs::read_to_string(&report).with_context(|| format!("read {}", report.display()))?;
    let counts = Counts::of_pytest(&text).with_context(|| format!("{} has no totals", report.display()))?;
    ensure!(is_success || counts.failed > 0, "pytest failed before it ran a test");
    Ok(counts)
}

/// Returns the folder of the SDK, from which Python imports the package.
pub(crate) fn folder(project: &Project) -> PathBuf {
    project.root().join(FOLDER)
}

/// Puts the extension module that the step `build` compiled into the package.
///
/// # Errors
/// If there is no such module, or it cannot be copied.
pub(crate) fn install_module(project: &Project) -> anyhow::Result<()> {
    let built = project.target().join("debug").join(library());
    let module = project.root().join(MODULE);
    // Replaced and not overwritten, because a running Python may have it in memory.
    let new = module.with_extension("new");
    fs::copy(&built, &new).with_context(|| format!("copy {}, which the step `build` compiles", built.display()))?;
    fs::rename(&new, &module).with_context(|| format!("write {}", module.display()))
}

/// Returns the name of the library of the crate.
fn library() -> PathBuf {
    PathBuf::from(format!("{}gateway_python{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Returns a command of the environment's Python in the folder of the SDK.
fn python(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new(Environment::of_python_sdk(project).program("python"));
    command.args(arguments).current_dir(folder(project)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the command of pyright, whose options are in `pyproject.toml`. Its wrapper on PyPI downloads the program of the same
/// version from npm, once.
fn pyright(project: &Project) -> Command {
    let mut pyright = python(project, &["-m", "pyright", "--pythonpath"]);
    pyright.arg(Environment::of_python_sdk(project).program("python"));
    pyright.env("PYRIGHT_PYTHON_CACHE_DIR", project.target().join("pyright"));
    pyright
}

/// Runs the checks of the code.
fn check(project: &Project) -> anyhow::Result<()> {
    command::run(&mut python(project, &["-m", "ruff", "format", "--check", "--quiet", "."]))?;
    command::run(&mut python(project, &["-m", "ruff", "check", "--quiet", "."]))?;
    command::run(&mut python(project, &["-m", "mypy", "gateway", "tests", "examples"]))?;
    command::run(&mut pyright(project))
}
