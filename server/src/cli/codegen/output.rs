//! Writes generated files, each as a whole, or compares them with those that exist.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use gateway_codegen::GeneratedFile;

use crate::config::hexadecimal;

/// Writes the files, and returns their paths, one in a line. A failure leaves the files that exist as they are.
///
/// # Errors
/// When the folder or a file cannot be written.
pub(super) fn write(folder: &Path, files: &[GeneratedFile]) -> anyhow::Result<String> {
    check_folder(folder)?;
    fs::create_dir_all(folder).with_context(|| {
        format!("{} cannot be created; give --out a folder that this user can write", folder.display())
    })?;
    let files = files.iter().map(|file| TemporaryFile::write(folder, file)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut written = String::new();
    for file in files {
        written.push_str(&format!("{}\n", file.target.display()));
        file.replace()?;
    }
    Ok(written)
}

/// Returns what is wrong with each file that is missing or has other content.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn differences(folder: &Path, files: &[GeneratedFile]) -> anyhow::Result<Vec<String>> {
    check_folder(folder)?;
    let mut differences = Vec::new();
    for file in files {
        let path = folder.join(&file.name);
        match fs::read(&path) {
            Ok(content) if content == file.content.as_bytes() => {}
            Ok(_) => differences.push(format!("{} differs from the contracts", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(format!("{} does not exist", path.display()));
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("{} cannot be read; let this user read it, or give another --out", path.display())
                });
            }
        }
    }
    Ok(differences)
}

fn check_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        bail!("{} is a file: --out takes a folder", folder.display());
    }
    Ok(())
}

/// A generated file under a temporary name next to its target. It is removed unless it has replaced the target.
struct TemporaryFile {
    path: PathBuf,
    target: PathBuf,
}

impl TemporaryFile {
    fn write(folder: &Path, file: &GeneratedFile) -> anyhow::Result<Self> {
        let target = folder.join(&file.name);
        // A rename would replace a symbolic link instead of the file that it leads to.
        let place = fs::canonicalize(&target).unwrap_or_else(|_| target.clone());
        let path = place.with_file_name(format!(".{}.{}.tmp", file.name, hexadecimal::<8>()?));
        let temporary = Self { path, target };
        let written = File::create_new(&temporary.path).and_then(|mut created| {
            created.write_all(file.content.as_bytes())?;
            created.sync_all()
        });
        written.with_context(|| temporary.problem())?;
        Ok(temporary)
    }

    /// Replaces the target.
    fn replace(self) -> anyhow::Result<()> {
        let place = fs::canonicalize(&self.target).unwrap_or_else(|_| self.target.clone());
        fs::rename(&self.path, place).with_context(|| self.problem())
    }

    fn problem(&self) -> String {
        format!("{} cannot be written; give --out a folder that this user can write", self.target.display())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // After a successful rename there is no such file.
        let _ = fs::remove_file(&self.path);
    }
}
