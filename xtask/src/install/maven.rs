//! The artefact of Maven: the examples in Kotlin and in Java, and the one with generated code, depend on it, and find it in a
//! repository, which is a folder.

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

/// An example, which is a project of its own.
struct Example {
    /// Its folder in `sdk-kotlin/examples/`.
    folder: &'static str,
    sources: &'static [&'static str],
    /// The goals of Maven that compile it. Other plugins, such as the one for resources, may not be on the machine.
    compile: &'static [&'static str],
}

const EXAMPLES: [Example; 3] = [
    Example { folder: "kotlin", sources: &["quickstart/QuickStart.kt"], compile: &["kotlin:compile"] },
    Example {
        folder: "java",
        sources: &["src/module-info.java", "src/quickstart/QuickStart.java"],
        compile: &["compiler:compile"],
    },
    Example {
        folder: "services",
        sources: &["src/main/java/com/example/app/Orders.java", "src/main/kotlin/GatewayGen.kt"],
        compile: &["kotlin:compile", "compiler:compile"],
    },
];

/// Puts the artefact into a repository, and compiles the examples. Their programs are run by Maven, which knows their
/// dependencies.
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
    EXAMPLES.iter().map(|example| compile(place, example)).collect()
}

/// Copies an example, and compiles it. Returns the command that runs its program.
fn compile(place: &Place, example: &Example) -> anyhow::Result<Command> {
    let folder = example.folder;
    for file in example.sources.iter().chain(&["pom.xml"]) {
        place.copy(&format!("sdk-kotlin/examples/{folder}/{file}"), &format!("{folder}/{file}"))?;
    }
    let maven = |goals: &[&str]| {
        let mut maven = place.program("mvn", &["--batch-mode", "--no-transfer-progress", "--quiet"]);
        maven.args(["--settings", "settings.xml", "--file", folder]);
        maven.arg(concat!("-Dsdk.version=", env!("CARGO_PKG_VERSION")));
        maven.arg(format!("-Dmaven.repo.local={}", copies(place).display())).args(goals);
        maven
    };
    command::run(&mut maven(example.compile))?;
    Ok(maven(&["exec:exec"]))
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
