//! The scripts of the npm package, built by esbuild: ES modules for `import`, and one CommonJS file
//! for `require`, all minified and with source maps.

use std::path::Path;

use super::package::{PARTS, files};
use crate::{command, project::Project};

/// The options for every script. The language level is that of the browsers that support the features of the
/// WebAssembly.
const ESBUILD: [&str; 4] = ["--minify", "--sourcemap", "--target=es2022", "--log-level=warning"];

/// Builds the scripts of the package in this folder.
///
/// # Errors
/// If esbuild fails.
pub(super) fn write(project: &Project, folder: &Path) -> anyhow::Result<()> {
    // Modules are not bundled: a page without a bundler loads them directly, and a bundler can remove unused ones.
    for part in PARTS {
        modules(project, folder, &format!("src/{part}"), if part.is_empty() { "." } else { part }, None)?;
    }
    // The variant without WebAssembly differs only in the module that loads the core.
    modules(project, folder, "src", "no-wasm", Some("load.js"))?;
    for module in ["index", "no-wasm/index", "testing/index", "react/index", "vue/index", "publish/index"] {
        let mut bundle = esbuild(project, folder);
        bundle.args(["--external:react", "--external:vue"]);
        bundle.args([&format!("{module}.js"), "--bundle", "--format=cjs", &format!("--outfile={module}.cjs")]);
        command::run(&mut bundle)?;
    }
    Ok(())
}

fn modules(project: &Project, folder: &Path, from: &str, to: &str, except: Option<&str>) -> anyhow::Result<()> {
    let sources = files(&folder.join(from))?;
    let sources = sources.iter().filter(|path| except.is_none_or(|name| !path.ends_with(name)));
    let mut modules = esbuild(project, folder);
    modules.args(sources).args(["--format=esm", &format!("--outbase={from}"), &format!("--outdir={to}")]);
    command::run(&mut modules)
}

fn esbuild(project: &Project, folder: &Path) -> std::process::Command {
    let mut esbuild =
        project.program(&project.root().join("sdk-wasm/node_modules/.bin/esbuild").to_string_lossy(), &ESBUILD);
    esbuild.current_dir(folder);
    esbuild
}
