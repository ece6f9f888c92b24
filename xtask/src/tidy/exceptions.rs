//! Exceptions: no test is ignored, and a lint that is switched off says why.

use super::{Finding, code::code_only, tree::Tree};

/// Every exception has its reason beside it, and ignored tests are none.
pub(super) fn reasons(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_only(&file.text);
        for (at, attribute) in attributes(&code) {
            let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
            let name = attribute.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let what = match name {
                "ignore" => "a test that is ignored shows nothing: mend it or remove it",
                "allow" | "expect" if !attribute.contains("reason") => "a lint that is switched off has a `reason = …`",
                _ => continue,
            };
            findings.push(Finding::new(&file.path, line, what));
        }
    }
    findings
}

/// What stands in `#[…]` and `#![…]`, each with where it begins; one inside `cfg_attr` counts for itself.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = code.match_indices("#[").chain(code.match_indices("#!["));
    starts.flat_map(|(at, opening)| {
        let content = code.get(at + opening.len()..).unwrap_or_default();
        let content = up_to_its_bracket(content).trim_start();
        let conditional = content.strip_prefix("cfg_attr(").and_then(|it| it.split_once(',')).map(|(_, it)| it.trim());
        std::iter::once((at, content)).chain(conditional.map(|inner| (at, inner)))
    })
}

/// The text before the bracket that closes what was opened before it.
fn up_to_its_bracket(text: &str) -> &str {
    let mut depth = 1_u32;
    let end = text.find(|c| {
        depth = match c {
            '[' => depth + 1,
            ']' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut lines: Vec<_> = reasons(&Tree::of(&[("a.rs", text)])).iter().map(|finding| finding.line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_bare_exception_is_found() {
        let text = "#![allow(missing_docs)]\n\n#[expect(clippy::panic)]\nfn f() {}\n#[cfg_attr(test, allow(dead_code))]\nfn g() {}\n";
        assert_eq!(lines(text), [1, 3, 5]);
    }

    #[test]
    fn an_exception_with_a_reason_is_none() {
        let text = "#[expect(\n    clippy::panic,\n    reason = \"it says why [and how]\"\n)]\nfn f() {}\n// #[allow(dead_code)]\n";
        assert_eq!(lines(text), [0; 0]);
    }

    #[test]
    fn an_ignored_test_is_found_with_or_without_a_reason() {
        assert_eq!(lines("#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n"), [2, 5]);
    }
}
