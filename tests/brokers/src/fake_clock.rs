//! A wall clock that a test sets, for a process that runs under libfaketime. The monotonic clock stays as it is.
//!
//! libfaketime hangs in programs with jemalloc, so Redis gets a library of a few lines instead (`fake_clock.c`).

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A wall clock that is ahead of that of the machine, or behind it.
#[derive(Debug)]
pub struct FakeClock(TempDir);

impl FakeClock {
    /// A clock that is right.
    ///
    /// # Panics
    /// When there is no folder for its file.
    pub fn right() -> Self {
        let clock = Self(tempfile::tempdir().unwrap());
        clock.set("+0");
        clock
    }

    /// Sets the difference to the clock of the machine, such as `+8d`, `-1h` or `+0`.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, difference: &str) {
        // Not in place: the process reads the file at any time.
        let new = self.0.path().join("new");
        fs::write(&new, format!("{difference}\n")).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    /// The variables that have a process use it.
    ///
    /// # Panics
    /// When libfaketime is not installed; `apt-get install faketime` brings it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let library = library().unwrap_or_else(|| panic!("libfaketime is missing: apt-get install faketime"));
        let variables = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("FAKETIME_DISABLE_SHM", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The same for a program with jemalloc. It is compiled by the C compiler that building the gateway needs anyway.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn environment_of_redis(&self) -> Vec<(String, String)> {
        let (source, library) = (self.0.path().join("fake_clock.c"), self.0.path().join("fake_clock.so"));
        fs::write(&source, include_str!("fake_clock.c")).unwrap();
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output().unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let variables = [("LD_PRELOAD", library), ("FAKETIME_TIMESTAMP_FILE", self.file())];
        variables.map(|(name, path)| (name.to_owned(), path.display().to_string())).into()
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("difference")
    }
}

/// Where Debian installs the library for programs with threads: in the folder of the machine's architecture.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|folder| folder.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}
