//! Manifests: every package of the workspace takes the workspace's lints.

use super::{Finding, tree::Tree};

/// A package without `[lints] workspace = true` would escape every lint without anyone noticing.
pub(super) fn share_the_lints(tree: &Tree) -> Vec<Finding> {
    let packages = tree.with_extension("toml").filter(|file| {
        // Fuzz targets form a workspace of their own.
        file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/") && file.text.contains("[package]")
    });
    packages
        .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
        .map(|file| {
            Finding::new(&file.path, 0, "the package takes the workspace's lints: `[lints]` `workspace = true`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_the_lints_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
            ("fuzz/Cargo.toml", "[package]\nname = \"fuzz\"\n"),
        ]);
        let paths: Vec<_> = share_the_lints(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b/Cargo.toml"]);
    }
}
