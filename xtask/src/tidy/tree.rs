//! The project's text files, as the rules look at them.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Directories that hold nothing written by us: build output, data, what others wrote and what machines wrote.
const FOREIGN: [&str; 9] =
    ["target", "data", "test-output", "node_modules", "vendor", "generated", "pkg", "dist", "corpus"];

/// What the rules read: Rust, documents and manifests.
const READ: [&str; 3] = ["rs", "md", "toml"];

/// The files of the project that somebody wrote.
pub(super) struct Tree {
    files: Vec<File>,
}

/// One file.
pub(super) struct File {
    /// From the root, with `/` between the parts.
    pub(super) path: String,
    /// What stands in it; empty for a file of another kind, which is only known to exist.
    pub(super) text: String,
}

impl Tree {
    /// Reads the tree below `root`.
    ///
    /// # Errors
    /// If a directory or a file cannot be read.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        walk(root, "", &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { files })
    }

    /// Every file, by path.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.with_extension("rs")
    }

    /// Files whose name ends in this extension.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.rsplit_once('.').is_some_and(|(_, it)| it == extension))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Whether this is a file, or a directory with a file in it.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| {
            file.path.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// A tree made of paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }
}

fn walk(directory: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    let reading = || format!("read {}", directory.display());
    for entry in fs::read_dir(directory).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type().with_context(reading)?.is_dir() {
            if name != ".git" && !FOREIGN.contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
            continue;
        }
        let is_read = Path::new(&name).extension().is_some_and(|extension| READ.iter().any(|read| extension == *read));
        let text = if is_read {
            fs::read_to_string(entry.path()).with_context(|| format!("read {path}"))?
        } else {
            String::new()
        };
        files.push(File { path, text });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_left_out() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for path in
            ["src/lib.rs", "target/debug/build.rs", "web/node_modules/a/README.md", "vendor/a/lib.rs", "logo.png"]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a directory")).expect("create the directory");
            fs::write(path, [0xff; 4].map(|byte| byte & b'a')).expect("write the file");
        }
        let tree = Tree::read(root.path()).expect("read the tree");
        let paths: Vec<_> = tree.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["logo.png", "src/lib.rs"]);
    }

    #[test]
    fn directories_are_there_and_beginnings_of_names_are_not() {
        let tree = Tree::of(&[("docs/protocol.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/protocol.md") && tree.has(""));
        assert!(!tree.has("doc") && !tree.has("docs/protocol"));
    }
}
