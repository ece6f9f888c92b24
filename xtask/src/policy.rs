//! Checks the dependency policy of `deny.toml` with cargo-deny, including advisories if a database is available.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{command, project::Project, python::Environment};

/// The URL of the advisory database, as in `deny.toml`.
const DATABASE: &str = "https://github.com/RustSec/advisory-db";

/// The variable with the path of a copy of the database, for machines that cannot fetch it.
const COPY_VARIABLE: &str = "GATEWAY_ADVISORY_DB";

/// Checks licences, duplicates and sources, and advisories if a database is available.
///
/// # Errors
/// If a dependency violates the policy, or cargo-deny cannot be started.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let copy = copy_of_database(env::var_os(COPY_VARIABLE), project.root());
    let repository = copy.map(|copy| repository_of(project, &copy)).transpose()?;
    let repository = repository.as_deref();
    if command::succeeds(&mut deny(project, repository, &["fetch", "db"])) {
        return command::run(&mut deny(project, repository, &["check", "--hide-inclusion-graph"]));
    }
    writeln!(
        io::stderr(),
        "ADVISORIES NOT CHECKED: {DATABASE} cannot be fetched from here; licences, bans and sources are. \
         To check them, name a directory with a copy in {COPY_VARIABLE}."
    )?;
    command::run(&mut deny(project, None, &["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))
}

fn deny(project: &Project, repository: Option<&Path>, arguments: &[&str]) -> Command {
    let mut deny = Command::new(Environment::of(project).program("cargo-deny"));
    deny.current_dir(project.root()).arg("--workspace").args(arguments);
    if let Some(repository) = repository {
        // cargo-deny fetches with git, so `insteadOf` redirects the URL to the local repository.
        let instead = format!("url.file://{}.insteadOf", repository.display());
        deny.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", instead).env("GIT_CONFIG_VALUE_0", DATABASE);
    }
    deny
}

/// Returns a directory with the database's files: from the variable, or `shared/data/advisory-db` next to the project.
fn copy_of_database(named: Option<OsString>, root: &Path) -> Option<PathBuf> {
    named
        .map(PathBuf::from)
        .or_else(|| Some(root.parent()?.join("shared/data/advisory-db")))
        .filter(|copy| copy.join("crates").is_dir())
}

/// Creates a git repository with the files of `copy` in a single commit.
fn repository_of(project: &Project, copy: &Path) -> anyhow::Result<PathBuf> {
    let repository = project.target().join("advisory-db.git");
    if repository.exists() {
        fs::remove_dir_all(&repository).context("remove the last copy of the advisory database")?;
    }
    let git = |arguments: &[&OsStr]| {
        let mut git = project.program("git", &["-c", "user.name=xtask", "-c", "user.email=xtask@localhost"]);
        command::run(git.arg("--git-dir").arg(&repository).arg("--work-tree").arg(copy).args(arguments))
    };
    command::run(project.program("git", &["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&repository))?;
    git(&["add", "--all", "--force", "."].map(OsStr::new))?;
    git(&["commit", "--quiet", "--message=A copy of the advisory database"].map(OsStr::new))?;
    Ok(repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_url_matches_deny_toml() {
        let policy = include_str!("../../deny.toml");
        assert!(policy.contains(&format!("db-urls = [\"{DATABASE}\"]")), "deny.toml names another database");
    }

    #[test]
    fn finds_copy_next_to_project_only_if_it_contains_advisories() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let root = parent.path().join("project");
        assert_eq!(copy_of_database(None, &root), None);
        let copy = parent.path().join("shared/data/advisory-db");
        fs::create_dir_all(copy.join("crates")).expect("create the copy");
        assert_eq!(copy_of_database(None, &root), Some(copy));
    }
}
