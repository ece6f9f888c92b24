//! The gateway for one target: an archive with the program, its documents, its licences and its bill of materials.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Release, archive, copy_into, licenses, sbom};
use crate::{browser, command, metadata::Metadata, python::Environment};

/// The package of the program.
pub(super) const PACKAGE: &str = "realtime-gateway-server";

/// Files of the project that are packed with the program.
const DOCUMENTS: [&str; 10] = [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "deploy/systemd/gateway.service",
    "docs/operations.md",
    "docs/protocol.md",
    "env.example",
    "gateway.example.toml",
];

/// Compiles the program and packs it.
///
/// # Errors
/// If it cannot be compiled or packed.
pub(super) fn make(release: &Release, target: &str) -> anyhow::Result<Vec<PathBuf>> {
    // A release build embeds the demo page with the SDK.
    browser::ensure_sdk(release.project)?;
    let program = compile(release, target)?;
    let name = format!("realtime-gateway-{}-{target}", release.version);
    let folder = release.staging(&name)?;
    let bill = gather(release, target, &program, &folder)?;
    let archive = release.file(&format!("{name}.tar.gz"));
    archive::pack(&folder, &archive, &release.time)?;
    let bill_alone = release.file(&format!("{name}.cdx.json"));
    fs::copy(&bill, &bill_alone).with_context(|| format!("copy {}", bill.display()))?;
    Ok(vec![archive, bill_alone])
}

/// Compiles the program for a target with zig as the C compiler and linker, so that the machine needs no cross compiler
/// for the target. A statically linked musl program runs on every Linux.
fn compile(release: &Release, target: &str) -> anyhow::Result<PathBuf> {
    let environment = Environment::of_release(release.project);
    let zigbuild = environment.program("cargo-zigbuild");
    let mut build = release.project.with_target(std::process::Command::new(zigbuild));
    build.args(["zigbuild", "--release", "--locked", "--target", target, "--package", PACKAGE, "--bin", "gateway"]);
    // Symbols and line tables are most of the size, and a panic message has its file and line without them.
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    // cargo-zigbuild takes the zig of the Python on the path.
    let programs = zigbuild_path(&environment)?;
    command::run(build.env("PATH", programs))?;
    Ok(release.project.target().join(target).join("release/gateway"))
}

/// Returns the path with the programs of the environment first.
pub(super) fn zigbuild_path(environment: &Environment) -> anyhow::Result<std::ffi::OsString> {
    let folder = environment.program("python").parent().map(Path::to_owned).context("the folder of programs")?;
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths([folder].into_iter().chain(env::split_paths(&path))).context("extend PATH")
}

/// Gathers the content of an archive in a folder, and returns the path of the bill of materials.
fn gather(release: &Release, target: &str, program: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let project = release.project;
    copy_into(program, folder)?;
    for document in DOCUMENTS {
        let to = folder.join(document);
        let parent = to.parent().context("a document is in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        copy_into(&project.root().join(document), parent)?;
    }
    let metadata = Metadata::for_program(project, PACKAGE, target)?;
    let root = metadata.package(PACKAGE).with_context(|| format!("no package {PACKAGE}"))?;
    let texts = licenses::texts(&metadata, &metadata.parts(&root.id))?;
    fs::write(folder.join("LICENSES-OF-DEPENDENCIES.txt"), texts).context("write the licences")?;
    let (time, published) = (Some(release.time.as_str()), sbom::Published::Program);
    let bill = sbom::write(project, &sbom::Subject { package: PACKAGE, target: Some(target), time, published })?;
    let path = folder.join("gateway.cdx.json");
    fs::write(&path, bill).context("write the bill of materials")?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn archive_holds_the_program_with_its_documents_and_licences() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let place = tempfile::tempdir().expect("a temporary directory");
        let program = place.path().join("gateway");
        fs::write(&program, "a program").expect("write the program");
        let folder = place.path().join("gathered");
        fs::create_dir(&folder).expect("create the folder");
        let release = Release {
            project: &project,
            version: "0.0.0",
            commit: None,
            time: "2026-01-31T12:00:00Z".to_owned(),
            folder: place.path().to_owned(),
        };
        gather(&release, "x86_64-unknown-linux-musl", &program, &folder).expect("gather the files");
        let files = ["gateway", "gateway.cdx.json", "LICENSES-OF-DEPENDENCIES.txt"];
        for file in files.into_iter().chain(DOCUMENTS) {
            let file = folder.join(file);
            assert!(fs::metadata(&file).is_ok_and(|file| file.len() > 0), "{}", file.display());
        }
    }
}
