//! The Go module: a new module requires it from a module proxy, which is a folder.

use std::{fs, process::Command};

use anyhow::Context as _;

use super::Place;
use crate::{command, go_sdk, release::go};

/// Any time will do for the tag.
const TIME: &str = "2026-01-01T00:00:00Z";

/// Makes the module from its tag, and compiles the quick start with it.
///
/// # Errors
/// If Go refuses the module, or the program does not compile.
pub(super) fn install(place: &Place) -> anyhow::Result<Vec<Command>> {
    let version = env!("CARGO_PKG_VERSION");
    go::serve(place.project, version, TIME, &place.folder)?;
    let app = place.create("app")?;
    place.copy("sdk-go/examples/quickstart/main.go", "app/main.go")?;
    fs::write(app.join("go.mod"), "module example.com/app\n\ngo 1.24.0\n").context("write go.mod")?;
    let go = |arguments: &[&str]| -> anyhow::Result<Command> {
        let mut go = go_sdk::go(place.project, arguments)?;
        go.current_dir(&app);
        Ok(go)
    };
    let variable = |name: &str| -> anyhow::Result<String> {
        let value = command::output(&mut go(&["env", name])?)?;
        Ok(String::from_utf8_lossy(&value).trim().to_owned())
    };
    // The files of the dependency are there since the tests of the SDK, and are asked for in the network otherwise.
    let proxy = format!(
        "file://{}/proxy,file://{}/cache/download,{}",
        place.folder.display(),
        variable("GOMODCACHE")?,
        variable("GOPROXY")?
    );
    let required = format!("{}@v{version}", go::MODULE);
    for arguments in [&["get", &required][..], &["build", "-o", "../quickstart", "."]] {
        let mut go = go(arguments)?;
        // A cache of its own, because the cache of the user may have another module of this version.
        go.env("GOMODCACHE", place.folder.join("modules")).env("GOFLAGS", "-modcacherw").env("GOPROXY", &proxy);
        // The database of checksums does not know a module that is not published.
        command::run(go.env("GOSUMDB", "off"))?;
    }
    Ok(vec![place.program(place.folder.join("quickstart"), &[])])
}
