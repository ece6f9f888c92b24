//! The npm package: what is committed, and what was built, in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{browser, command, project::Project};

/// Where the package's sources are.
const FOLDER: &str = "sdk-wasm";

/// Files of the repository that go along, from its root.
const COMMITTED: [&str; 4] = ["sdk-wasm/README.md", "sdk-wasm/npm/package.json", "LICENSE-APACHE", "LICENSE-MIT"];

/// The types of the package without WebAssembly.
const SAME_TYPES: &str = "/** The same client for places without WebAssembly. */\n\nexport * from \"../index.js\";\n";

/// Installs the npm packages that building the package takes, where they are not there yet.
///
/// # Errors
/// If npm is missing or fails.
pub(super) fn install_node_modules(project: &Project) -> anyhow::Result<()> {
    if browser::has_npm_packages(project, FOLDER) {
        return Ok(());
    }
    let mut npm = project.program("npm", &["ci"]);
    command::run(npm.args(browser::NPM_CI).current_dir(project.root().join(FOLDER)))
        .context("Node.js with npm is needed for the npm package")
}

/// Writes the package anew and returns its folder.
///
/// # Errors
/// If a file cannot be read or written, or if wasm-bindgen writes something else than it used to.
pub(super) fn write(project: &Project, glue: &Path, wasm: &Path, machine: &str) -> anyhow::Result<PathBuf> {
    // A gateway in development mode may serve the package meanwhile: it gets the whole new one or the old one.
    let (root, finished) = (project.root(), project.root().join("sdk-wasm/pkg"));
    let folder = root.join("sdk-wasm/generated");
    remove(&folder)?;
    fs::create_dir_all(folder.join("no-wasm")).with_context(|| format!("make {}", folder.display()))?;
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    };
    let get = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));

    let committed = COMMITTED.iter().map(|path| root.join(path));
    let scripts = fs::read_dir(root.join("sdk-wasm/js")).context("read sdk-wasm/js")?;
    let scripts = scripts.flatten().map(|file| file.path()).filter(|path| path.is_file());
    for path in committed.chain(scripts) {
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
    put("no-wasm/load.js", &get(&root.join("sdk-wasm/js/no-wasm/load.js"))?)?;
    put("no-wasm/machine.js", machine.as_bytes())?;
    put("no-wasm/index.d.ts", SAME_TYPES.as_bytes())?;
    let glue = String::from_utf8(get(glue)?).context("the glue is no text")?;
    put("glue.js", callable_again(&glue)?.as_bytes())?;
    let wasm = get(wasm)?;
    put("gateway.wasm", &wasm)?;
    let inlined = format!(
        "// gateway.wasm, for pages that load no other file.\n\nexport const base64 = \"{}\";\n",
        BASE64_STANDARD.encode(&wasm)
    );
    put("wasm.js", inlined.as_bytes())?;
    remove(&finished)?;
    fs::rename(&folder, &finished).with_context(|| format!("move the package to {}", finished.display()))?;
    Ok(finished)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// Makes a module of wasm-bindgen's script. Each call of its one function gives a wasm instance of its own: after a
/// trap only a fresh one will do, and no client's memory is another's.
fn callable_again(script: &str) -> anyhow::Result<String> {
    const OPENING: &str = "let wasm_bindgen = (function(exports) {";
    const CLOSING: &str = "    return Object.assign(__wbg_init, { initSync }, exports);\n})({ __proto__: null });";
    let script = script.trim();
    let body = script.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix(CLOSING));
    ensure!(body.is_some(), "wasm-bindgen writes its script differently now: see callable_again in xtask/src/wasm");
    let body = body.unwrap_or_default();
    // What loads a file by itself is not used here: load.js gives the compiled module.
    let body = match (body.find("    async function __wbg_load("), body.find("    function initSync(")) {
        (Some(from), Some(to)) if from < to => [body.get(..from), body.get(to..)].into_iter().flatten().collect(),
        _ => body.to_owned(),
    };
    let body = body.split("    let __wbg_init_promise;").next().unwrap_or_default();
    let body = fresh_views(body)?;
    Ok(format!(
        "// Written by wasm-bindgen and made callable again by `cargo xtask wasm`.\n\n\
         export function makeGlue() {{\n    const exports = {{}};{body}\
         {INIT_WITH}    return {{ initSync, initWith, ...exports }};\n}}\n"
    ))
}

/// Takes the machine as a function of its imports, in place of a wasm module.
const INIT_WITH: &str = "    function initWith(instantiate) {\n        \
    return __wbg_finalize_init({ exports: instantiate(__wbg_get_imports()) });\n    }\n";

/// Makes the views of the memory anew whenever it is another. WebAssembly takes the old memory's content away, by which
/// the script would notice; JavaScript leaves it as it was.
fn fresh_views(script: &str) -> anyhow::Result<String> {
    let mut script = script.to_owned();
    for name in ["cachedDataViewMemory0", "cachedUint8ArrayMemory0"] {
        let (from, to) = (format!("if ({name} === null || "), ") {\n");
        let condition = script.split_once(&from).and_then(|(_, rest)| rest.split_once(to)).map(|(it, _)| it.to_owned());
        let condition = condition.with_context(|| format!("the glue asks differently now whether {name} is fresh"))?;
        script = script
            .replace(&format!("{from}{condition}{to}"), &format!("{from}{name}.buffer !== wasm.memory.buffer{to}"));
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_becomes_a_function() {
        let script = "let wasm_bindgen = (function(exports) {\n    exports.A = 1;\n    \
                      if (cachedDataViewMemory0 === null || old) {\n    }\n    \
                      if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {\n    }\n    \
                      function initSync() {}\n    \
                      return Object.assign(__wbg_init, { initSync }, exports);\n})({ __proto__: null });\n";
        let module = callable_again(script).expect("it has the known form");
        assert!(module.contains("export function makeGlue() {"), "{module}");
        assert!(module.contains("return { initSync, initWith, ...exports };"), "{module}");
        assert!(module.contains("=== null || cachedUint8ArrayMemory0.buffer !== wasm.memory.buffer) {"), "{module}");
    }

    #[test]
    fn another_form_is_told() {
        callable_again("export default 1").expect_err("that is not the known form");
    }
}
