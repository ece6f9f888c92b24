//! Links in documents: a relative link must lead to an existing file or directory.

use super::{Finding, tree::Tree};

/// Finds relative links without a target.
pub(super) fn have_targets(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut in_code = false;
        for (index, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            let dead = targets(line).filter(|target| !in_code && !has_target(tree, folder, target));
            findings.extend(dead.map(|target| {
                Finding::new(&file.path, index + 1, format!("the target of the link does not exist: {target}"))
            }));
        }
    }
    findings
}

/// Returns the targets of the links `[…](…)` in a line, without titles.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

fn has_target(tree: &Tree, folder: &str, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    // An anchor of the same page, another site, or a path of the running gateway.
    if path.is_empty() || path.contains(':') || path.starts_with('/') {
        return true;
    }
    resolve(folder, path).is_some_and(|path| tree.has(&path))
}

/// Resolves a path to one relative to the root, or `None` if it leaves the project.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_dead_links() {
        let readme = "[a](docs/a.md) [b](docs/b.md#part \"title\") [gone](docs/gone.md)\n\
                      ![picture](docs/p.png)\n\
                      ```rust\nlet x = list[0](docs/code.md);\n```\n";
        let page =
            "[up](../README.md) [out](../../elsewhere.md)\n[web](https://example.com/x) [here](#part) [live](/docs)\n";
        let tree = Tree::of(&[("README.md", readme), ("docs/a.md", page), ("docs/b.md", "")]);
        let findings = have_targets(&tree);
        let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line, it.what.as_str())).collect();
        assert_eq!(
            places,
            [
                ("README.md", 1, "the target of the link does not exist: docs/gone.md"),
                ("README.md", 2, "the target of the link does not exist: docs/p.png"),
                ("docs/a.md", 1, "the target of the link does not exist: ../../elsewhere.md"),
            ]
        );
    }
}
