//! The artefact of Maven: projects in Kotlin and in Java depend on it, and find it in a repository, which is a folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::Place;
use crate::{
    command, kotlin_sdk,
    release::kotlin::{self, PATH},
};

/// Puts the artefact into a repository, and compiles a project in Kotlin and one in Java, which is a module. Their programs are
/// run by Maven, which knows their dependencies.
///
/// # Errors
/// If the artefact cannot be built, or a program does not compile.
pub(super) fn install(place: &Place) -> anyhow::Result<Vec<Command>> {
    kotlin_sdk::ensure_jar(place.project)?;
    let repository = place.create("repository")?;
    kotlin::deploy(place.project, env!("CARGO_PKG_VERSION"), &repository, &[])?;
    let downloaded = env::home_dir().unwrap_or_default().join(".m2/repository");
    fs::write(place.folder.join("settings.xml"), settings(&repository, &downloaded)).context("write settings.xml")?;
    let ours = copies(place).join(PATH);
    if ours.exists() {
        fs::remove_dir_all(&ours).with_context(|| format!("remove {}", ours.display()))?;
    }
    let kotlin = project(place, "kotlin", &["quickstart/QuickStart.kt"], "kotlin:compile")?;
    Ok(vec![kotlin, project(place, "java", &["module-info.java", "quickstart/QuickStart.java"], "compiler:compile")?])
}

/// Makes a project of examples in a language, and compiles it. Returns the command that runs its program.
fn project(place: &Place, language: &str, sources: &[&str], compile: &str) -> anyhow::Result<Command> {
    let examples = if language == "java" { "sdk-kotlin/examples/java/src" } else { "sdk-kotlin/examples/kotlin" };
    for source in sources {
        place.copy(&format!("{examples}/{source}"), &format!("{language}/src/{source}"))?;
    }
    place.copy(&format!("tests/fixtures/install/{language}/pom.xml"), &format!("{language}/pom.xml"))?;
    let maven = |goal: &str| {
        let mut maven = place.program("mvn", &["--batch-mode", "--no-transfer-progress", "--quiet"]);
        maven.args(["--settings", "settings.xml", "--file", language]);
        maven.arg(concat!("-Dsdk.version=", env!("CARGO_PKG_VERSION")));
        maven.arg(format!("-Dmaven.repo.local={}", copies(place).display())).arg(goal);
        maven
    };
    command::run(&mut maven(compile))?;
    Ok(maven("exec:exec"))
}

/// Returns what Maven copies from the repositories. It is kept for the next run, but for the artefact.
fn copies(place: &Place) -> PathBuf {
    place.project.target().join("install-maven")
}

/// Returns settings with two repositories: that of the artefact, and what Maven has downloaded for the SDK in place of Maven
/// Central. So nothing is asked for in the network.
fn settings(repository: &Path, downloaded: &Path) -> String {
    let (repository, downloaded) = (repository.display(), downloaded.display());
    format!(
        "<settings>
  <mirrors>
    <mirror><id>downloaded</id><mirrorOf>central</mirrorOf><url>file://{downloaded}</url></mirror>
  </mirrors>
  <profiles>
    <profile>
      <id>installed</id>
      <repositories><repository><id>installed</id><url>file://{repository}</url></repository></repositories>
    </profile>
  </profiles>
  <activeProfiles><activeProfile>installed</activeProfile></activeProfiles>
</settings>
"
    )
}
