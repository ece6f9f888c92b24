//! The package's folder for places without WebAssembly: the same machine, as JavaScript that binaryen makes of it.

use std::{fs, path::Path};

use anyhow::Context as _;

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
    fn the_script_becomes_a_function() {
        let script = "\nfunction asmFunc(imports) {}\n\nvar retasmFunc = asmFunc({\n});\nexport var memory = retasmFunc.memory;\n";
        let module = callable_again(script).expect("it has the known form");
        assert!(module.starts_with("export function instantiate() {"), "{module}");
        assert!(module.ends_with("return asmFunc({});\n}\n"), "{module}");
        assert!(!module.contains("retasmFunc"), "{module}");
    }

    #[test]
    fn another_form_is_told() {
        callable_again("export default 1").expect_err("that is not the known form");
    }
}
