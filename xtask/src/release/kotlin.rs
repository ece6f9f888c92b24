//! The artefacts of the SDK for Kotlin and Java, in the layout of a Maven repository: the jar, its sources, its
//! documentation, the `pom.xml` and a bill of materials, each with its checksums.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{Release, archive, sbom};
use crate::{command, core_module, kotlin_sdk, project::Project};

/// The coordinates of the artefact, as a path in a repository, without the version.
pub(crate) const PATH: &str = "io/github/realtime-gateway/realtime-gateway";
/// The name of the artefact.
pub(crate) const NAME: &str = "realtime-gateway";
/// The package URL.
const PURL: &str = concat!("pkg:maven/io.github.realtime-gateway/realtime-gateway@", env!("CARGO_PKG_VERSION"));
/// Copies files into a repository.
const DEPLOY: &str = "org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy-file";
/// Writes a bill of materials of the dependencies that Maven resolves.
const BILL: &str = "org.cyclonedx:cyclonedx-maven-plugin:2.9.1:makeBom";

/// Builds the artefacts, and packs their repository.
///
/// # Errors
/// If Maven fails, or the version is not that of the workspace.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    core_module::ensure(release.project)?;
    let mut maven = kotlin_sdk::maven(release.project);
    // The tests run in their own step. The jar is the same whenever it is built from one commit.
    maven.args(["-Prelease", "-Dmaven.test.skip", &format!("-Dproject.build.outputTimestamp={}", release.time)]);
    maven.args(["-DschemaVersion=1.6", "-DoutputFormat=json", "-DincludeTestScope=false", "-DoutputName=bom"]);
    command::run(maven.args(["package", BILL])).context("build the artefacts of sdk-kotlin/")?;
    let built = kotlin_sdk::built(release.project);
    let resolved = fs::read_to_string(built.join("bom.json")).context("read the bill of Maven")?;
    let bill = bill(release.project, &resolved, &release.time)?;
    let bill_alone = release.file(&format!("realtime-gateway-maven-{}.cdx.json", release.version));
    fs::write(&bill_alone, bill).context("write the bill of materials")?;
    let file = |ending: &str| built.join(format!("{NAME}-{}{ending}", release.version));
    let repository = release.staging("maven")?;
    let more = [
        format!("-Dsources={}", file("-sources.jar").display()),
        format!("-Djavadoc={}", file("-javadoc.jar").display()),
        format!("-Dfiles={}", bill_alone.display()),
        "-Dtypes=json".to_owned(),
        "-Dclassifiers=cyclonedx".to_owned(),
    ];
    deploy(release.project, release.version, &repository, &more)?;
    let archive = release.file(&format!("realtime-gateway-maven-{}.tar.gz", release.version));
    archive::pack(&repository.join("io"), &archive, &release.time)?;
    Ok(vec![archive, bill_alone])
}

/// Puts the jar that Maven has built, its `pom.xml` and more files into a repository in a folder.
///
/// # Errors
/// If there is no such jar, or Maven fails.
pub(crate) fn deploy(project: &Project, version: &str, repository: &Path, more: &[String]) -> anyhow::Result<()> {
    let jar = kotlin_sdk::built(project).join(format!("{NAME}-{version}.jar"));
    if !jar.is_file() {
        bail!("Maven has not built {}: sdk-kotlin/pom.xml has another version than Cargo.toml", jar.display());
    }
    let mut maven = project.program("mvn", &["--batch-mode", "--no-transfer-progress", "--quiet", DEPLOY]);
    maven.arg(format!("-Dfile={}", jar.display())).arg(format!("-Durl=file://{}", repository.display()));
    maven.arg(format!("-DpomFile={}", project.root().join("sdk-kotlin/pom.xml").display())).args(more);
    command::run(maven.current_dir(repository)).context("write the Maven repository")?;
    // Lists of versions with the time of the build, which the server of a repository writes itself.
    for entry in fs::read_dir(repository.join(PATH)).context("read the Maven repository")?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("maven-metadata") {
            fs::remove_file(entry.path()).with_context(|| format!("remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Writes the bill of materials: what Maven has resolved, and the crates in the translated core.
fn bill(project: &Project, resolved: &str, time: &str) -> anyhow::Result<String> {
    let artefact = sbom::Artefact { purl: PURL, name: NAME, components: Vec::new() };
    let (target, time) = (Some("wasm32-unknown-unknown"), Some(time));
    let published = sbom::Published::Artefact(&artefact);
    let core = sbom::write(project, &sbom::Subject { package: "realtime-gateway-c", target, time, published })?;
    let core: Value = serde_json::from_str(&core).context("read the bill of the core")?;
    let resolved: Value = serde_json::from_str(resolved).context("read the bill of Maven")?;
    merge(&core, &resolved).context("the bill of Maven has an unexpected form")
}

/// Adds the components that Maven has resolved to the bill of the core. Both have the artefact as their subject.
fn merge(core: &Value, resolved: &Value) -> Option<String> {
    let list = |bill: &Value, name: &str| bill.get(name)?.as_array().cloned();
    let subject = core.pointer("/metadata/component/bom-ref")?;
    let resolved_subject = resolved.pointer("/metadata/component/bom-ref")?;
    let mut dependencies = list(core, "dependencies")?;
    for edge in list(resolved, "dependencies")? {
        if edge.get("ref")? != resolved_subject {
            dependencies.push(edge);
            continue;
        }
        let subject = dependencies.iter_mut().find(|edge| edge.get("ref") == Some(subject))?;
        let on = subject.get_mut("dependsOn")?.as_array_mut()?;
        on.extend(list(&edge, "dependsOn").unwrap_or_default());
    }
    let components = [list(core, "components")?, list(resolved, "components")?].concat();
    let metadata = core.get("metadata")?;
    Some(sbom::document(&json!({ "metadata": metadata, "components": components, "dependencies": dependencies })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bill_has_the_crates_and_the_dependencies_of_maven() {
        let resolved = json!({
            "metadata": { "component": { "bom-ref": "pkg:maven/ours@1?type=jar" } },
            "components": [{ "type": "library", "bom-ref": "pkg:maven/okio@3?type=jar", "name": "okio" }],
            "dependencies": [
                { "ref": "pkg:maven/ours@1?type=jar", "dependsOn": ["pkg:maven/okio@3?type=jar"] },
                { "ref": "pkg:maven/okio@3?type=jar", "dependsOn": [] },
            ],
        });
        let project = Project::find().expect("the tests run in cargo's target directory");
        let bill = bill(&project, &resolved.to_string(), "2026-01-31T12:00:00Z").expect("write the bill");
        let bill: Value = serde_json::from_str(&bill).expect("it is JSON");
        assert!(sbom::tests::is_valid(&bill), "the validator of xtask/requirements.txt refuses the bill");
        let ours = bill["metadata"]["component"]["bom-ref"].clone();
        let edges = bill["dependencies"].as_array().expect("dependencies");
        let on = &edges.iter().find(|edge| edge["ref"] == ours).expect("the artefact")["dependsOn"];
        let crate_inside = format!("pkg:cargo/realtime-gateway-c@{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(on, &json!([crate_inside, "pkg:maven/okio@3?type=jar"]));
        assert!(edges.iter().all(|edge| edge["ref"] != "pkg:maven/ours@1?type=jar"));
        let names: Vec<_> = bill["components"].as_array().expect("components").iter().map(|it| &it["name"]).collect();
        assert!(names.contains(&&json!("okio")) && names.contains(&&json!("serde_json")), "{names:?}");
    }

    #[test]
    fn artefact_has_the_version_of_the_workspace() {
        let pom = include_str!("../../../sdk-kotlin/pom.xml");
        let coordinates =
            format!("<artifactId>{NAME}</artifactId>\n  <version>{}</version>", env!("CARGO_PKG_VERSION"));
        assert!(pom.contains(&coordinates), "sdk-kotlin/pom.xml has another version than Cargo.toml");
    }
}
