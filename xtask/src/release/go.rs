//! The Go module: a zip file as the module proxy serves it. A Go module is published by a tag, so this file is made from a
//! repository with that tag, by the go command itself: it holds what users will get, and the release fails where they would.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::{Release, sbom};
use crate::{command, go_sdk, history::History, project::Project};

/// The path of the module.
pub(crate) const MODULE: &str = "github.com/realtime-gateway/realtime-gateway/sdk-go";
/// The repository that a tag is looked up in.
const REPOSITORY: &str = "https://github.com/realtime-gateway/realtime-gateway";
/// The folder of the module in the repository.
const FOLDER: &str = "sdk-go";
/// The bill of materials, which is committed, because a Go module is its source tree.
const BILL: &str = "sdk-go/gateway.cdx.json";
/// The package URL of the module.
const PURL: &str =
    concat!("pkg:golang/github.com/realtime-gateway/realtime-gateway/sdk-go@v", env!("CARGO_PKG_VERSION"));

/// Makes the file of the module, and copies its bill of materials next to it.
///
/// # Errors
/// If a generated file is out of date, or Go refuses the module.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(go_sdk::is_fresh(release.project)?, "the core of sdk-go/ is out of date: run `cargo xtask codegen`");
    let proxy = release.staging("go")?;
    let served = serve(release.project, release.version, &release.time, &proxy)?;
    let zip = release.file(&format!("realtime-gateway-go-{}.zip", release.version));
    let from = served.join(format!("v{}.zip", release.version));
    fs::copy(&from, &zip).with_context(|| format!("copy {}", from.display()))?;
    let bill = release.file(&format!("realtime-gateway-go-{}.cdx.json", release.version));
    fs::copy(release.project.root().join(BILL), &bill).with_context(|| format!("copy {BILL}"))?;
    writeln!(io::stdout(), "the tag that publishes the module: {}", tag(release.version))?;
    Ok(vec![zip, bill])
}

/// Makes a module proxy in an empty folder, which `GOPROXY=file://FOLDER/proxy` uses, and returns the folder with its files
/// of this module: `list`, `vX.Y.Z.info`, `vX.Y.Z.mod` and `vX.Y.Z.zip`.
///
/// # Errors
/// If the files cannot be copied, or Go refuses the module.
pub(crate) fn serve(project: &Project, version: &str, time: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let repository = folder.join("repository");
    tagged(project, version, time, &repository)?;
    let cache = folder.join("cache");
    let mut go = go_sdk::go(project, &["mod", "download", "-modcacherw"])?;
    go.arg(format!("{MODULE}@v{version}")).current_dir(folder);
    // The address of the repository leads to the copy, as it does for git users with a mirror.
    go.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", format!("url.file://{}.insteadOf", repository.display()));
    go.env("GIT_CONFIG_VALUE_0", REPOSITORY);
    go.env("GOPROXY", "direct").env("GOSUMDB", "off").env("GOFLAGS", "").env("GOMODCACHE", &cache);
    command::run(&mut go).context("make the module from its tag")?;
    let proxy = folder.join("proxy");
    fs::rename(cache.join("cache/download"), &proxy).context("move the files of the module")?;
    Ok(proxy.join(MODULE).join("@v"))
}

/// Makes a repository with the files of the module and its tag.
fn tagged(project: &Project, version: &str, time: &str, folder: &Path) -> anyhow::Result<()> {
    for path in files(project)? {
        let to = folder.join(&path);
        let parent = to.parent().context("a file is in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        fs::copy(project.root().join(&path), &to).with_context(|| format!("copy {path}"))?;
    }
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=release", "-c", "user.email=release@localhost"])
            .args(["-c", "commit.gpgSign=false"]);
        git.args(["-c", "core.hooksPath=/dev/null", "-c", "tag.gpgSign=false"]).args(arguments).current_dir(folder);
        command::run(git.env("GIT_AUTHOR_DATE", time).env("GIT_COMMITTER_DATE", time))
    };
    git(&["init", "--quiet"])?;
    // What the ignore files of the user name would be missing.
    git(&["add", "--all", "--force"])?;
    git(&["commit", "--quiet", "--message", "release"])?;
    git(&["tag", &tag(version)])
}

/// Returns the tag that publishes a version.
pub(super) fn tag(version: &str) -> String {
    format!("{FOLDER}/v{version}")
}

/// Returns the files of the module that are in the repository or will be.
fn files(project: &Project) -> anyhow::Result<Vec<String>> {
    let history = History::of(project).context("the Go module is made of a git repository, and this folder is none")?;
    let files = history.files(FOLDER).context("git cannot list the files of the module")?;
    Ok(files.into_iter().filter(|path| project.root().join(path).is_file()).collect())
}

/// Writes the bill of materials of the module.
///
/// # Errors
/// If the metadata cannot be read, or the file not be written.
pub(crate) fn write_bill(project: &Project) -> anyhow::Result<()> {
    fs::write(project.root().join(BILL), bill(project)?).with_context(|| format!("write {BILL}"))
}

fn bill(project: &Project) -> anyhow::Result<String> {
    let manifest = fs::read_to_string(project.root().join("sdk-go/go.mod")).context("read sdk-go/go.mod")?;
    let components = required(&manifest).map(|(path, version)| {
        let license = LICENSES.iter().find(|(known, _)| *known == path).map(|(_, license)| *license);
        let license = license.with_context(|| format!("name the licence of {path} in xtask/src/release/go.rs"))?;
        Ok(sbom::library(&format!("pkg:golang/{path}"), path, Some(version), license))
    });
    let components = components.collect::<anyhow::Result<_>>()?;
    let artefact = sbom::Artefact { purl: PURL, name: MODULE, components };
    let (target, published) = (Some("wasm32-unknown-unknown"), sbom::Published::Artefact(&artefact));
    sbom::write(project, &sbom::Subject { package: "realtime-gateway-c", target, time: None, published })
}

/// The licences of the modules that this one requires. Go modules do not name them.
const LICENSES: [(&str, &str); 1] = [("github.com/coder/websocket", "ISC")];

/// Returns the path and the version of each module that a `go.mod` requires.
fn required(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    manifest.lines().filter_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let (path, version) = (words.next()?, words.next()?);
        (path.contains('.') && version.starts_with('v')).then_some((path, version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_bill_is_up_to_date() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let committed = fs::read_to_string(project.root().join(BILL)).unwrap_or_default();
        assert!(
            committed == bill(&project).expect("write the bill"),
            "{BILL} is out of date: run `cargo xtask codegen`"
        );
    }

    #[test]
    fn reads_the_modules_that_are_required() {
        let manifest =
            "module a.b/c\n\ngo 1.24.0\n\nrequire a.b/d v1.2.3\n\nrequire (\n\ta.b/e v0.1.0 // indirect\n)\n";
        assert_eq!(required(manifest).collect::<Vec<_>>(), [("a.b/d", "v1.2.3"), ("a.b/e", "v0.1.0")]);
    }

    #[test]
    fn module_and_manifest_agree() {
        let manifest = include_str!("../../../sdk-go/go.mod");
        assert_eq!(manifest.lines().next(), Some(&*format!("module {MODULE}")));
        assert_eq!(
            (MODULE, &*tag("1.2.3")),
            (&*format!("{}/{FOLDER}", REPOSITORY.trim_start_matches("https://")), "sdk-go/v1.2.3")
        );
    }
}
