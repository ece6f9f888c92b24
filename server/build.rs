//! Gives `http/demo.rs` the demo page and the browser SDK: a release build as tables of paths and bytes, which embed the
//! SDK if it has been built; any other build as the folders to read at run time.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// What the page asks for; the package holds more, such as the WebAssembly that its scripts hold as well.
const SERVED: [&str; 4] = ["html", "css", "js", "svg"];

/// Folders of the package that the page has no use for: its policy allows WebAssembly.
const LEFT_OUT: [&str; 3] = ["no-wasm", "src", "testing"];

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo runs this in the package's folder, and takes what is watched relative to it. `web-demo` is a link there, which
    // `cargo package` follows; the SDK's package is no part of a published crate.
    let (page, sdk) = (Path::new("web-demo"), Path::new("../sdk-wasm/pkg"));
    println!("cargo::rerun-if-changed=build.rs");
    let source = if env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={}", page.display());
        // What is not there cannot be watched for; the directory that it will appear in can.
        println!("cargo::rerun-if-changed={}", if sdk.exists() { "../sdk-wasm/pkg" } else { "../sdk-wasm" });
        let status = "const STATUS: Option<&str> = None;\n";
        format!("{}{}{status}", embedded("PAGE", page)?, embedded("SDK", sdk)?)
    } else {
        // `cargo xtask wasm` writes there how far it is.
        let status = absolute(Path::new("../sdk-wasm/build-status"))?;
        format!("{}{}const STATUS: Option<&str> = Some({status:?});\n", folder("PAGE", page)?, folder("SDK", sdk)?)
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names OUT_DIR")?);
    Ok(fs::write(out.join("demo.rs"), source)?)
}

/// The source of a constant that names a directory, which need not be there yet.
fn folder(name: &str, directory: &Path) -> Result<String, Box<dyn Error>> {
    Ok(format!("const {name}: Files = Files::Folder({:?});\n", absolute(directory)?))
}

/// The absolute path of a file next to this package, which need not be there yet.
fn absolute(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names CARGO_MANIFEST_DIR")?);
    let root = package.parent().ok_or("the package is in a folder of the project")?;
    Ok(path.strip_prefix("..").map_or_else(|_| package.join(path), |path| root.join(path)))
}

/// The source of a table of every served file below a directory, by its path there.
fn embedded(name: &str, directory: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    if directory.exists() {
        walk(directory, &mut files)?;
    }
    files.sort();
    let mut source = format!("const {name}: Files = Files::Embedded(&[\n");
    for file in files {
        let path = file.strip_prefix(directory)?.to_string_lossy().replace('\\', "/");
        writeln!(source, "    ({path:?}, include_bytes!({:?})),", file.canonicalize()?)?;
    }
    Ok(source + "]);\n")
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && LEFT_OUT.iter().any(|folder| path.ends_with(folder)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|extension| SERVED.iter().any(|served| extension == *served)) {
            files.push(path);
        }
    }
    Ok(())
}
