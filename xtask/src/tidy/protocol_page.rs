//! The protocol page must have a section for every error code and every close code.

use super::{Finding, tree::Tree};

const PAGE: &str = "docs/protocol.md";
const ERROR_CODES: &str = "protocol/src/error_code.rs";
const CLOSE_CODES: &str = "protocol/src/close_code.rs";

/// Finds codes without a section on the protocol page.
pub(super) fn explains_every_code(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else {
        return vec![Finding::new(PAGE, 0, "the page is missing: `cargo xtask codegen` writes it")];
    };
    let codes = codes(tree, ERROR_CODES, is_error_code).into_iter().chain(codes(tree, CLOSE_CODES, is_close_code));
    let unexplained = codes.filter(|(_, _, code)| !headings(page).any(|heading| mentions(heading, code)));
    unexplained
        .map(|(path, line, code)| Finding::new(path, line, format!("{PAGE} has no section for `{code}`")))
        .collect()
}

/// Returns the path, line and code of lines such as `Forbidden = "forbidden",` and
/// `NORMAL = 1000 => Reconnect::Backoff,`.
fn codes(tree: &Tree, path: &'static str, is_code: fn(&str) -> bool) -> Vec<(&'static str, usize, String)> {
    let lines = tree.text(path).unwrap_or_default().lines().enumerate();
    let code = |line: &str| {
        let (_, value) = line.trim().strip_suffix(',')?.split_once(" = ")?;
        let value = value.split_once(" => ").map_or(value, |(code, _advice)| code);
        is_code(value).then(|| value.trim_matches('"').to_owned())
    };
    lines.filter_map(|(index, line)| code(line).map(|code| (path, index + 1, code))).collect()
}

fn is_error_code(value: &str) -> bool {
    value.len() > 2 && value.starts_with('"') && value.ends_with('"')
}

fn is_close_code(value: &str) -> bool {
    value.len() == 4 && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn headings(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.starts_with('#'))
}

fn mentions(heading: &str, code: &str) -> bool {
    heading.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERRORS: &str = "open_enum! {\n    pub enum ErrorCode {\n        /// Text.\n        Forbidden = \"forbidden\",\n        Internal = \"internal\",\n    }\n}\n";
    const CLOSES: &str =
        "close_codes! {\n    NORMAL = 1000 => Reconnect::Backoff,\n    GOING_AWAY = 1001 => Reconnect::AtOnce,\n}\n";

    #[test]
    fn finds_code_without_section() {
        let page = "# Errors\n### `forbidden`\ninternal\n# Closes\n### 1000 normal\n";
        let findings = explains_every_code(&Tree::of(&[(PAGE, page), (ERROR_CODES, ERRORS), (CLOSE_CODES, CLOSES)]));
        let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
        assert_eq!(places, [(ERROR_CODES, 5), (CLOSE_CODES, 3)]);
    }

    #[test]
    fn finds_missing_page() {
        let findings = explains_every_code(&Tree::of(&[(ERROR_CODES, ERRORS)]));
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn reads_codes_from_current_sources() {
        let tree = Tree::of(&[
            (ERROR_CODES, include_str!("../../../protocol/src/error_code.rs")),
            (CLOSE_CODES, include_str!("../../../protocol/src/close_code.rs")),
        ]);
        let errors = codes(&tree, ERROR_CODES, is_error_code);
        assert!(errors.iter().any(|(_, _, code)| code == "unknown_service"), "{errors:?}");
        let closes = codes(&tree, CLOSE_CODES, is_close_code);
        assert!(closes.iter().any(|(_, _, code)| code == "4508"), "{closes:?}");
    }
}
