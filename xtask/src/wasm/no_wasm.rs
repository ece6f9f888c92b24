//! The package's folder for places without WebAssembly: the same machine, as JavaScript that binaryen makes of it.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

use crate::{command, project::Project};

/// Turns what JavaScript has no equal for into what it has. binaryen's translator knows no other WebAssembly than the
/// first version's.
const LOWER: [&str; 7] = [
    "-Oz",
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--llvm-nontrapping-fptoint-lowering",
    "--signext-lowering",
];

/// Makes a module of the wasm file that exports `instantiate`, and leaves it in the scratch folder.
///
/// # Errors
/// If a tool fails, or writes something else than it used to.
pub(super) fn machine(project: &Project, wasm: &Path, scratch: &Path) -> anyhow::Result<String> {
    let tool = |name: &str| format!("sdk-wasm/node_modules/.bin/{name}");
    let (lowered, script) = (scratch.join("lowered.wasm"), scratch.join("machine.js"));
    let mut wasm_opt = project.program(&tool("wasm-opt"), &LOWER);
    command::run(wasm_opt.arg(wasm).arg("-o").arg(&lowered))?;
    command::run(
        project.program(&tool("wasm2js"), &["-Oz", "--enable-bulk-memory"]).arg(&lowered).arg("-o").arg(&script),
    )?;
    let text = fs::read_to_string(&script).with_context(|| format!("read {}", script.display()))?;
    fs::write(&script, callable_again(&text)?).with_context(|| format!("write {}", script.display()))?;
    // Two thirds of the text is white space and long names.
    let small = command::output(project.program(&tool("esbuild"), &["--minify", "--format=esm"]).arg(&script))?;
    let small = String::from_utf8(small).context("the minified machine is no text")?;
    Ok(format!("// gateway.wasm as JavaScript, by binaryen's wasm2js.\n{small}"))
}

/// Makes a function of a script that runs once: each call gives an instance with a memory of its own.
fn callable_again(script: &str) -> anyhow::Result<String> {
    const OPENING: &str = "import * as $_glue_bg_js from './glue_bg.js';\n";
    const CLOSING: &str = "var retasmFunc = asmFunc({\n  \"./glue_bg.js\": $_glue_bg_js,\n});\n";
    let body = script.strip_prefix(OPENING).and_then(|rest| rest.split_once(CLOSING));
    ensure!(
        body.is_some(),
        "wasm2js writes its script differently now: see callable_again in xtask/src/wasm/no_wasm.rs"
    );
    let (body, _exports) = body.unwrap_or_default();
    Ok(format!("export function instantiate(imports) {{\n{body}\nreturn asmFunc(imports);\n}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_becomes_a_function() {
        let script = "import * as $_glue_bg_js from './glue_bg.js';\n\nfunction asmFunc(imports) {}\n\n\
                      var retasmFunc = asmFunc({\n  \"./glue_bg.js\": $_glue_bg_js,\n});\nexport var memory = retasmFunc.memory;\n";
        let module = callable_again(script).expect("it has the known form");
        assert!(module.starts_with("export function instantiate(imports) {"), "{module}");
        assert!(module.ends_with("return asmFunc(imports);\n}\n"), "{module}");
        assert!(!module.contains("retasmFunc"), "{module}");
    }

    #[test]
    fn another_form_is_told() {
        callable_again("export default 1").expect_err("that is not the known form");
    }
}
