//! Manifests: every package of the workspace inherits the workspace's lints.

use super::{Finding, tree::Tree};

/// The packages that may contain unsafe code because they are a foreign interface. The workspace forbids unsafe code, so
/// these packages repeat the workspace's lints with that one changed to `deny`.
const FOREIGN_INTERFACES: [&str; 3] = ["sdk-c/Cargo.toml", "sdk-python/Cargo.toml", "sdk-wasm/Cargo.toml"];

/// Finds packages without `[lints] workspace = true`, to which no lint would apply.
pub(super) fn inherit_lints(tree: &Tree) -> Vec<Finding> {
    let packages = tree.with_extension("toml").filter(|file| {
        // The fuzz targets and the project of the step `install` are separate workspaces.
        let is_separate = ["fuzz/", "tests/fixtures/install/"].iter().any(|folder| file.path.starts_with(folder));
        file.path.ends_with("/Cargo.toml") && !is_separate && file.text.contains("[package]")
    });
    packages
        .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
        .filter(|file| !FOREIGN_INTERFACES.contains(&file.path.as_str()) || !has_the_same_lints(tree, &file.text))
        .map(|file| {
            Finding::new(
                &file.path,
                0,
                "the package does not inherit the workspace's lints: add `[lints]` with `workspace = true`",
            )
        })
        .collect()
}

/// Returns whether a manifest contains every lint of the workspace, with `forbid` replaced by `deny`.
fn has_the_same_lints(tree: &Tree, manifest: &str) -> bool {
    let workspace = tree.with_extension("toml").find(|file| file.path == "Cargo.toml");
    let lints =
        workspace.iter().flat_map(|file| file.text.lines()).skip_while(|line| !line.starts_with("[workspace.lints"));
    let lints = lints.take_while(|line| !line.starts_with('[') || line.starts_with("[workspace.lints"));
    let mut lints = lints.filter(|line| line.contains(" = ")).map(|line| line.replace("\"forbid\"", "\"deny\""));
    lints.all(|lint| manifest.lines().any(|line| line == lint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_package_without_lints() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\n[profile.dev]\nx = 1\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
            ("sdk-wasm/Cargo.toml", "[package]\nname = \"c\"\n\n[lints.rust]\nunsafe_code = \"deny\"\n"),
            ("fuzz/Cargo.toml", "[package]\nname = \"fuzz\"\n"),
        ]);
        let paths: Vec<_> = inherit_lints(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b/Cargo.toml"]);
    }
}
