//! Layers: each module of the server imports only modules in the layers below it (ARCHITECTURE.md, layers), so there
//! are no cycles.

use super::{
    Finding,
    code::code_only,
    tree::{File, Tree},
};

/// The folder whose modules are layered.
const ROOT: &str = "server/src/";

/// The modules of the server, from the top layer to the bottom layer.
const LAYERS: [&str; 25] = [
    "cli",
    "gateway",
    "edge",
    "http",
    "cluster",
    "commands",
    "session",
    "delivery",
    "node",
    "webhooks",
    "bus",
    "ids",
    "confirmation",
    "metrics",
    "auth",
    "command_error",
    "backend",
    "json_object",
    "store",
    "telemetry",
    "config",
    "runtime",
    "crypto",
    "topic",
    "lib",
];

/// Finds imports that go up the layers, and modules without a layer.
pub(super) fn go_down(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !is_test(&file.path)) {
        let Some(module) = file.path.strip_prefix(ROOT).map(module_of).filter(|module| *module != "main") else {
            continue;
        };
        let Some(own) = layer(module) else {
            findings.push(Finding::new(&file.path, 0, format!("`{module}` has no layer: add it to tidy/layers.rs")));
            continue;
        };
        if module == "lib" {
            continue;
        }
        for (line, used) in uses(file) {
            if layer(&used).is_some_and(|used| used < own) {
                let what = format!("`{module}` uses `{used}`, which is a layer above it (ARCHITECTURE.md, layers)");
                findings.push(Finding::new(&file.path, line, what));
            }
        }
    }
    findings
}

/// Returns the top-level module of a file, given its path below the root.
fn module_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Returns the position of a module in the order; the top layer is 0.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// Returns the lines and names of the top-level modules that a file imports with `crate::`.
fn uses(file: &File) -> Vec<(usize, String)> {
    let code = code_only(&file.text);
    // Unit tests may import every module.
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut uses = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let line = code.get(..at).unwrap_or_default().lines().count().max(1);
        let rest = code.get(at + path.len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => uses.extend(names_of_group(group).into_iter().map(|(down, name)| (line + down, name))),
            None => uses.push((line, identifier(rest).to_owned())),
        }
    }
    uses
}

/// Returns the first name of each item in a `use` group after its opening brace, with its line relative to the brace.
fn names_of_group(group: &str) -> Vec<(usize, String)> {
    let (mut names, mut depth, mut lines, mut starts) = (Vec::new(), 0_u32, 0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            '\n' => lines += 1,
            _ if starts && depth == 0 && !character.is_whitespace() => {
                names.push((lines, identifier(group.get(at..).unwrap_or_default()).to_owned()));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Returns whether the file contains only tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/conformance")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        go_down(&Tree::of(files)).into_iter().map(|finding| (finding.path, finding.line)).collect()
    }

    #[test]
    fn finds_import_of_higher_layer() {
        let up = "//! Up.\n\nuse crate::{\n    auth::Identity,\n    edge::{accept, connection},\n};\n";
        let path = "//! Up.\n\nfn f() {\n    crate::http::routes();\n}\n";
        let down = "//! Down.\n\nuse crate::{auth::Identity, session::Session};\n";
        let found =
            lines(&[("server/src/session.rs", up), ("server/src/bus/embedded.rs", path), ("server/src/http.rs", down)]);
        assert_eq!(found, [("server/src/session.rs".to_owned(), 5), ("server/src/bus/embedded.rs".to_owned(), 4)]);
    }

    #[test]
    fn ignores_comments_and_tests() {
        let comment = "//! See crate::edge.\n\n// crate::edge::accept\nfn f() {}\n";
        let test = "//! Tested.\n\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::edge::accept;\n}\n";
        let files = [("server/src/auth.rs", comment), ("server/src/bus.rs", test), ("server/src/node/tests.rs", test)];
        assert!(lines(&files).is_empty());
    }

    #[test]
    fn finds_module_without_layer() {
        assert_eq!(lines(&[("server/src/manager.rs", "//! New.\n")]), [("server/src/manager.rs".to_owned(), 0)]);
    }
}
