//! The files of the demo, from the binary or from a directory.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;

/// The file types that are served. The directory also contains others, such as WebAssembly that the SDK's scripts embed
/// anyway.
const SERVED: [&str; 4] = ["html", "css", "js", "svg"];

/// Files by their relative paths, with `/` as the separator.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "build.rs chooses one of the two, by the profile"))]
pub(super) enum Files {
    /// Files embedded in the binary.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// A directory that is read for each request.
    Folder(&'static str),
}

impl Files {
    /// Returns the content of a file.
    pub(super) fn get(&self, path: &str) -> Option<Bytes> {
        match self {
            Self::Embedded(files) => {
                let (_, bytes) = files.iter().find(|(name, _)| *name == path)?;
                Some(Bytes::from_static(bytes))
            }
            // Blocks briefly, which is acceptable in a development build.
            Self::Folder(folder) => fs::read(below(folder, path)?).ok().map(Bytes::from),
        }
    }

    /// Returns whether the file exists.
    pub(super) fn has(&self, path: &str) -> bool {
        match self {
            Self::Embedded(files) => files.iter().any(|(name, _)| *name == path),
            Self::Folder(folder) => below(folder, path).is_some_and(|file| file.is_file()),
        }
    }
}

/// Returns the content of a file that may be missing.
pub(super) fn text(path: &str) -> Option<Bytes> {
    fs::read(path).ok().map(Bytes::from)
}

/// Returns the path of a served file. Returns `None` for paths that would leave the directory.
fn below(folder: &str, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path);
    let stays_below = relative.components().all(|part| matches!(part, Component::Normal(_))) && !path.contains('\\');
    let is_served = relative.extension().is_some_and(|extension| SERVED.iter().any(|served| extension == *served));
    (stays_below && is_served).then(|| Path::new(folder).join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMBEDDED: Files = Files::Embedded(&[("index.html", b"<html>"), ("parts/a.js", b"1")]);

    #[test]
    fn finds_embedded_files_by_their_full_path() {
        assert_eq!(EMBEDDED.get("parts/a.js"), Some(Bytes::from("1")));
        assert!(EMBEDDED.has("index.html") && !EMBEDDED.has("index"));
        assert_eq!(EMBEDDED.get("a.js"), None);
    }

    #[test]
    fn reads_the_directory_for_each_request_and_never_leaves_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("pkg");
        let files = Files::Folder(folder.display().to_string().leak());
        assert!(!files.has("index.js") && files.get("index.js").is_none(), "the directory does not exist yet");
        fs::create_dir_all(folder.join("parts")).unwrap();
        for (path, content) in
            [("pkg/index.js", "1"), ("pkg/parts/a.js", "2"), ("pkg/secret.txt", "3"), ("out.js", "4")]
        {
            fs::write(parent.path().join(path), content).unwrap();
        }
        assert!(files.has("index.js"));
        assert_eq!(files.get("parts/a.js"), Some(Bytes::from("2")));
        fs::write(folder.join("index.js"), "changed").unwrap();
        assert_eq!(files.get("index.js"), Some(Bytes::from("changed")));
        let outside = parent.path().join("out.js").display().to_string();
        for path in
            ["../out.js", "parts/../../out.js", &outside, "secret.txt", "parts", "", ".", "..\\out.js", "index.js/"]
        {
            let found = files.get(path);
            assert!(found.is_none() || path == "index.js/", "{path}: {found:?}");
        }
    }
}
