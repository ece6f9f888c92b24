//! `cargo xtask release`: builds the artefacts of a release, each kind in a file of its own, in
//! `target/release-artifacts`. It publishes nothing.
//!
//! An artefact that was built from the checked-out commit is not built again, so an interrupted release
//! continues where it stopped.

pub(crate) mod archive;
mod baseline;
pub(crate) mod c;
pub(crate) mod checksums;
pub(crate) mod crates;
pub(crate) mod go;
pub(crate) mod kotlin;
mod licenses;
pub(crate) mod npm;
mod program;
pub(crate) mod python;
mod sbom;
pub(crate) mod sdk_licenses;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use crate::{
    history::History,
    project::Project,
    tools::{Missing, Tool},
};

/// The exit code if tools are missing and nothing was built.
const TOOLS_ARE_MISSING: u8 = 2;

/// The arguments of `cargo xtask release`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Kinds of artefact, by name; all when there is none.
    kinds: Vec<String>,
    /// Installs what the artefacts are made with and this machine lacks, after listing it.
    #[arg(long)]
    setup: bool,
    /// Makes artefacts of a tree that is not committed or not prepared for a release, to try how they come out.
    #[arg(long)]
    trial: bool,
    /// Names the kinds of artefact instead of making them.
    #[arg(long)]
    list: bool,
}

/// One kind of artefact.
struct Artefact {
    /// The name on the command line.
    name: &'static str,
    about: &'static str,
    /// The tools that building it needs.
    tools: &'static [Tool],
    /// Builds it, and returns its files.
    make: fn(&Release) -> anyhow::Result<Vec<PathBuf>>,
}

/// Every kind of artefact.
const ARTEFACTS: [Artefact; 8] = [
    Artefact {
        name: "linux-x86_64",
        about: "the gateway for Linux on x86-64, linked statically with musl, and its bill of materials",
        tools: &[Tool::VENV, Tool::ZIG, Tool::MUSL_X86_64, Tool::NODE, Tool::NPM, Tool::NPM_SDK, Tool::WASM],
        make: |release| program::make(release, "x86_64-unknown-linux-musl"),
    },
    Artefact {
        name: "linux-aarch64",
        about: "the same for Linux on 64-bit ARM",
        tools: &[Tool::VENV, Tool::ZIG, Tool::MUSL_AARCH64, Tool::NODE, Tool::NPM, Tool::NPM_SDK, Tool::WASM],
        make: |release| program::make(release, "aarch64-unknown-linux-musl"),
    },
    Artefact {
        name: "npm",
        about: "the browser SDK as a package of npm",
        tools: &[Tool::NODE, Tool::NPM, Tool::NPM_SDK, Tool::WASM],
        make: npm::make,
    },
    Artefact {
        name: "python",
        about: "the Python SDK as wheels for Linux on x86-64 and 64-bit ARM, and its source distribution",
        tools: &[Tool::VENV, Tool::ZIG, Tool::GNU_X86_64, Tool::GNU_AARCH64],
        make: python::make,
    },
    Artefact {
        name: "go",
        about: "the Go SDK as the module proxy will serve it; its tag publishes it",
        tools: &[Tool::VENV, Tool::GO_OF_SDK],
        make: go::make,
    },
    Artefact {
        name: "kotlin",
        about: "the SDK for Kotlin and Java as a Maven repository, with sources and documentation",
        tools: &[Tool::NODE, Tool::NPM, Tool::NPM_SDK, Tool::WASM, Tool::JDK, Tool::MAVEN],
        make: kotlin::make,
    },
    Artefact {
        name: "c",
        about: "the C library with its header for Linux on x86-64 and 64-bit ARM, and the WebAssembly module",
        tools: &[
            Tool::VENV,
            Tool::ZIG,
            Tool::GNU_X86_64,
            Tool::GNU_AARCH64,
            Tool::NODE,
            Tool::NPM,
            Tool::NPM_SDK,
            Tool::WASM,
        ],
        make: c::make,
    },
    Artefact {
        name: "crates",
        about: "the packages of crates.io, each compiled from what it contains",
        tools: &[],
        make: crates::make,
    },
];

/// A release that is being built.
struct Release<'a> {
    project: &'a Project,
    /// The version of the workspace.
    version: &'static str,
    /// The commit from which everything is built, or `None` if files differ from it or there is no history.
    commit: Option<String>,
    /// The time of that commit, in RFC 3339. All files in archives have this time, so that archives are reproducible.
    time: String,
    /// The folder of the artefacts.
    folder: PathBuf,
}

/// Builds the chosen artefacts and the list of their checksums.
///
/// # Errors
/// If the tree is not ready for a release, or an artefact cannot be built.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    if arguments.list {
        for artefact in ARTEFACTS {
            writeln!(out, "{:<14} {}", artefact.name, artefact.about)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let artefacts = chosen(&arguments.kinds)?;
    if !arguments.trial {
        baseline::record(project, env!("CARGO_PKG_VERSION"))?;
        check_tree(project)?;
    }
    if !has_tools(project, &artefacts, arguments.setup)? {
        return Ok(ExitCode::from(TOOLS_ARE_MISSING));
    }
    let release = Release::of(project)?;
    for artefact in artefacts {
        if release.is_made(artefact)? {
            writeln!(out, "=== {}: made before, from the same commit", artefact.name)?;
            continue;
        }
        writeln!(out, "=== {}: {}", artefact.name, artefact.about)?;
        let files = (artefact.make)(&release).with_context(|| format!("make {}", artefact.name))?;
        release.note_made(artefact, &files)?;
    }
    let files = checksums::write(&release.folder)?;
    writeln!(
        out,
        "\n{} in {}:",
        if arguments.trial { "a trial, not a release" } else { "the release" },
        release.folder.display()
    )?;
    for file in files {
        let bytes = fs::metadata(release.folder.join(&file))?.len();
        writeln!(out, "{:>12} {file}", bytes)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the artefacts with these names, or all if there are no names.
fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Artefact>> {
    if names.is_empty() {
        return Ok(ARTEFACTS.iter().collect());
    }
    let named = |name: &String| {
        let artefact = ARTEFACTS.iter().find(|artefact| artefact.name == name);
        artefact.with_context(|| format!("`{name}` is no kind of artefact; `cargo xtask release --list` names them"))
    };
    names.iter().map(named).collect()
}

/// Checks that all files are committed, and that the version has a section in the changelog and a data file for later
/// versions.
fn check_tree(project: &Project) -> anyhow::Result<()> {
    let history = History::of(project).context("a release is made of a git repository, and this folder is none")?;
    let modified = history.modified_files().context("git cannot tell which files are modified")?;
    if !modified.is_empty() {
        bail!("these files are not committed; commit them and start again, or make a `--trial`:\n{modified}");
    }
    let changelog = fs::read_to_string(project.root().join("CHANGELOG.md")).context("read CHANGELOG.md")?;
    check_changelog(&changelog, env!("CARGO_PKG_VERSION"))?;
    let fixture = concat!("store/tests/fixtures/v", env!("CARGO_PKG_VERSION"), ".redb");
    if !project.root().join(fixture).exists() {
        bail!(
            "later versions test with {fixture} that they open the data files of this one: \
             `cargo run -p realtime-gateway-store --example write_fixture -- {fixture}`"
        );
    }
    Ok(())
}

/// Checks that the changelog has a section for the version.
fn check_changelog(changelog: &str, version: &str) -> anyhow::Result<()> {
    let heading = format!("## [{version}] - ");
    if !changelog.lines().any(|line| line.starts_with(&heading)) {
        bail!(
            "CHANGELOG.md has no section `{heading}YYYY-MM-DD`: give that of unreleased changes the version and a date"
        );
    }
    Ok(())
}

/// Returns whether the tools of the artefacts are installed. Installs them first if that was requested.
fn has_tools(project: &Project, artefacts: &[&'static Artefact], setup: bool) -> anyhow::Result<bool> {
    let missing = Missing::of(project, artefacts.iter().flat_map(|artefact| artefact.tools));
    if missing.is_empty() {
        return Ok(true);
    }
    let mut out = io::stdout();
    writeln!(out, "these tools are missing:\n{}", missing.list(project))?;
    if !setup {
        let commands = missing.commands(project).join("\n  ");
        writeln!(out, "`cargo xtask release --setup` installs them. The same by hand:\n  {commands}")?;
        return Ok(false);
    }
    let log = project.target().join("release-setup.log");
    let file = fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
    missing.install(project, &file).with_context(|| format!("install them; {} has all of it", log.display()))?;
    Ok(true)
}

impl<'a> Release<'a> {
    fn of(project: &'a Project) -> anyhow::Result<Self> {
        let folder = project.target().join("release-artifacts");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let history = History::of(project);
        let commit = history.as_ref().and_then(History::version).filter(|version| !version.ends_with("-modified"));
        let time = history.as_ref().and_then(History::commit_time);
        // Without a history archives need not be reproducible.
        let time = time.unwrap_or_else(|| "1980-01-01T00:00:00Z".to_owned());
        Ok(Self { project, version: env!("CARGO_PKG_VERSION"), commit, time, folder })
    }

    /// Returns the path of a file of the release. An older file of another commit may exist there.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Creates an empty folder for the files of an archive.
    fn staging(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.project.target().join("release-staging").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// Returns whether an artefact was built from the same commit, and its files still exist.
    fn is_made(&self, artefact: &Artefact) -> anyhow::Result<bool> {
        let Some(commit) = &self.commit else { return Ok(false) };
        let note = self.note(artefact);
        if !note.exists() {
            return Ok(false);
        }
        let text = fs::read_to_string(&note).with_context(|| format!("read {}", note.display()))?;
        let mut lines = text.lines();
        Ok(lines.next() == Some(commit.as_str()) && lines.all(|name| self.file(name).exists()))
    }

    /// Records the commit from which an artefact was built, after its files are complete.
    fn note_made(&self, artefact: &Artefact, files: &[PathBuf]) -> anyhow::Result<()> {
        let names = files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned());
        let lines: Vec<_> = self.commit.iter().cloned().chain(names).collect();
        let note = self.note(artefact);
        if let (Some(_), Some(folder)) = (&self.commit, note.parent()) {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
            fs::write(&note, lines.join("\n")).with_context(|| format!("write {}", note.display()))?;
        }
        Ok(())
    }

    fn note(&self, artefact: &Artefact) -> PathBuf {
        self.project.target().join("release-staging/made").join(artefact.name)
    }
}

/// Copies a file into a folder.
fn copy_into(file: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let to = folder.join(file.file_name().context("a file has a name")?);
    fs::copy(file, &to).with_context(|| format!("copy {} to {}", file.display(), to.display()))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changelog_needs_a_dated_section_of_the_version() {
        assert!(check_changelog("# Changelog\n\n## [1.2.3] - 2026-12-01\n", "1.2.3").is_ok());
        for text in ["## [Unreleased]\n", "## [1.2.3]\n", "## [1.2.30] - 2026-12-01\n"] {
            let error = check_changelog(text, "1.2.3").expect_err(text);
            assert!(error.to_string().contains("## [1.2.3] - YYYY-MM-DD"), "{error}");
        }
    }

    #[test]
    fn rebuilds_artefact_for_another_commit_or_missing_file() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let artefact = Artefact { name: "of-a-test", about: "", tools: &[], make: |_| Ok(Vec::new()) };
        let release = |commit: Option<&str>| Release {
            project: &project,
            version: "0.0.0",
            commit: commit.map(str::to_owned),
            time: String::new(),
            folder: folder.path().to_owned(),
        };
        let is_made = |commit| release(commit).is_made(&artefact).expect("read the note");
        let file = folder.path().join("program.tar.gz");
        fs::write(&file, "program").expect("write the file");
        release(Some("one")).note_made(&artefact, std::slice::from_ref(&file)).expect("write the note");
        assert!(is_made(Some("one")) && !is_made(Some("other")) && !is_made(None));
        fs::remove_file(file).expect("remove the file");
        assert!(!is_made(Some("one")));
        fs::remove_file(release(None).note(&artefact)).expect("remove the note");
    }

    #[test]
    fn refuses_unknown_kind() {
        assert_eq!(chosen(&[]).expect("all").len(), ARTEFACTS.len());
        let error = chosen(&["wheel".to_owned()]).err().expect("no such kind");
        assert!(error.to_string().contains("wheel"), "{error}");
    }
}
