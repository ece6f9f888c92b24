//! The licences of the crates that a program contains. Most licences require a copy of their text with the program.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use crate::metadata::{Metadata, Package, Parts};

/// How the names of files with licences and notices begin, in upper case.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// Returns all distinct texts, each with the crates to which it belongs.
///
/// # Errors
/// If the folder of a crate cannot be read.
pub(super) fn texts(metadata: &Metadata, parts: &Parts) -> anyhow::Result<String> {
    let mut packages: Vec<_> = metadata.packages.iter().collect();
    packages.retain(|package| package.is_external && parts.contained.contains(&package.id));
    packages.sort_by_key(|package| (package.name.as_str(), package.version.as_str()));
    let mut document =
        "The gateway contains these crates, under these licences. The texts that the crates come with follow \
                        after the list.\n\n"
            .to_owned();
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        // Writing to a String cannot fail.
        let _ = writeln!(document, "{name}: {}", package.license.as_deref().unwrap_or("see its text below"));
        for file in files(package)? {
            owners.entry(text(&file)?).or_default().push(name.clone());
        }
    }
    for (text, names) in owners {
        let _ = write!(document, "\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "));
    }
    Ok(document)
}

/// Returns the texts of a crate that a program with it has to show: that of the MIT licence where it is one to choose, or
/// else all.
///
/// # Errors
/// If the folder of the crate has no such file, or it cannot be read.
pub(super) fn of_package(package: &Package) -> anyhow::Result<Vec<String>> {
    let mut files = files(package)?;
    let is_mit = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("MIT"));
    if package.license.as_ref().is_some_and(|license| license.contains("MIT")) && files.iter().any(is_mit) {
        files.retain(is_mit);
    }
    ensure!(!files.is_empty(), "{} {} comes without the text of its licence", package.name, package.version);
    files.iter().map(|file| text(file)).collect()
}

/// Reads a text, without carriage returns and spaces at the ends of lines.
fn text(file: &Path) -> anyhow::Result<String> {
    let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned())
}

/// Returns the files of a crate that hold its licence or a notice.
fn files(package: &Package) -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(&package.manifest).parent().context("a manifest is in a folder")?;
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        NAMES.iter().any(|known| name.starts_with(known))
    });
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{project::Project, release::program};

    #[test]
    fn texts_name_each_crate_that_the_gateway_contains() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let metadata =
            Metadata::for_program(&project, program::PACKAGE, "x86_64-unknown-linux-musl").expect("read the metadata");
        let root = metadata.package(program::PACKAGE).expect("the gateway's package");
        let texts = texts(&metadata, &metadata.parts(&root.id)).expect("collect the texts");
        for line in ["\ntokio 1.", "\nring 0.17.", "\nredb 4."] {
            assert!(texts.contains(line), "{line}");
        }
        assert!(!texts.contains("\nproptest "), "a crate of the tests");
        assert!(texts.contains("Permission is hereby granted"), "no text of the MIT licence");
    }
}
