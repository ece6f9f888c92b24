//! The security page: every configuration key that it names exists.

use std::collections::BTreeSet;

use super::{Finding, tree::Tree};

const PAGE: &str = "SECURITY.md";
/// A generated file with every key.
const EXAMPLE: &str = "gateway.example.toml";

/// Finds keys that do not exist. Keys are recognised by their section: `` `limits.burst` `` has one of the gateway, ``
/// `deny.toml` `` does not.
pub(super) fn names_known_keys(tree: &Tree) -> Vec<Finding> {
    let (Some(page), Some(example)) = (tree.text(PAGE), tree.text(EXAMPLE)) else {
        return vec![Finding::new(PAGE, 0, format!("{PAGE} or {EXAMPLE} is missing"))];
    };
    let known = keys(example);
    let sections: BTreeSet<_> =
        known.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut findings = Vec::new();
    for (index, line) in page.lines().enumerate() {
        for word in code_spans(line) {
            let key = word.split([' ', '=']).next().unwrap_or_default();
            let base = key.strip_suffix("_file").unwrap_or(key);
            let is_key = key.split_once('.').is_some_and(|(section, _)| sections.contains(section));
            if is_key && !known.contains(key) && !known.contains(base) {
                findings.push(Finding::new(PAGE, index + 1, format!("`{key}` is no configuration key")));
            }
        }
    }
    findings
}

/// Returns the keys of the example, such as `limits.burst`, from its sections and its commented values.
fn keys(example: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut keys = BTreeSet::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        }
        let Some((name, _)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) else { continue };
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            keys.insert(if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") });
        }
    }
    keys
}

/// Returns the texts between backticks in a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "# Text = \n#listen = \"a\"\n\n[auth]\n# The secret.\n#jwt_secret = \"x\"\n#leeway = \"5s\"\n";

    #[test]
    fn finds_keys_that_do_not_exist() {
        let page = "`auth.jwt_secret` `auth.jwt_secret_file`\n`auth.secret` and `auth.leeway = \"0s\"`\n`deny.toml` `listen`\n";
        let findings = names_known_keys(&Tree::of(&[(PAGE, page), (EXAMPLE, KEYS)]));
        assert_eq!(findings, [Finding::new(PAGE, 2, "`auth.secret` is no configuration key")]);
    }

    #[test]
    fn reads_keys_from_current_example() {
        let known = keys(include_str!("../../../gateway.example.toml"));
        for key in ["listen", "auth.jwks_url", "limits.bad_tokens_per_ip_per_minute", "tls.key"] {
            assert!(known.contains(key), "{key}");
        }
    }
}
