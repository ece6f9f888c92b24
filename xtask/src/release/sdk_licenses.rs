//! `LICENSES.md` of each SDK that contains the compiled core: the crates inside, and the texts that their licences ask for.
//! The files are committed, because a Go module is its source tree, and because Maven, maturin and npm pack what is there.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::Context as _;

use super::licenses;
use crate::{
    metadata::{Metadata, Package},
    project::Project,
};

/// The licence of the Rust standard library, and the form without a holder that many crates use.
const MIT: &str = include_str!("mit.txt");
/// What every core contains that is no crate of a registry.
const STANDARD_LIBRARY: &str = "the Rust standard library";

/// An SDK with the compiled core inside.
struct Sdk {
    folder: &'static str,
    /// The crate that is compiled, and the target.
    package: &'static str,
    target: &'static str,
    /// What the artefact is called, and how the core got into it.
    about: &'static str,
    /// A program that translates the core, parts of which are in the output: its name and the holder of its MIT licence.
    translator: Option<(&'static str, &'static str)>,
    /// Other things that a user of the artefact may ask about.
    dependencies: &'static str,
}

const SDKS: [Sdk; 5] = [
    Sdk {
        folder: "sdk-go",
        package: "realtime-gateway-c",
        target: WASM,
        about: "This module is licensed under [MIT](LICENSE-MIT) or [Apache 2.0](LICENSE-APACHE), at your choice. \
                `internal/core/module` is\ncompiled from the crates below, and translated by wasm2go (MIT), parts of which \
                are in the output. Programs that are built\nwith this module contain them.",
        translator: Some(("wasm2go 0.4.21", "Nuno Cruces")),
        dependencies: "`coder/websocket`, a dependency of this module, has the ISC licence.",
    },
    Sdk {
        folder: "sdk-python",
        package: "realtime-gateway-python",
        target: LINUX,
        about: "This package is licensed under [MIT](LICENSE-MIT) or [Apache 2.0](LICENSE-APACHE), at your choice. Its \
                extension module is\ncompiled from the crates below, so a wheel contains them.",
        translator: None,
        dependencies: "`websockets`, a dependency of this package, has the BSD-3-Clause licence.",
    },
    Sdk {
        folder: "sdk-kotlin",
        package: "realtime-gateway-c",
        target: WASM,
        about: "This jar is licensed under [MIT](LICENSE-MIT) or [Apache 2.0](LICENSE-APACHE), at your choice. The classes \
                `CoreModule*` are\ncompiled from the crates below, and translated by Chicory (Apache 2.0), parts of which \
                are in the output.",
        translator: None,
        dependencies: "The dependencies of this jar (OkHttp, Okio, the libraries and annotations of Kotlin, and Chicory's \
                       runtime)\nare not inside, and are licensed under Apache 2.0.",
    },
    Sdk {
        folder: "sdk-wasm",
        package: "realtime-gateway-wasm",
        target: WASM,
        // Its two licences are next to it in the package, and not in the folder.
        about: "This package is licensed under MIT (`LICENSE-MIT`) or Apache 2.0 (`LICENSE-APACHE`), at your choice. \
                `gateway.wasm`, `wasm.js`\nand `no-wasm/machine.js` are compiled from the crates below. The last is \
                translated by Binaryen (Apache 2.0), parts of which are\nin the output.",
        translator: None,
        dependencies: "The package has no dependencies.",
    },
    Sdk {
        folder: "sdk-c",
        package: "realtime-gateway-c",
        target: LINUX,
        about: "The library is licensed under [MIT](LICENSE-MIT) or [Apache 2.0](LICENSE-APACHE), at your choice. It is \
                compiled from the\ncrates below, and programs that are linked with it contain them.",
        translator: None,
        dependencies: "The library depends on the C library of the system only.",
    },
];

const WASM: &str = "wasm32-unknown-unknown";
const LINUX: &str = "x86_64-unknown-linux-gnu";

/// Writes the file of each SDK.
///
/// # Errors
/// If the metadata or a licence cannot be read, or a file not be written.
pub(crate) fn write(project: &Project) -> anyhow::Result<()> {
    for (path, document) in documents(project)? {
        fs::write(project.root().join(&path), document).with_context(|| format!("write {path}"))?;
    }
    Ok(())
}

/// Returns the path and the content of each file.
fn documents(project: &Project) -> anyhow::Result<Vec<(String, String)>> {
    let document = |sdk: &Sdk| {
        let metadata = Metadata::for_program(project, sdk.package, sdk.target)?;
        let root = metadata.package(sdk.package).with_context(|| format!("no package {}", sdk.package))?;
        let contained = metadata.parts(&root.id).contained;
        let mut packages: Vec<_> = metadata.packages.iter().collect();
        packages.retain(|package| package.is_external && contained.contains(&package.id));
        packages.sort_by_key(|package| (package.name.as_str(), package.version.as_str()));
        Ok((format!("{}/LICENSES.md", sdk.folder), text(sdk, &packages)?))
    };
    SDKS.iter().map(document).collect()
}

fn text(sdk: &Sdk, packages: &[&Package]) -> anyhow::Result<String> {
    let mut document = format!(
        "<!-- Generated from Cargo.lock by `cargo xtask codegen`. -->\n\n# Licences of what is inside\n\n{}\n\n\
         | crate | licence |\n| --- | --- |\n",
        sdk.about
    );
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    owners.entry(MIT.trim().to_owned()).or_default().push(STANDARD_LIBRARY.to_owned());
    if let Some((name, holder)) = sdk.translator {
        let text = format!("Copyright (c) {holder}\n\n{}", MIT.trim());
        owners.entry(text).or_default().push(name.to_owned());
    }
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let license = package.license.as_deref().with_context(|| format!("{name} names no licence"))?;
        // Writing to a String cannot fail.
        let _ = writeln!(document, "| {name} | {} |", license.replace('/', " OR "));
        for text in licenses::of_package(package)? {
            owners.entry(text).or_default().push(name.clone());
        }
    }
    let _ = write!(
        document,
        "\nThe Rust standard library, which is compiled in too, is licensed under MIT or Apache 2.0. {}\n\n## Texts\n\n\
         Of a crate with a choice of licences, this is the text of the MIT licence.\n",
        sdk.dependencies
    );
    for (text, names) in owners {
        let _ = write!(document, "\n### {}\n\n```text\n{text}\n```\n", names.join(", "));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_name_what_is_compiled() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        for (path, document) in documents(&project).expect("write the documents") {
            let committed = fs::read_to_string(project.root().join(&path)).unwrap_or_default();
            assert!(committed == document, "{path} is out of date: run `cargo xtask codegen`");
        }
    }

    #[test]
    fn every_crate_has_a_text() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        for (path, document) in documents(&project).expect("write the documents") {
            let (table, texts) = document.split_once("## Texts").expect("texts");
            let crates = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
            let crates: Vec<_> = crates.filter(|name| *name != "crate" && !name.starts_with('-')).collect();
            assert!(crates.len() > 15, "{path}: {crates:?}");
            for name in crates {
                assert!(texts.contains(name), "{path}: no text for {name}");
            }
        }
    }
}
