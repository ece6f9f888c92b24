//! The npm package: `npm install` of the file in a new project, as docs/sdk-typescript.md says.

use std::process::Command;

use super::Place;
use crate::{browser, command, release::npm};

/// Packs the package that the step `npm` built, and installs it.
///
/// # Errors
/// If it cannot be built or installed.
pub(super) fn install(place: &Place) -> anyhow::Result<Vec<Command>> {
    browser::ensure_sdk(place.project)?;
    let file = npm::pack(place.project, env!("CARGO_PKG_VERSION"), &place.folder)?;
    command::run(&mut place.program("npm", &["init", "-y"]))?;
    command::run(&mut place.program("npm", &["pkg", "set", "type=module"]))?;
    // The package depends on no other one.
    let mut install = place.program("npm", &["install", "--offline", "--no-audit", "--no-fund"]);
    command::run(install.arg(file))?;
    place.copy("sdk-wasm/examples/quickstart.js", "quickstart.js")?;
    // Node.js 20 has a WebSocket, but needs the flag.
    Ok(vec![place.program("node", &["--experimental-websocket", "quickstart.js"])])
}
