//! Writes the JavaScript beside a wasm file: `xtask-wasm-bindgen <file.wasm> <folder>`.
//!
//! A crate of its own, so that no other command of xtask waits for it to compile; of the workspace, so that it and the
//! `wasm-bindgen` inside the wasm are always the same version (cargo allows one `wasm-bindgen-shared` only).

use std::{env, path::PathBuf};

use anyhow::Context as _;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (wasm, folder) = arguments.next().zip(arguments.next()).context("call it with a wasm file and a folder")?;
    let mut bindgen = Bindgen::new();
    // A script without modules is one function, of which `cargo xtask wasm` makes one that can be called again: after
    // a trap only a fresh instance will do.
    bindgen.input_path(&wasm).no_modules(true)?.typescript(false).out_name("glue");
    bindgen.generate(&folder).with_context(|| format!("write the JavaScript of {}", wasm.display()))
}
