//! The identity of the data file, to detect that it was replaced, and its access rights.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Only the owner may read and write a data file, because it contains messages of users.
#[cfg(unix)]
const MODE: u32 = 0o600;

/// The device and inode of a file. On systems without them all files count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// Returns the identity of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Returns the identity of the file at a path, or `None` if there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
impl From<&std::fs::Metadata> for Identity {
    fn from(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }
}

#[cfg(not(unix))]
impl From<&std::fs::Metadata> for Identity {
    fn from(_: &std::fs::Metadata) -> Self {
        Self(0, 0)
    }
}

/// Opens a data file, or creates one that only its owner can read, regardless of the umask.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = private(options.create_new(true)).open(path);
            match file {
                // Another process created it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    OpenOptions::new().read(true).write(true).open(path)
                }
                made => made,
            }
        }
        opened => opened,
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, MODE)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Returns a warning if other users can read the file.
#[cfg(unix)]
pub fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & !MODE != 0).then(|| {
        let path = path.display();
        format!("{path} can be used by other users (mode {mode:04o}); run `chmod 600 {path}`")
    })
}

/// Returns a warning if other users can read the file.
#[cfg(not(unix))]
pub fn exposure(_: &Path) -> Option<String> {
    None
}
