//! The SDK for Kotlin and Java: its tests and checks, by Maven. The core is translated from the module of `core_module` by each
//! build.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::Context as _;

use crate::{
    browser, command, core_module,
    counts::{Counts, Format},
    project::Project,
};

/// What the artefacts in the local repository depend on.
const POM: &str = "sdk-kotlin/pom.xml";
/// What the jar is made of.
const JAR_SOURCES: [&str; 6] =
    [POM, "sdk-kotlin/src/main", "sdk-kotlin/LICENSES.md", "sdk-c/src", "sdk-core/src", "protocol/src"];

/// Writes the class path of the tests to a file.
const CLASS_PATH_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath";
/// A class of the tests: the adapter of the conformance kit.
const ADAPTER: &str = "sdk-kotlin/target/test-classes/io/github/realtimegateway/conformance/AdapterKt.class";
/// What the classes of the tests are compiled from.
const TEST_SOURCES: [&str; 4] = [POM, "sdk-kotlin/src", "sdk-kotlin/examples", "codegen/tests/golden"];

/// Builds the SDK, checks its code, and runs its tests against the gateway that the step `build` compiled.
///
/// # Errors
/// If the core cannot be built, the code does not compile or is not formatted, or the tests cannot be started.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    core_module::ensure(project)?;
    let seeded = core_module::write_seeded_inputs(project)?;
    run(project, |options| {
        let mut maven = maven(project);
        maven.args(options).args(["-Pformat", "verify"]);
        maven.env("GATEWAY", project.gateway()).env("GATEWAY_SEEDED", &seeded);
        command::run_counted(&mut maven, Format::Maven)
    })
}

/// Builds the jar, unless it is newer than its sources, as after the tests.
///
/// # Errors
/// As [`test()`].
pub(crate) fn ensure_jar(project: &Project) -> anyhow::Result<()> {
    let jar = built(project).join(concat!("realtime-gateway-", env!("CARGO_PKG_VERSION"), ".jar"));
    if browser::is_fresh(project, &jar, &JAR_SOURCES) {
        return Ok(());
    }
    core_module::ensure(project)?;
    run(project, |options| command::run(maven(project).args(options).args(["-Dmaven.test.skip", "package"])))
}

/// Runs Maven without the network if it has all artefacts, and with it otherwise.
fn run<T>(project: &Project, verify: impl Fn(&[&str]) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let pom = fs::read_to_string(project.root().join(POM)).with_context(|| format!("read {POM}"))?;
    if has_artefacts(project, &pom) {
        // The local repository may have been emptied since. Then nothing was run, and Maven asks Maven Central.
        if let Ok(result) = verify(&["--offline"]) {
            return Ok(result);
        }
    }
    let result = verify(&[])?;
    let complete = complete(project);
    fs::create_dir_all(project.target().join("kotlin")).context("make target/kotlin")?;
    fs::write(&complete, pom).with_context(|| format!("write {}", complete.display()))?;
    Ok(result)
}

/// Compiles the SDK and its tests, among which is an adapter of the conformance kit, unless they are up to date. Returns the class
/// path of the tests, without their own classes.
///
/// # Errors
/// If the core cannot be built, the code does not compile, or Maven cannot be started.
pub(crate) fn compile(project: &Project) -> anyhow::Result<Vec<PathBuf>> {
    core_module::ensure(project)?;
    let class_path = project.target().join("kotlin/class-path.txt");
    let adapter = project.root().join(ADAPTER);
    let is_fresh = [&class_path, &adapter].iter().all(|file| browser::is_fresh(project, file, &TEST_SOURCES))
        && browser::is_fresh(project, &adapter, &[&core_module::module(project).to_string_lossy()]);
    if !is_fresh {
        run(project, |options| {
            let mut maven = maven(project);
            maven.arg("--quiet").arg(format!("-Dmdep.outputFile={}", class_path.display())).args(options);
            command::run(maven.args(["test-compile", CLASS_PATH_GOAL]))
        })?;
    }
    let written = fs::read_to_string(&class_path).with_context(|| format!("read {}", class_path.display()))?;
    Ok(env::split_paths(written.trim()).collect())
}

/// Returns the file with the `pom.xml` whose artefacts are in the local repository.
fn complete(project: &Project) -> PathBuf {
    project.target().join("kotlin/complete.xml")
}

/// Returns whether Maven has all artefacts, so that it need not ask Maven Central.
fn has_artefacts(project: &Project, pom: &str) -> bool {
    let repository = env::home_dir().unwrap_or_default().join(".m2/repository");
    repository.is_dir() && fs::read_to_string(complete(project)).is_ok_and(|complete| complete == pom)
}

/// Returns the folder of what Maven builds.
pub(crate) fn built(project: &Project) -> PathBuf {
    project.root().join("sdk-kotlin/target")
}

/// Returns a command of Maven in the SDK, which has the module of the core.
pub(crate) fn maven(project: &Project) -> Command {
    let mut maven = project.program("mvn", &["--batch-mode", "--no-transfer-progress", "--file", POM]);
    maven.arg(format!("-Dcore.module={}", core_module::module(project).display()));
    maven
}
