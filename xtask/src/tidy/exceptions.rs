//! Exceptions: no test is ignored, and every disabled lint has a reason.

use super::{Finding, code::code_only, tree::Tree};

/// Finds ignored tests, and disabled lints without a reason.
pub(super) fn reasons(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_only(&file.text);
        for (at, attribute) in attributes(&code) {
            let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
            let name = attribute.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let what = match name {
                "ignore" => "an ignored test checks nothing: fix it or remove it",
                "allow" | "expect" if !attribute.contains("reason") => "a disabled lint needs a `reason = …`",
                _ => continue,
            };
            findings.push(Finding::new(&file.path, line, what));
        }
    }
    findings
}

/// Returns the position and content of each `#[…]` and `#![…]`; an attribute inside `cfg_attr` counts separately.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = code.match_indices("#[").chain(code.match_indices("#!["));
    starts.flat_map(|(at, opening)| {
        let content = code.get(at + opening.len()..).unwrap_or_default();
        let content = up_to_closing_bracket(content).trim_start();
        let conditional = content.strip_prefix("cfg_attr(").and_then(|it| it.split_once(',')).map(|(_, it)| it.trim());
        std::iter::once((at, content)).chain(conditional.map(|inner| (at, inner)))
    })
}

/// Returns the text up to the bracket that closes the one before the text.
fn up_to_closing_bracket(text: &str) -> &str {
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
    fn finds_exception_without_reason() {
        let text = "#![allow(missing_docs)]\n\n#[expect(clippy::panic)]\nfn f() {}\n#[cfg_attr(test, allow(dead_code))]\nfn g() {}\n";
        assert_eq!(lines(text), [1, 3, 5]);
    }

    #[test]
    fn accepts_exception_with_reason() {
        let text = "#[expect(\n    clippy::panic,\n    reason = \"it says why [and how]\"\n)]\nfn f() {}\n// #[allow(dead_code)]\n";
        assert_eq!(lines(text), [0; 0]);
    }

    #[test]
    fn finds_ignored_test_with_or_without_reason() {
        assert_eq!(lines("#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n"), [2, 5]);
    }
}
