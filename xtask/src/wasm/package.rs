//! The npm package: what is committed, and what was built, in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::text;
use crate::{command, project::Project};

/// Files of the repository that go along, from its root.
const COMMITTED: [&str; 4] = ["sdk-wasm/README.md", "sdk-wasm/npm/package.json", "LICENSE-APACHE", "LICENSE-MIT"];

/// The types of the package without WebAssembly.
const SAME_TYPES: &str = "/** The same client for places without WebAssembly. */\n\nexport * from \"../index.js\";\n";

/// Brings what building and testing the package takes, where it is not there yet.
///
/// # Errors
/// If npm is missing or fails.
pub(super) fn install_node_modules(project: &Project) -> anyhow::Result<()> {
    let folder = project.root().join("sdk-wasm");
    // npm writes this file last, so an older one than the lock file shows that something has changed.
    let modified = |path: &str| fs::metadata(folder.join(path)).and_then(|meta| meta.modified()).ok();
    if modified("node_modules/.package-lock.json") >= modified("package-lock.json") {
        return Ok(());
    }
    let mut npm = project.program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    command::run(npm.current_dir(&folder)).context("Node.js with npm is needed for the npm package")
}

/// Writes the package anew and returns its folder.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn write(project: &Project, wasm: &Path, machine: &str) -> anyhow::Result<PathBuf> {
    let (root, folder) = (project.root(), project.root().join("sdk-wasm/pkg"));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    for name in ["no-wasm", "testing"] {
        fs::create_dir_all(folder.join(name)).with_context(|| format!("make {}", folder.display()))?;
    }
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    };
    let get = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));

    let committed = COMMITTED.iter().map(|path| root.join(path));
    for path in committed.chain(files(&root.join("sdk-wasm/js"))?) {
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        let content = get(&path)?;
        let text = String::from_utf8(content).with_context(|| format!("{} is no text", path.display()))?;
        let text = text.replace("__VERSION__", env!("CARGO_PKG_VERSION"));
        put(&name, text.as_bytes())?;
        // Without WebAssembly only the loading differs; the rest is the same, beside it.
        if name.ends_with(".js") && name != "load.js" {
            put(&format!("no-wasm/{name}"), text.as_bytes())?;
        }
    }
    for path in files(&root.join("sdk-wasm/js/testing"))? {
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        put(&format!("testing/{name}"), &get(&path)?)?;
    }
    put("no-wasm/load.js", &get(&root.join("sdk-wasm/js/no-wasm/load.js"))?)?;
    put("no-wasm/machine.js", machine.as_bytes())?;
    put("no-wasm/index.d.ts", SAME_TYPES.as_bytes())?;
    let wasm = get(wasm)?;
    put("gateway.wasm", &wasm)?;
    put("wasm.js", text::module(&wasm).as_bytes())?;
    Ok(folder)
}

/// The files of a folder, without those of the folders in it.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}
