//! Writes the JavaScript beside a wasm file: `xtask-wasm-bindgen <file.wasm> <folder>`.
//!
//! A crate of its own, so that no other command of xtask waits for it to compile; of the workspace, so that it and the
//! `wasm-bindgen` inside the wasm are always the same version (cargo allows one `wasm-bindgen-shared` only).

use std::{env, fs, path::PathBuf};

use anyhow::Context as _;
use wasm_bindgen_cli_support::Bindgen;

/// Features that compilers allow themselves by now, as they stand in a module's list of them. This module passes numbers
/// and strings only and needs neither; without them it can be turned into JavaScript, and runs in older browsers.
const UNUSED_FEATURES: [&[u8]; 2] = [b"+\x0freference-types", b"+\x0amultivalue"];

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (wasm, folder) = arguments.next().zip(arguments.next()).context("call it with a wasm file and a folder")?;
    let mut module = fs::read(&wasm).with_context(|| format!("read {}", wasm.display()))?;
    UNUSED_FEATURES.iter().for_each(|feature| disallow(&mut module, feature));
    let mut bindgen = Bindgen::new();
    // A script without modules is one function, of which `cargo xtask wasm` makes one that can be called again: after
    // a trap only a fresh instance will do.
    bindgen.input_bytes("glue", module).no_modules(true)?.typescript(false).out_name("glue");
    bindgen.generate(&folder).with_context(|| format!("write the JavaScript of {}", wasm.display()))
}

/// Turns the plus before a feature in the list at the module's end into a minus.
fn disallow(module: &mut [u8], feature: &[u8]) {
    let at = module.windows(feature.len()).rposition(|window| window == feature);
    if let Some(sign) = at.and_then(|at| module.get_mut(at)) {
        *sign = b'-';
    }
}
