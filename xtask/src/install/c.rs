//! The C library: the archive is unpacked, and the chat of its examples is compiled with what pkg-config says.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{CLAN, Place};
use crate::{
    command,
    release::{archive, c},
};

/// Any time will do for the files of the archive.
const TIME: &str = "2026-01-01T00:00:00Z";
/// Sends one line, and ends.
const SEND: &str = r#"echo hello | "$0" "$GATEWAY_URL" "$1""#;

/// Packs the libraries that the step `build` compiled, unpacks them elsewhere, and compiles the chat twice: with the shared
/// and with the static library.
///
/// # Errors
/// If the library cannot be packed, or a program not compiled.
pub(super) fn install(place: &Place) -> anyhow::Result<Vec<Command>> {
    let packed = place.create("realtime-gateway-c")?;
    c::gather(place.project, &place.project.target().join("debug"), &packed)?;
    let archive = place.folder.join("archive.tar.gz");
    archive::pack(&packed, &archive, TIME)?;
    fs::remove_dir_all(&packed).context("remove what was packed")?;
    let prefix = place.create("prefix")?;
    let mut tar = place.program("tar", &["--extract", "--strip-components=1", "--file"]);
    command::run(tar.arg(&archive).arg("--directory").arg(&prefix))?;
    let lib = prefix.join("lib");
    let flags = |options: &[&str]| -> anyhow::Result<Vec<String>> {
        let mut pkg_config = place.program("pkg-config", options);
        let printed = command::output(pkg_config.arg("gateway_core").env("PKG_CONFIG_PATH", lib.join("pkgconfig")))?;
        Ok(String::from_utf8_lossy(&printed).split_whitespace().map(str::to_owned).collect())
    };
    let mut shared = compile(place, &prefix, "chat-shared", &flags(&["--cflags", "--libs"])?)?;
    shared.env("LD_LIBRARY_PATH", &lib);
    let with_static = flags(&["--static", "--cflags", "--libs"])?;
    let archive = lib.join("libgateway_core.a").display().to_string();
    // The linker prefers the shared library of the same name.
    let with_static: Vec<_> =
        with_static.into_iter().map(|flag| if flag == "-lgateway_core" { archive.clone() } else { flag }).collect();
    Ok(vec![shared, compile(place, &prefix, "chat-static", &with_static)?])
}

/// Compiles the chat of the examples, and returns a command that sends a line with it.
fn compile(place: &Place, prefix: &Path, name: &str, flags: &[String]) -> anyhow::Result<Command> {
    let program = place.folder.join(name);
    let examples = fs::read_dir(prefix.join("examples")).context("read the examples")?;
    let mut sources: Vec<_> = examples.flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    let mut cc = place.program("cc", &["-Wall", "-Wextra", "-Werror", "-o"]);
    // The libraries come last, because the linker looks for what the sources need.
    command::run(cc.arg(&program).args(sources).args(flags))?;
    let mut send = place.program("sh", &["-c", SEND]);
    send.arg(program).arg(CLAN);
    Ok(send)
}
