//! The variant of the package for environments without WebAssembly: binaryen translates the core to JavaScript.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::{command, project::Project};

/// Lowers instructions that have no equivalent in JavaScript. The translator of binaryen supports only the
/// first version of WebAssembly.
const LOWER: [&str; 7] = [
    "-Oz",
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--llvm-nontrapping-fptoint-lowering",
    "--signext-lowering",
];

/// Translates the wasm file to a module that exports `instantiate`, in the scratch folder.
///
/// # Errors
/// If a tool fails, or its output does not have the expected form.
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

/// Wraps a script that runs once in a function, so that each call returns an instance with its own memory.
fn callable_again(script: &str) -> anyhow::Result<String> {
    // The module imports nothing, so the script calls its function with an empty object.
    let body = script.split_once("var retasmFunc = asmFunc({\n});").map(|(body, _exports)| body);
    let body = body.filter(|body| body.contains("\nfunction asmFunc("));
    let body =
        body.context("wasm2js writes its script differently now: see callable_again in xtask/src/wasm/no_wasm.rs")?;
    Ok(format!("export function instantiate() {{\n{body}\nreturn asmFunc({{}});\n}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_script_in_function() {
        let script = "\nfunction asmFunc(imports) {}\n\nvar retasmFunc = asmFunc({\n});\nexport var memory = retasmFunc.memory;\n";
        let module = callable_again(script).expect("it has the known form");
        assert!(module.starts_with("export function instantiate() {"), "{module}");
        assert!(module.ends_with("return asmFunc({});\n}\n"), "{module}");
        assert!(!module.contains("retasmFunc"), "{module}");
    }

    #[test]
    fn reports_an_unknown_form() {
        callable_again("export default 1").expect_err("that is not the known form");
    }
}
