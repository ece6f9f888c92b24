//! The project's source tree, as the style rules read it.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Directories without our own source: build output, data, dependencies and generated files.
const FOREIGN: [&str; 9] =
    ["target", "data", "test-output", "node_modules", "vendor", "generated", "pkg", "dist", "corpus"];

/// Extensions of files whose text is read: sources, documents, manifests and configurations.
const READ: [&str; 13] = ["rs", "md", "toml", "lua", "js", "mjs", "ts", "py", "html", "css", "yml", "yaml", "sh"];

/// The source files of the project.
pub(super) struct Tree {
    files: Vec<File>,
}

/// One file.
pub(super) struct File {
    /// The path relative to the root, with `/` as separator.
    pub(super) path: String,
    /// The content; empty for files with other extensions, of which only the existence matters.
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

    /// Returns all files, sorted by path.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Returns the Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.with_extension("rs")
    }

    /// Returns the files with this extension.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.rsplit_once('.').is_some_and(|(_, it)| it == extension))
    }

    /// Returns the text of a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Returns whether a path is a file, or a directory that contains a file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| {
            file.path.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Creates a tree from paths and texts.
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
    fn skips_directories_without_own_source() {
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
    fn has_directories_but_not_prefixes_of_names() {
        let tree = Tree::of(&[("docs/protocol.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/protocol.md") && tree.has(""));
        assert!(!tree.has("doc") && !tree.has("docs/protocol"));
    }
}
