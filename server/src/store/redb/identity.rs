//! Which file stands at a path: whether it is still the one that was opened, and who may read it.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Only the owner reads and writes a data file: it holds what users wrote.
#[cfg(unix)]
const MODE: u32 = 0o600;

/// Names a file apart from its path: its device and inode. Where the system knows none, all files count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// That of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// That of whatever stands at a path; `None` when there is nothing.
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

/// Opens a data file, or makes one that only its owner can read, whatever the umask is.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = private(options.create_new(true)).open(path);
            match file {
                // Another process made it meanwhile.
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

/// Says that others can read the file, if they can.
#[cfg(unix)]
pub fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & !MODE != 0).then(|| {
        let path = path.display();
        format!("{path} can be used by other users (mode {mode:04o}); run `chmod 600 {path}`")
    })
}

/// Says that others can read the file, if they can.
#[cfg(not(unix))]
pub fn exposure(_: &Path) -> Option<String> {
    None
}
