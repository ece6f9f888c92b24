//! Writes the schemas and close codes of a release to `protocol/baseline`, with which later versions are compared.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};

use crate::project::Project;

/// The documents that have a baseline.
const DOCUMENTS: [&str; 5] = ["client.json", "server.json", "inbound.json", "outbound.json", "close_codes.json"];

/// The comment of each copied document, so that no copy claims to be the current one.
const NOTICE: &str = "Copied from protocol/schema by `cargo xtask release`; see README.md in this folder.";

/// The empty list of intended breaking changes.
const NONE_ACCEPTED: &str = "# Breaking changes since the baseline that are intended, one a line: what the test printed, \
                             ` # `, and the reason.\n";

/// Makes the schemas of this version the baseline. If that changes files, the release has to be started again from a
/// commit that contains them.
///
/// # Errors
/// If files changed, or cannot be read or written.
pub(super) fn record(project: &Project, version: &str) -> anyhow::Result<()> {
    if write(&project.root().join("protocol"), version)? {
        bail!(
            "protocol/baseline has the schemas of {version} now: commit them (`git commit -m 'chore(release): record the \
             protocol of {version}' protocol/baseline`) and start again"
        );
    }
    Ok(())
}

/// Returns whether a file of the baseline had to be changed.
fn write(protocol: &Path, version: &str) -> anyhow::Result<bool> {
    let mut files = vec![("VERSION", format!("{version}\n")), ("accepted.txt", NONE_ACCEPTED.to_owned())];
    for name in DOCUMENTS {
        let path = protocol.join("schema").join(name);
        let document = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let is_comment = |line: &str| line.trim_start().starts_with("\"$comment\": ");
        let lines = document.lines().map(|line| match line.split_once(": ") {
            Some((key, _)) if is_comment(line) => format!("{key}: \"{NOTICE}\",\n"),
            _ => format!("{line}\n"),
        });
        files.push((name, lines.collect()));
    }
    let mut has_changed = false;
    for (name, text) in files {
        let path = protocol.join("baseline").join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            has_changed = true;
        }
    }
    Ok(has_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_the_schemas_of_the_release_once() {
        let protocol = tempfile::tempdir().expect("a temporary directory");
        let (schemas, baseline) = (protocol.path().join("schema"), protocol.path().join("baseline"));
        fs::create_dir_all(&schemas).expect("create the folder");
        fs::create_dir_all(&baseline).expect("create the folder");
        for name in DOCUMENTS {
            fs::write(schemas.join(name), "{\n  \"$comment\": \"Generated\",\n  \"title\": \"T\"\n}\n").expect("write");
        }
        fs::write(baseline.join("accepted.txt"), "client: chat: the message was removed # a reason\n").expect("write");
        assert!(write(protocol.path(), "1.2.3").expect("record"));
        let read = |name: &str| fs::read_to_string(baseline.join(name)).expect("read");
        assert_eq!(read("VERSION"), "1.2.3\n");
        assert_eq!(read("client.json"), format!("{{\n  \"$comment\": \"{NOTICE}\",\n  \"title\": \"T\"\n}}\n"));
        assert_eq!(read("accepted.txt"), NONE_ACCEPTED);
        assert!(!write(protocol.path(), "1.2.3").expect("record"), "nothing changed");
    }

    #[test]
    fn the_baseline_of_this_tree_has_the_form_that_a_release_writes() {
        let accepted = include_str!("../../../protocol/baseline/accepted.txt");
        assert!(accepted.starts_with(NONE_ACCEPTED), "{accepted}");
        assert!(include_str!("../../../protocol/baseline/client.json").contains(NOTICE));
        assert!(include_str!("../../../protocol/baseline/close_codes.json").contains(NOTICE));
    }
}
