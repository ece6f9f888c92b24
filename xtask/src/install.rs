//! The step `install`: each package of a release, made for this machine in the dev profile, is installed into a new project,
//! as a user installs it. The program of the project then sends a message to a running gateway.

mod c;
mod cargo;
mod gateway;
mod go;
mod maven;
mod npm;
mod python;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{command, counts::Counts, project::Project};
use gateway::Gateway;

/// The clan that the programs chat in. It is that of the quick starts.
const CLAN: &str = "clan123";
/// The topic of the program with a declared service.
const TOPIC: &str = "order-42";

/// A kind of package.
struct Package {
    /// The name of its folder, and of the users that send the messages.
    name: &'static str,
    /// Installs it into a project in an empty folder, and returns the programs that use it.
    install: fn(&Place) -> anyhow::Result<Vec<Command>>,
}

const PACKAGES: [Package; 7] = [
    Package { name: "npm", install: npm::install },
    Package { name: "c", install: c::install },
    Package { name: "go", install: go::install },
    Package { name: "wheel", install: python::install_wheel },
    Package { name: "sdist", install: python::install_sdist },
    Package { name: "maven", install: maven::install },
    Package { name: "crate", install: cargo::install },
];

/// Where a package is installed.
struct Place<'a> {
    project: &'a Project,
    /// An empty folder.
    folder: PathBuf,
}

/// Installs every package, and lets its programs send a message to the gateway that the step `build` compiled.
///
/// # Errors
/// If the gateway does not start. A package that cannot be installed or used is a failed test.
pub(crate) fn test(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    if !filters.is_empty() {
        // Filters select Rust tests by name, and these are not Rust tests.
        return Ok(Counts::default());
    }
    let folder = project.target().join("install");
    empty(&folder.join("gateway"))?;
    let gateway = Gateway::start(project, &folder.join("gateway"))?;
    let mut out = io::stdout();
    let mut counts = Counts::default();
    for package in PACKAGES {
        let result = try_out(project, &package, &gateway);
        match &result {
            Ok(programs) => writeln!(out, "{}: installed; programs that sent a message: {programs}", package.name)?,
            Err(error) => writeln!(out, "{} failed: {error:#}", package.name)?,
        }
        counts = counts + Counts { passed: u64::from(result.is_ok()), failed: u64::from(result.is_err()) };
    }
    Ok(counts)
}

/// Installs a package, and runs its programs. Returns their number.
fn try_out(project: &Project, package: &Package, gateway: &Gateway) -> anyhow::Result<usize> {
    writeln!(io::stdout(), "--- {}", package.name)?;
    let place = Place { project, folder: folder(project).join(package.name) };
    empty(&place.folder)?;
    let programs = (package.install)(&place).context("it cannot be installed")?;
    let count = programs.len();
    for (number, mut program) in programs.into_iter().enumerate() {
        // A user for each program, by whom its message is found.
        let user = format!("{}{number}", package.name);
        program.env("GATEWAY_URL", gateway.url()).env("GATEWAY_TOKEN", gateway.token(&user)?);
        command::run(&mut program)?;
        let found = gateway.has_message_of(&user, CLAN)? || gateway.has_event_of(&user, TOPIC)?;
        ensure!(found, "the gateway has no message of the program {}", number + 1);
    }
    Ok(count)
}

/// Returns the folder of all projects of this step.
fn folder(project: &Project) -> PathBuf {
    project.target().join("install")
}

impl Place<'_> {
    /// Creates a folder in the project.
    fn create(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }

    /// Copies a file of the repository to a path in the project.
    fn copy(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.folder.join(to);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        let from = self.project.root().join(from);
        fs::copy(&from, &path).with_context(|| format!("copy {}", from.display()))?;
        Ok(())
    }

    /// Returns a command that runs in the project.
    fn program(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command
    }
}

/// Makes a folder that has nothing in it.
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}
