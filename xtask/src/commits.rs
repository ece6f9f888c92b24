//! The step `commits`: checks that every commit since this rule began has a subject in the form of CONTRIBUTING.md
//! (Conventional Commits 1.0).

use std::io::{self, Write as _};

use anyhow::bail;

use crate::{history::History, project::Project};

/// The last commit before the rule.
const BASE: &str = "02ee8954c2d0b899be3c6b8c229250767a802dd1";

/// The kinds of changes.
const KINDS: [&str; 11] =
    ["build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test"];

/// The maximum length of a subject in characters, because `git log` shows it as one line.
const MOST_CHARACTERS: usize = 100;

/// Checks the subjects of the commits since the rule began. A shallow clone has a part of them.
///
/// # Errors
/// If a subject has another form.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let mut out = io::stdout();
    let Some(commits) = History::of(project).and_then(|history| history.commits_since(BASE)) else {
        writeln!(out, "no subject was checked: this copy of the project does not have the history since {BASE:.7}")?;
        return Ok(());
    };
    let wrong: Vec<_> = commits.iter().filter_map(|(id, subject)| Some((id, subject, problem(subject)?))).collect();
    for (id, subject, problem) in &wrong {
        writeln!(out, "{id} {subject}\n        {problem}")?;
    }
    if !wrong.is_empty() {
        bail!("{} commits have a subject of another form; `git rebase --interactive` rewords them", wrong.len());
    }
    writeln!(out, "{} commits since {BASE:.7} have a subject of the form `kind(scope): description`", commits.len())?;
    Ok(())
}

/// Returns what is wrong with a subject.
fn problem(subject: &str) -> Option<String> {
    let Some((prefix, description)) = subject.split_once(": ") else {
        return Some("write `kind: description` or `kind(scope): description`".to_owned());
    };
    let prefix = prefix.strip_suffix('!').unwrap_or(prefix);
    let (kind, scope) = match prefix.split_once('(') {
        Some((kind, scope)) => (kind, scope.strip_suffix(')')),
        None => (prefix, Some("none")),
    };
    let is_in_scope = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_/, ".contains(c);
    if !KINDS.contains(&kind) {
        return Some(format!("`{kind}` is no kind of change; one of {}", KINDS.join(", ")));
    }
    if scope.is_none_or(|scope| scope.is_empty() || !scope.chars().all(is_in_scope)) {
        return Some("the scope names a part in lower case, such as `(redis)`".to_owned());
    }
    if description.trim() != description || description.is_empty() || description.ends_with('.') {
        return Some("the description is one phrase without a full stop".to_owned());
    }
    let length = subject.chars().count();
    (length > MOST_CHARACTERS).then(|| format!("{length} characters; {MOST_CHARACTERS} are the most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_conventional_subjects() {
        for subject in [
            "feat: let a store refuse writes before it is full",
            "fix(redis): retry scripts after NOSCRIPT",
            "perf(sdk-wasm): leave names out",
            "refactor(server, tests)!: rename the key `a: b`",
        ] {
            assert_eq!(problem(subject), None, "{subject}");
        }
    }

    #[test]
    fn finds_what_is_wrong_with_other_subjects() {
        let long = format!("fix: {}", "x".repeat(MOST_CHARACTERS));
        for (subject, part) in [
            ("Let clients reconnect", "write `kind: description`"),
            ("fixup! fix(hub): close slow consumers", "no kind of change"),
            ("feature: something", "no kind of change"),
            ("Fix: something", "no kind of change"),
            ("fix(): something", "the scope"),
            ("fix(Hub): something", "the scope"),
            ("fix(hub: something", "the scope"),
            ("fix:  two blanks", "one phrase"),
            ("fix: a sentence.", "one phrase"),
            (&long, "the most"),
        ] {
            let problem = problem(subject).unwrap_or_default();
            assert!(problem.contains(part), "{subject}: {problem}");
        }
    }
}
