//! The artefact of Maven: projects in Kotlin and in Java depend on it, and find it in a repository, which is a folder.

use std::{env, fs, path::Path, process::Command};

use anyhow::Context as _;

use super::Place;
use crate::{
    command, kotlin_sdk,
    release::kotlin::{self, PATH},
};

/// Where the examples of the SDK are.
const EXAMPLES: &str = "sdk-kotlin/examples";

/// Makes the project in Kotlin.
///
/// # Errors
/// If the artefact cannot be built, or the program does not compile.
pub(super) fn install_kotlin(place: &Place) -> anyhow::Result<Vec<Command>> {
    let source = "kotlin/quickstart/QuickStart.kt";
    place.copy(&format!("{EXAMPLES}/{source}"), "src/quickstart/QuickStart.kt")?;
    install(place, "kotlin", &["kotlin:compile"])
}

/// Makes the project in Java.
///
/// # Errors
/// As [`install_kotlin`].
pub(super) fn install_java(place: &Place) -> anyhow::Result<Vec<Command>> {
    for file in ["module-info.java", "quickstart/QuickStart.java"] {
        place.copy(&format!("{EXAMPLES}/java/src/{file}"), &format!("src/{file}"))?;
    }
    install(place, "java", &["compiler:compile"])
}

/// Puts the artefact into a repository, and compiles the project. The program is run by Maven, which knows its dependencies.
fn install(place: &Place, language: &str, goals: &[&str]) -> anyhow::Result<Vec<Command>> {
    kotlin_sdk::ensure_jar(place.project)?;
    let version = env!("CARGO_PKG_VERSION");
    let repository = place.create("repository")?;
    kotlin::deploy(place.project, version, &repository, &[])?;
    place.copy(&format!("tests/fixtures/install/{language}/pom.xml"), "pom.xml")?;
    let settings = settings(&repository, &env::home_dir().unwrap_or_default().join(".m2/repository"));
    fs::write(place.folder.join("settings.xml"), settings).context("write settings.xml")?;
    // What Maven copies from the repositories. It is kept for the next run, but for the artefact.
    let local = place.project.target().join("install-maven");
    let ours = local.join(PATH);
    if ours.exists() {
        fs::remove_dir_all(&ours).with_context(|| format!("remove {}", ours.display()))?;
    }
    let maven = |goals: &[&str]| {
        let mut maven = place.program("mvn", &["--batch-mode", "--no-transfer-progress", "--quiet"]);
        maven.args(["--settings", "settings.xml", &format!("-Dsdk.version={version}")]);
        maven.arg(format!("-Dmaven.repo.local={}", local.display())).args(goals);
        maven
    };
    command::run(&mut maven(goals))?;
    Ok(vec![maven(&["exec:exec"])])
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
  <pluginGroups>
    <pluginGroup>org.jetbrains.kotlin</pluginGroup>
    <pluginGroup>org.apache.maven.plugins</pluginGroup>
    <pluginGroup>org.codehaus.mojo</pluginGroup>
  </pluginGroups>
</settings>
"
    )
}
