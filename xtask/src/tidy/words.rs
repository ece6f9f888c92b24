//! Words that a reader would have to look up: the project's style uses the standard terms of the field instead.

use super::{
    Finding,
    tree::{File, Tree},
};

/// Words and phrases that are not used, each with what to write instead.
const WORDS: [(&str, &str); 34] = [
    ("doorbell", "append notice"),
    ("doorbells", "append notices"),
    ("whisper", "ephemeral broadcast"),
    ("whispers", "ephemeral broadcasts"),
    ("pulse", "reconciliation"),
    ("pulses", "reconciliations"),
    ("comer", "client"),
    ("comers", "clients"),
    ("heard", "received"),
    ("hears", "receives"),
    ("heed", "handle"),
    ("heeds", "handles"),
    ("whoever", "the noun: the client, the caller"),
    ("nobody", "the noun: no client, no node"),
    ("somebody", "the noun: a client, a user"),
    ("anybody", "the noun: any client, any user"),
    ("everybody", "the noun: all clients, all users"),
    ("anew", "again"),
    ("for ever", "indefinitely"),
    ("at once", "immediately, or at the same time"),
    ("mend", "fix or repair"),
    ("mends", "fixes or repairs"),
    ("hurt", "break or damage"),
    ("hurts", "breaks or damages"),
    ("let go of", "release"),
    ("lets go of", "releases"),
    ("letting go of", "releasing"),
    ("so many", "the count"),
    ("beside", "next to, or in addition to"),
    ("told", "sent, informed or asked"),
    ("untaken", "rejected"),
    ("notnow", "retry"),
    ("fussy", "what it does"),
    ("until_told", "run_until_shutdown"),
];

/// Files that may use them: this list, and records of what was.
const EXEMPT: [&str; 4] = ["xtask/src/tidy/words.rs", "CHANGELOG.md", "protocol/baseline/", "web-demo/style.css"];

/// Finds the words in names, comments, texts and documents.
pub(super) fn are_standard(tree: &Tree) -> Vec<Finding> {
    let files = tree.files().iter().filter(|file| !EXEMPT.iter().any(|path| file.path.starts_with(path)));
    files.flat_map(findings_of).collect()
}

fn findings_of(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.to_lowercase();
        for (word, instead) in WORDS.iter().filter(|(word, _)| contains(&line, word)) {
            findings.push(Finding::new(&file.path, index + 1, format!("`{word}`: write {instead} (style guide)")));
        }
    }
    findings
}

/// Returns whether a line contains a phrase as whole words. The parts of an identifier in snake case are words too.
fn contains(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        let after = line.get(at + phrase.len()..).unwrap_or_default().chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_in_prose_and_identifiers() {
        let rust = "//! Sends.\n\n/// Rings the doorbell for ever.\nfn tell_whoever_waits() {}\n";
        let findings = are_standard(&Tree::of(&[("server/src/a.rs", rust), ("docs/b.md", "Nobody knows.\n")]));
        let found: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
        assert_eq!(found, [("server/src/a.rs", 3), ("server/src/a.rs", 3), ("server/src/a.rs", 4), ("docs/b.md", 1)]);
    }

    #[test]
    fn ignores_words_that_contain_them() {
        let text = "An impulse, besides, amendments, newcomers, `resolve`.\n";
        assert!(are_standard(&Tree::of(&[("docs/a.md", text)])).is_empty());
    }
}
