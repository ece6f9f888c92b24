//! The code map: each path and each test that ARCHITECTURE.md names in backticks exists, and it names each folder. The
//! paths of docs/decisions are checked too.

use std::collections::BTreeSet;

use super::{
    Finding,
    tree::{File, Tree},
};

/// The code map.
const MAP: &str = "ARCHITECTURE.md";
/// Other pages whose paths are checked.
const DECISIONS: &str = "docs/decisions/";

/// Endings by which a name in backticks is known to be a path.
const ENDINGS: [&str; 19] = [
    "/", ".rs", ".lua", ".json", ".jsonl", ".toml", ".js", ".mjs", ".ts", ".py", ".md", ".yml", ".yaml", ".sh", ".css",
    ".html", ".redb", ".txt", ".example",
];

/// Finds paths and tests that do not exist. A path may begin anywhere in the tree: `commands/clan_chat.rs` is in
/// `server/src`. A test is named by its file and its function: `hub/tests.rs::delivers_all_entries`.
pub(super) fn names_existing_paths(tree: &Tree) -> Vec<Finding> {
    let pages = tree.with_extension("md").filter(|file| file.path == MAP || file.path.starts_with(DECISIONS));
    let mut findings = Vec::new();
    for page in pages {
        for (index, line) in page.text.lines().enumerate() {
            let mut report = |what| findings.push(Finding::new(&page.path, index + 1, what));
            for name in code_spans(line) {
                if let Some((file, test)) = name.split_once("::").filter(|(file, _)| file.ends_with(".rs")) {
                    if !has_function(tree, file, test) {
                        report(format!("no such test: {name}"));
                    }
                } else if is_path(name, page.path == MAP) && files_at(tree, name).next().is_none() {
                    report(format!("no such path: {name}"));
                }
            }
        }
    }
    findings
}

/// Finds folders that the code map does not name: those of the root, those in them, and those in each `src`.
pub(super) fn names_every_folder(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.text(MAP) else { return vec![Finding::new(MAP, 0, "the code map is missing")] };
    let named: BTreeSet<&str> = map.lines().flat_map(code_spans).filter_map(|name| name.strip_suffix('/')).collect();
    // Hidden folders belong to tools, and those of editors are not ours.
    let files = tree.files().iter().filter(|file| !file.path.starts_with('.'));
    let folders: BTreeSet<&str> = files.flat_map(|file| folders_of(&file.path)).collect();
    // A folder is named by its whole path, or by the end of it.
    let is_named = |folder: &str| named.iter().any(|name| ends_with_path(folder, name));
    let missing = folders.into_iter().filter(|folder| !is_named(folder));
    missing.map(|folder| Finding::new(MAP, 0, format!("the code map does not name the folder `{folder}/`"))).collect()
}

/// Returns the folders of a path that the code map has to name.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let is_source = path.split('/').nth(1) == Some("src");
    let depth = if is_source { 3 } else { 2 };
    path.match_indices('/').take(depth).filter_map(move |(at, _)| path.get(..at))
}

/// Returns the texts in backticks in a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Returns whether a text in backticks is a path. In the code map every name with a `/` is one.
fn is_path(name: &str, is_map: bool) -> bool {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let looks_like_a_path = ENDINGS.iter().any(|ending| name.ends_with(ending)) || (is_map && name.contains('/'));
    // `/health` is a path of the running gateway, and `.rs` an ending.
    is_plain && looks_like_a_path && !name.starts_with('/') && !ENDINGS.contains(&name)
}

/// Returns whether a file at this path has a function of this name.
fn has_function(tree: &Tree, path: &str, name: &str) -> bool {
    files_at(tree, path).any(|file| file.text.contains(&format!("fn {name}(")))
}

/// Returns the files at a path, or below it, wherever it begins in the tree.
fn files_at<'a>(tree: &'a Tree, path: &'a str) -> impl Iterator<Item = &'a File> {
    let path = path.trim_end_matches('/');
    tree.files().iter().filter(move |file| {
        file.path.match_indices(path).any(|(at, _)| {
            let before = file.path.get(..at).unwrap_or_default();
            let after = file.path.get(at + path.len()..).unwrap_or_default();
            (before.is_empty() || before.ends_with('/')) && (after.is_empty() || after.starts_with('/'))
        })
    })
}

/// Returns whether a path is this name, or ends with it after a `/`.
fn ends_with_path(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(findings: Vec<Finding>) -> Vec<(String, usize, String)> {
        findings.into_iter().map(|it| (it.path, it.line, it.what)).collect()
    }

    fn finding(path: &str, line: usize, what: &str) -> (String, usize, String) {
        (path.to_owned(), line, what.to_owned())
    }

    #[test]
    fn finds_paths_that_do_not_exist() {
        let map = "`server/src/hub.rs` and `hub/` and `gone.rs`, `cargo xtask dev`, `/health`, `b.redb`\n\
                   `old/` and `server/tests/fixtures` and `server/src`\n";
        let decision = "`text/plain` is no path, `lost.md` is one\n";
        let tree = Tree::of(&[
            (MAP, map),
            ("docs/decisions/a.md", decision),
            ("server/src/hub.rs", ""),
            ("server/src/hub/reader.rs", ""),
        ]);
        assert_eq!(
            found(names_existing_paths(&tree)),
            [
                finding(MAP, 1, "no such path: gone.rs"),
                finding(MAP, 1, "no such path: b.redb"),
                finding(MAP, 2, "no such path: old/"),
                finding(MAP, 2, "no such path: server/tests/fixtures"),
                finding("docs/decisions/a.md", 1, "no such path: lost.md"),
            ]
        );
    }

    #[test]
    fn finds_tests_that_do_not_exist() {
        let map = "`hub/tests.rs::delivers_all` and `hub/tests.rs::delivers` and `hub/gone.rs::delivers_all`\n\
                   `service::Service`\n";
        let tree = Tree::of(&[(MAP, map), ("server/src/hub/tests.rs", "async fn delivers_all() {}\n")]);
        assert_eq!(
            found(names_existing_paths(&tree)),
            [
                finding(MAP, 1, "no such test: hub/tests.rs::delivers"),
                finding(MAP, 1, "no such test: hub/gone.rs::delivers_all"),
            ]
        );
    }

    #[test]
    fn finds_folders_that_the_map_does_not_name() {
        let map = "`server/`, `server/src/`, `edge/`, `tests/`\n";
        let tree = Tree::of(&[
            (MAP, map),
            ("server/src/edge/accept/tls.rs", ""),
            ("server/src/ledge/a.rs", ""),
            ("server/tests/cli/check.rs", ""),
            ("tests/src/lib.rs", ""),
        ]);
        assert_eq!(
            found(names_every_folder(&tree)),
            [
                finding(MAP, 0, "the code map does not name the folder `server/src/ledge/`"),
                finding(MAP, 0, "the code map does not name the folder `tests/src/`"),
            ]
        );
    }
}
