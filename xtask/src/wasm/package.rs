//! Assembles the npm package from committed and built files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{bundles, text};
use crate::{browser, command, project::Project};

/// The folder of the package's sources.
const FOLDER: &str = "sdk-wasm";

/// The folders of the sources in JavaScript, which are those of the package.
pub(super) const PARTS: [&str; 7] = ["", "no-wasm/", "testing/", "views/", "react/", "vue/", "publish/"];

/// Files of the repository that are copied into the package.
const COMMITTED: [&str; 5] =
    ["sdk-wasm/README.md", "sdk-wasm/npm/package.json", "sdk-wasm/LICENSES.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// The types of the package without WebAssembly.
const SAME_TYPES: &str = "/** The same client for places without WebAssembly. */\n\nexport * from \"../index.js\";\n";

/// Installs the npm packages that are needed to build the package, unless they are installed.
///
/// # Errors
/// If npm is missing or fails.
pub(crate) fn install_node_modules(project: &Project) -> anyhow::Result<()> {
    if browser::has_npm_packages(project, FOLDER) {
        return Ok(());
    }
    let mut npm = project.program("npm", &["ci"]);
    command::run(npm.args(browser::NPM_CI).current_dir(project.root().join(FOLDER)))
        .context("Node.js with npm is needed for the npm package")
}

/// Writes the package and returns its folder.
///
/// # Errors
/// If a file cannot be read or written, or if esbuild fails.
pub(super) fn write(project: &Project, wasm: &Path, machine: &str) -> anyhow::Result<PathBuf> {
    // A gateway in development mode may serve the package meanwhile, so the complete folder replaces the old one.
    let (root, finished) = (project.root(), project.root().join("sdk-wasm/pkg"));
    let folder = root.join("sdk-wasm/generated");
    remove(&folder)?;
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&folder)).with_context(|| format!("make {}", folder.display()))?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    };
    let get = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));

    for path in COMMITTED {
        let content = text_of(&root.join(path))?.replace("__VERSION__", env!("CARGO_PKG_VERSION"));
        put(path.rsplit('/').next().unwrap_or(path), content.as_bytes())?;
    }
    for part in PARTS {
        for path in files(&root.join("sdk-wasm/js").join(part))? {
            let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
            let text = text_of(&path)?.replace("__VERSION__", env!("CARGO_PKG_VERSION"));
            match name.strip_suffix(".d.ts") {
                Some(module) => types(&put, &format!("{part}{module}"), &text)?,
                // The source maps of the built scripts refer to these files.
                None => put(&format!("src/{part}{name}"), text.as_bytes())?,
            }
        }
    }
    types(&put, "no-wasm/index", SAME_TYPES)?;
    put("no-wasm/machine.js", machine.as_bytes())?;
    let wasm = get(wasm)?;
    put("gateway.wasm", &wasm)?;
    put("wasm.js", text::module(&wasm).as_bytes())?;
    bundles::write(project, &folder)?;

    remove(&finished)?;
    fs::rename(&folder, &finished).with_context(|| format!("move the package to {}", finished.display()))?;
    Ok(finished)
}

/// Writes the type declarations of a module, for `import` and for `require`.
fn types(put: &impl Fn(&str, &[u8]) -> anyhow::Result<()>, module: &str, text: &str) -> anyhow::Result<()> {
    put(&format!("{module}.d.ts"), text.as_bytes())?;
    put(&format!("{module}.d.cts"), text.replace(".js\"", ".cjs\"").as_bytes())
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// Returns the files of a folder, without those of subfolders.
pub(super) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}
