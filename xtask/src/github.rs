//! The step `github`: checks the workflows with actionlint, and the templates of issues with GitHub's schemas.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{command, project::Project, python::Environment, tools};

/// The folder with the workflows and templates.
const FOLDER: &str = ".github";

/// Checks the workflows and templates.
///
/// # Errors
/// If one is not valid, or an action is not pinned to a commit.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let workflows = files(project, "workflows")?;
    let (configuration, forms): (Vec<_>, Vec<_>) =
        files(project, "ISSUE_TEMPLATE")?.into_iter().partition(|path| path.ends_with("config.yml"));
    // actionlint finds shellcheck on the path, and checks the scripts of the workflows with it.
    command::run(Command::new(tools::built(project, "actionlint")).args(&workflows).current_dir(project.root()))?;
    for (schema, files) in [
        ("vendor.github-workflows", &workflows),
        ("custom.github-workflows-require-timeout", &workflows),
        ("vendor.github-issue-forms", &forms),
        ("vendor.github-issue-config", &configuration),
    ] {
        let mut validator = Command::new(Environment::of(project).program("check-jsonschema"));
        command::run(validator.args(["--builtin-schema", schema]).args(files).current_dir(project.root()))?;
    }
    for path in &workflows {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        if let Some(action) = unpinned(&text).next() {
            bail!("{}: `{action}` is not pinned to a commit: its tag may be moved", path.display());
        }
    }
    writeln!(io::stdout(), "{} workflows and {} issue forms are valid", workflows.len(), forms.len())?;
    Ok(())
}

/// Returns the YAML files of a folder.
fn files(project: &Project, folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = project.root().join(FOLDER).join(folder);
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    Ok(files)
}

/// Returns the actions of a workflow that are not pinned to a commit. Actions of this repository need no pin.
fn unpinned(workflow: &str) -> impl Iterator<Item = &str> {
    let uses = workflow.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
    let actions = uses.filter_map(|action| action.split_whitespace().next());
    actions.filter(|action| {
        let commit = action.split_once('@').map_or("", |(_, commit)| commit);
        !action.starts_with("./") && (commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_unpinned_actions() {
        let workflow = "steps:\n  - uses: actions/checkout@v4\n  - name: Cache\n    uses: a/b@main # v1\n  - uses: ./here\n  \
                        - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2\n";
        assert_eq!(unpinned(workflow).collect::<Vec<_>>(), ["actions/checkout@v4", "a/b@main"]);
    }
}
