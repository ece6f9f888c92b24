//! The clients that the conformance kit tests, and how their adapters are compiled.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use crate::{command, go_sdk, kotlin_sdk, project::Project, python::Environment};

/// What the JVM of an adapter needs: it starts quickly and stays small, because several run at the same time.
const JVM: [&str; 5] =
    ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-XX:-UsePerfData", "-Dfile.encoding=UTF-8"];
/// Parts of the names of the groups and jars that are modules which the SDK or the adapter needs.
const MODULES: [&str; 6] = ["kotlin-stdlib", "kotlinx-", "okhttp", "okio", "chicory", "gson"];
/// The warnings with which C is compiled. The sanitizers find what a scenario does not look at.
const C_OPTIONS: [&str; 8] =
    ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-O1", "-g", "-fsanitize=address,undefined"];
/// The sources of the adapter in C: its own, and those of the example that it shares.
const C_FOLDERS: [&str; 2] = ["sdk-c/test/conformance", "sdk-c/examples"];

/// A client that is tested.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// The command of its adapter.
    pub(super) adapter: Vec<OsString>,
    /// Whether it has to be green. The client that is written by hand shows what goes wrong without an SDK.
    pub(super) is_ours: bool,
}

/// Compiles the adapters, and returns the clients in the order of the table.
///
/// # Errors
/// If an adapter cannot be compiled.
pub(super) fn clients(project: &Project, folder: &Path) -> anyhow::Result<Vec<Client>> {
    let program = |name: &str| folder.join(name).with_extension(env::consts::EXE_EXTENSION);
    let (go, c) = (program("go"), program("c"));
    go_sdk::build(project, "./internal/conformance", &go)?;
    compile_c(project, &c)?;
    let [kotlin, java] = jvm(project, folder)?;
    let rust = project.target().join("debug/examples/conformance").with_extension(env::consts::EXE_EXTENSION);
    let root = project.root();
    let python_of = |environment: Environment| environment.program("python").into_os_string();
    let (node, python) = (OsString::from("node"), python_of(Environment::of(project)));
    let python_with_sdk = python_of(Environment::of_python_sdk(project));
    let client = |name, adapter, is_ours| Client { name, adapter, is_ours };
    Ok(vec![
        client("rust", vec![rust.into()], true),
        client("typescript", vec![node, root.join("sdk-wasm/test/conformance/adapter.js").into()], true),
        client("go", vec![go.into()], true),
        client("python", vec![python_with_sdk, root.join("sdk-python/tests/conformance/adapter.py").into()], true),
        client("kotlin", kotlin, true),
        client("java", java, true),
        client("c", vec![c.into()], true),
        client("by-hand", vec![python, root.join("docs/examples/conformance_client.py").into()], false),
    ])
}

/// Compiles the adapter in C with the static library that the step `build` has made.
fn compile_c(project: &Project, program: &Path) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    for folder in C_FOLDERS {
        sources.extend(files(&project.root().join(folder), "c")?);
    }
    // Each has a `main` of its own.
    sources.retain(|path| !path.ends_with("examples/chat.c"));
    let mut cc = project.program("cc", &C_OPTIONS);
    cc.args(["-I", "sdk-c/include", "-I", "sdk-c/examples", "-I", "sdk-c/test/conformance"]).args(sources);
    cc.arg(project.target().join("debug/libgateway_core.a")).args(["-lpthread", "-ldl", "-lm", "-o"]).arg(program);
    command::run(&mut cc)
}

/// Compiles the adapters in Kotlin and Java. Returns the command of each.
fn jvm(project: &Project, folder: &Path) -> anyhow::Result<[Vec<OsString>; 2]> {
    let class_path = kotlin_sdk::compile(project)?;
    let sdk = project.root().join("sdk-kotlin/target");
    let kotlin = env::join_paths([sdk.join("classes"), sdk.join("test-classes")].into_iter().chain(class_path.clone()))
        .context("a path of a jar has a separator in it")?;
    // The end of a path in Maven's repository is the last word of the group, the artefact, the version and the jar.
    let is_module = |jar: &PathBuf| {
        jar.iter().rev().take(4).any(|name| MODULES.iter().any(|part| name.to_string_lossy().contains(part)))
    };
    let modules = [sdk.join("classes")].into_iter().chain(class_path.into_iter().filter(is_module));
    let modules: Vec<_> = modules.collect();
    let java = folder.join("java");
    let path = |more: &[PathBuf]| env::join_paths(more).context("a path of a jar has a separator in it");
    let mut javac = project.program("javac", &["-Xlint:all,-classfile", "-Werror", "--release", "11", "--module-path"]);
    javac.arg(path(&modules)?).arg("-d").arg(&java);
    javac.args(files(&project.root().join("sdk-kotlin/src/test/java-adapter"), "java")?);
    command::run(&mut javac)?;
    let modules: Vec<_> = modules.into_iter().chain([java]).collect();
    let command = |of: &[&str], path: OsString, main: &[&str]| {
        let options = JVM.iter().chain(of).map(OsString::from);
        [OsString::from("java")]
            .into_iter()
            .chain(options)
            .chain([path])
            .chain(main.iter().map(OsString::from))
            .collect()
    };
    Ok([
        command(&["-cp"], kotlin, &["io.github.realtimegateway.conformance.AdapterKt"]),
        command(&["-p"], path(&modules)?, &["-m", "conformance/conformance.Adapter"]),
    ])
}

/// Returns the files below a folder whose names end like this.
fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "{} has no sources", folder.display());
    found.sort();
    Ok(found)
}
