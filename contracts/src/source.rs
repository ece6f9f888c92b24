//! A file of a contract: its text, and errors that name a line of it.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::ContractError;

/// A file whose text is in memory.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl SourceFile {
    /// Reads a file of at most `max_bytes` bytes.
    pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<Self, ContractError> {
        let refuse = |problem: String| ContractError { file: path.to_owned(), line: None, key: None, problem };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        // One byte more shows that the file is too large, without reading all of it.
        let read = file.take(max_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|error| refuse(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > max_bytes {
            return Err(refuse(format!("is over {} KiB, the maximum of a contract file or schema", max_bytes / 1024)));
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8".into()))?;
        Ok(Self { path: path.to_owned(), text: text.trim_start_matches('\u{feff}').to_owned() })
    }

    /// Returns the line of an offset in bytes, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Returns an error at an offset of the text.
    pub(crate) fn error(&self, offset: usize, key: impl Into<Option<String>>, problem: String) -> ContractError {
        self.error_in_line(self.line(offset), key, problem)
    }

    /// Returns an error in a line of the text.
    pub(crate) fn error_in_line(&self, line: usize, key: impl Into<Option<String>>, problem: String) -> ContractError {
        ContractError { file: self.path.clone(), line: Some(line), key: key.into(), problem }
    }
}
