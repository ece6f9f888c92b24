//! The git history of the project. A source archive has none, and a shallow clone has a part of it.

use std::process::Command;

use crate::project::Project;

/// The git repository of the project.
pub(crate) struct History<'a> {
    project: &'a Project,
}

impl<'a> History<'a> {
    /// Returns the history of a project, if its folder is the top of a git working tree and git is installed.
    pub(crate) fn of(project: &'a Project) -> Option<Self> {
        let history = Self { project };
        let top = history.ask(&["rev-parse", "--show-toplevel"])?;
        let is_ours = std::path::Path::new(&top).canonicalize().ok()? == project.root().canonicalize().ok()?;
        is_ours.then_some(history)
    }

    /// Returns the name of the checked-out commit, such as `v0.1.0-3-g1234567`, or its short id if there is no earlier
    /// tag. The name ends in `-modified` if files differ from the commit.
    pub(crate) fn version(&self) -> Option<String> {
        self.ask(&["describe", "--tags", "--always", "--dirty=-modified", "--match", "v[0-9]*"])
    }

    /// Returns the time of the checked-out commit, in RFC 3339.
    pub(crate) fn commit_time(&self) -> Option<String> {
        self.ask(&["log", "-1", "--format=%cI"])
    }

    /// Returns the files that differ from the checked-out commit or are untracked, one per line.
    pub(crate) fn modified_files(&self) -> Option<String> {
        self.ask(&["status", "--porcelain"])
    }

    /// Returns the files of a folder that are committed, or are neither committed nor ignored, by their path in the project.
    pub(crate) fn files(&self, folder: &str) -> Option<Vec<String>> {
        let files = self.ask(&["ls-files", "--cached", "--others", "--exclude-standard", folder])?;
        Some(files.lines().map(str::to_owned).collect())
    }

    /// Returns the tag of the last release before the checked-out commit.
    pub(crate) fn last_release(&self) -> Option<String> {
        self.ask(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])
    }

    /// Returns the commits after another one, without merges: the short id and the subject of each. `None` where this
    /// copy does not have that commit as an ancestor.
    pub(crate) fn commits_since(&self, base: &str) -> Option<Vec<(String, String)>> {
        self.ask(&["merge-base", "--is-ancestor", base, "HEAD"])?;
        let log = self.ask(&["log", "--no-merges", "--format=%h%x09%s", &format!("{base}..HEAD")])?;
        let line = |line: &str| line.split_once('\t').map(|(id, subject)| (id.to_owned(), subject.to_owned()));
        Some(log.lines().filter_map(line).collect())
    }

    /// Returns the output of git, or `None` if git fails or is not installed.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        let output = git.args(arguments).current_dir(self.project.root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}
