//! Writes `SHA256SUMS`, the checksums of all artefacts in the format of `sha256sum --check`.

use std::{fs, path::Path};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// The name of the list.
const LIST: &str = "SHA256SUMS";

/// Writes the list for every file of a folder, and returns their names and its own.
///
/// # Errors
/// If a file cannot be read, or the list not written.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != LIST {
            names.push(name);
        }
    }
    names.sort();
    let mut list = String::new();
    for name in &names {
        let content = fs::read(folder.join(name)).with_context(|| format!("read {name}"))?;
        list += &format!("{}  {name}\n", hexadecimal(&content));
    }
    fs::write(folder.join(LIST), list).with_context(|| format!("write {LIST}"))?;
    names.push(LIST.to_owned());
    Ok(names)
}

/// Returns the SHA-256 of some bytes, as hexadecimal text.
pub(crate) fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::command;

    #[test]
    fn sha256sum_finds_each_file_as_it_was_and_notices_a_change() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in [("b.tar.gz", "b"), ("a.crate", "a")] {
            fs::write(folder.path().join(name), content).expect("write the file");
        }
        assert_eq!(write(folder.path()).expect("write the list"), ["a.crate", "b.tar.gz", LIST]);
        assert_eq!(write(folder.path()).expect("write it again"), ["a.crate", "b.tar.gz", LIST]);
        let check = || {
            command::succeeds(Command::new("sha256sum").args(["--check", "--strict", LIST]).current_dir(folder.path()))
        };
        assert!(check());
        fs::write(folder.path().join("a.crate"), "changed").expect("write the file");
        assert!(!check());
    }
}
